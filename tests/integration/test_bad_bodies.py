"""Bodies that are no JSON object of ours: every one is a 4xx that says so, and nothing is stored."""

import json

import pytest

from memories.models import Message
from tests.answers import problem_of

HELLO = {"conversation_id": "conv-1", "role": "user", "content": "hello"}
JSON = json.dumps(HELLO).encode()
WRITES = ("/v1/messages", "/v1/messages/batch")
BROKEN = {
    "empty": b"",
    "blank": b" \n",
    "truncated": JSON[:-5],
    "two values": JSON + JSON,
    "single quotes": str(HELLO).encode(),
    "invalid UTF-8": JSON.replace(b"hello", b"\xff\xfe"),
    "half a character at its end": JSON + b"\xc3",
    "UTF-16": json.dumps(HELLO).encode("utf-16"),
    "nul bytes": b"\0" * 100,
    "NaN": JSON.replace(b'"hello"', b'"hello", "importance": NaN'),
    "Infinity": JSON.replace(b'"hello"', b'"hello", "metadata": {"a": -Infinity}'),
    "5,000 digits": JSON.replace(b'"hello"', b'"hello", "metadata": {"a": %s}' % (b"1" * 5000)),
    "nested 100,000 deep": b'{"metadata": ' + b'{"a":' * 100_000 + b"1" + b"}" * 100_000 + b"}",
    "arrays 100,000 deep": b"[" * 100_000 + b"]" * 100_000,
    "a list": b"[" + JSON + b"]",
    "a text": b'"hello"',
    "a number": b"7",
    "null": b"null",
    "false": b"false",
}


@pytest.mark.parametrize("path", WRITES)
@pytest.mark.parametrize("body", BROKEN.values(), ids=BROKEN)
def test_a_broken_body_is_refused(bot, path, body):
    problem_of(bot.post(path, body), 400)
    assert not Message.objects.exists()


@pytest.mark.parametrize("body", BROKEN.values(), ids=BROKEN)
def test_a_broken_edit_is_refused(bot, acme, body):
    message_id = bot.post("/v1/messages", HELLO).json()["id"]
    problem_of(bot.patch(f"/v1/messages/{message_id}", body), 400)
    assert Message.objects.for_tenant(acme.id).get().content == "hello"


def test_nesting_near_the_stack_limit_is_refused_at_every_depth(bot):
    """What the parser's stack still takes, a deeper stack may not when it is written into an error."""
    for depth in range(890, 990, 3):
        for name in ("role", "metadata", "unknown"):
            body = f'{{"messages": [{{"{name}": {"[" * depth}{"]" * depth}}}]}}'
            problem_of(bot.post("/v1/messages/batch", body), 400)


@pytest.mark.parametrize(
    "content_type",
    [
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "text/plain",
        "application/xml",
        "x",
        "",
    ],
)
def test_another_content_type_is_415(bot, content_type):
    answer = bot.client.generic("POST", "/v1/messages", JSON, content_type, HTTP_X_API_KEY=bot.key)
    assert "JSON" in problem_of(answer, 415)["detail"] or content_type in problem_of(answer, 415)["detail"]
    assert not Message.objects.exists()


@pytest.mark.parametrize(
    "charset", ["utf-8", "latin-1", "utf-16", "rot13", "zlib", "hex", "idna", "undefined", "nonsense"]
)
def test_json_is_utf_8_whatever_the_charset_claims(bot, charset):
    body = json.dumps({**HELLO, "content": "héllo 🧠"}, ensure_ascii=False).encode()
    headers = {"HTTP_X_API_KEY": bot.key, "HTTP_ACCEPT": "application/json"}
    kind = f"application/json; charset={charset}"
    assert bot.client.generic("POST", "/v1/messages", body, kind, **headers).status_code == 201
    found = bot.client.generic(
        "GET", "/v1/memory/search", b"", kind, QUERY_STRING="query=h%C3%A9llo", **headers
    ).json()
    assert found["results"][0]["content"] == "héllo 🧠"


class Unread:
    """A body that fails the test when somebody reads it."""

    def read(self, *_):
        raise AssertionError("the body was read")

    readline = __iter__ = read


@pytest.mark.parametrize(
    "length", [8 * 1024 * 1024 + 1, 10**15, "9" * 5000], ids=["8 MiB", "10^15", "5,000 digits"]
)
def test_a_body_past_the_limit_is_413_and_not_read(bot, length):
    answer = bot.client.generic(
        "POST",
        "/v1/messages",
        content_type="application/json",
        HTTP_X_API_KEY=bot.key,
        CONTENT_LENGTH=str(length),
        **{"wsgi.input": Unread()},
    )
    assert "8 MiB" in problem_of(answer, 413)["detail"]


def test_a_body_at_the_limit_is_read(bot):
    body = JSON + b" " * (8 * 1024 * 1024 - len(JSON))
    assert bot.post("/v1/messages", body).status_code == 201


@pytest.mark.parametrize("length", ["-1", "x", "²"])
def test_a_length_that_is_none_is_no_body(bot, length):
    answer = bot.client.generic(
        "POST", "/v1/messages", JSON, "application/json", HTTP_X_API_KEY=bot.key, CONTENT_LENGTH=length
    )
    problem_of(answer, 400)
    assert not Message.objects.exists()
