"""One serializer instance checks all requests: nothing of one request may be seen by another, nor by another thread."""

import json
import threading

import pytest

from memories.serializers import BatchIn, MessageIn
from memories.views import valid
from tests.answers import problem_of

HELLO = {"conversation_id": "c", "role": "user", "content": "hello"}


def test_it_works():
    assert valid(MessageIn, HELLO) == HELLO
    assert valid(MessageIn, HELLO) is not valid(MessageIn, HELLO)


def test_a_refused_body_leaves_nothing_behind(bot):
    full = {**HELLO, "name": "Ann", "metadata": {"a": 1}, "importance": 0.5, "pinned": True}
    assert bot.post("/v1/messages", full).status_code == 201
    problem_of(bot.post("/v1/messages", {**full, "role": "x", "content": 7}), 400, field="role")
    assert valid(MessageIn, HELLO) == HELLO


def test_threads_do_not_mix_their_bodies():
    mixed: list[str] = []

    def work(mine: int) -> None:
        for number in range(300):
            text = f"{mine}-{number}"
            rows = [{**HELLO, "content": text, "metadata": {"text": text}} for _ in range(3)]
            checked = valid(BatchIn, {"messages": rows})
            if json.loads(json.dumps(checked)) != {"messages": rows}:
                mixed.append(text)

    threads = [threading.Thread(target=work, args=[n]) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert mixed == []


@pytest.mark.parametrize("body", ["null", "[]", "7", '"text"', "{}"])
def test_what_is_no_message_is_refused(bot, body):
    problem_of(bot.post("/v1/messages", body), 400)
