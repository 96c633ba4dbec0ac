"""Archived messages where they are read, listed, put into a context, asked about, and in remembered answers."""

import pytest
from django.db import transaction
from django.utils import timezone

from memories import archive, search, tasks
from memories.models import ArchivedMessage
from tests.answers import problem_of
from tests.factories import remember
from tests.integration.test_archive import archive_all, restore_all
from tests.integration.test_search_cache import ask

EXPLAIN = "/v1/memory/explain"


@pytest.fixture
def tea(acme):
    [message] = remember(acme, "I love green tea", conversation="old", external_id="t-1", metadata={"a": 1})
    tasks.drain()
    return message


def read(api, message, **params):
    return api.get(f"/v1/messages/{message.id}", **params)


def why(api, message, **asked) -> dict:
    body = {"message_id": str(message.id), "query": "green tea", **asked}
    answer = api.post(EXPLAIN, body)
    assert answer.status_code == 200, answer.content
    return answer.json()


def test_it_works(bot, acme, tea):
    before = read(bot, tea).json()
    assert "archived" not in before
    assert read(bot, tea, include_archived="true").json() == {**before, "archived": False}
    archive_all(acme, tea)
    problem_of(read(bot, tea), 404)
    found = read(bot, tea, include_archived="true").json()
    assert found.pop("archived_at") == ArchivedMessage.objects.get().archived_at.isoformat().replace(
        "+00:00", "Z"
    )
    assert found == {**before, "archived": True, "archive_reason": "older than 90 days"}


def test_an_archived_message_is_neither_edited_nor_deleted(bot, acme, tea):
    archive_all(acme, tea)
    problem_of(bot.patch(f"/v1/messages/{tea.id}", {"pinned": True}), 404)
    problem_of(bot.delete(f"/v1/messages/{tea.id}"), 404)
    for call in (bot.delete, lambda path: bot.patch(path, {"pinned": True})):
        problem_of(call(f"/v1/messages/{tea.id}?include_archived=true"), 400, field="include_archived")
    assert ArchivedMessage.objects.filter(id=tea.id).exists()


def test_what_is_deleted_or_anothers_is_not_there(bot, outsider, acme, tea):
    archive_all(acme, tea)
    problem_of(read(outsider, tea, include_archived="true"), 404)
    problem_of(outsider.post(EXPLAIN, {"message_id": str(tea.id), "query": "tea"}), 404)
    archive.mark_deleted(tenant_id=acme.id, reasons={tea.id: "a year old"}, run_id=None, now=timezone.now())
    problem_of(read(bot, tea, include_archived="true"), 404)
    for asked in ({}, {"include_archived": True}):
        problem_of(bot.post(EXPLAIN, {"message_id": str(tea.id), "query": "tea", **asked}), 404)
    assert bot.get("/v1/messages", include_archived="true").json()["messages"] == []


def test_reading_refuses_what_says_neither(bot, tea):
    problem_of(read(bot, tea, include_archived="maybe"), 400, field="include_archived")


def test_lists_page_through_both(bot, acme):
    messages = remember(acme, *(f"turn {n}" for n in range(25)))
    archive_all(acme, *messages[::3])
    listed, cursor = [], {}
    while True:
        page = bot.get("/v1/messages", include_archived="true", limit=4, **cursor).json()
        listed += page["messages"]
        if page["next"] is None:
            break
        cursor = {"cursor": page["next"]}
    assert [row["content"] for row in listed] == [f"turn {n}" for n in reversed(range(25))]
    assert [row["archived"] for row in listed] == [n % 3 == 0 for n in reversed(range(25))]
    here = bot.get("/v1/messages", limit=100).json()["messages"]
    assert [row["id"] for row in here] == [row["id"] for row in listed if not row["archived"]]
    assert not here[0].keys() & {"archived", "archived_at", "archive_reason"}


def test_lists_filter_both(bot, acme, tea):
    remember(acme, "black tea", conversation="new")
    archive_all(acme, tea)
    for asked in ({"conversation_id": "old"}, {"metadata.a": "1"}):
        [row] = bot.get("/v1/messages", include_archived="true", **asked).json()["messages"]
        assert row["id"] == str(tea.id)


def test_contexts_take_archived_turns(bot, acme, tea):
    [reply] = remember(acme, "So do I", conversation="old", role="assistant")
    archive_all(acme, tea, reply)
    asked = {"query": "green tea", "conversation_id": "old"}
    assert bot.post("/v1/memory/context", asked).json()["messages"] == []
    found = bot.post("/v1/memory/context", {**asked, "include_archived": True}).json()
    assert [(row["source"], row["archived"]) for row in found["messages"]] == [("recent", True)] * 2
    elsewhere = bot.post("/v1/memory/context", {"query": "green tea", "include_archived": True}).json()
    assert {row["id"] for row in elsewhere["messages"]} == {str(tea.id), str(reply.id)}
    assert elsewhere["messages"][0]["archive_reason"] == "older than 90 days"


def test_contexts_beside_a_stored_message_take_them_too(bot, acme, tea):
    archive_all(acme, tea)
    new = {"conversation_id": "new", "role": "user", "content": "Which tea?", "return_context": True}
    plain = bot.post("/v1/messages", new).json()["context"]["messages"]
    found = bot.post("/v1/messages", {**new, "context": {"include_archived": True}}).json()["context"]
    assert str(tea.id) not in [row["id"] for row in plain]
    assert (str(tea.id), True) in [(row["id"], row["archived"]) for row in found["messages"]]


def test_the_verdict_says_when_and_by_what_it_was_archived(reader, acme, tea):
    archive_all(acme, tea)
    found = why(reader, tea, explain=True)
    when = ArchivedMessage.objects.get().archived_at.isoformat()
    assert found["verdict"] == "archived"
    assert found["reason"] == (
        f"It was archived on {when} by the policy old: older than 90 days. "
        "Search with include_archived=true to find it."
    )
    assert (found["query_words"], found["excluded_by"]) == (["green", "tea"], [])
    assert found["explain"]["candidates"]["total"] == 0


def test_the_verdict_says_what_else_excludes_it(reader, acme, tea):
    archive_all(acme, tea)
    found = why(reader, tea, role="tool")
    assert (found["verdict"], found["excluded_by"]) == ("archived", ["role"])
    assert found["reason"].endswith(" It does not pass role.")
    assert why(reader, tea, role="tool", include_archived=True)["verdict"] == "filtered"


def test_with_the_archive_the_verdicts_are_the_usual_ones(reader, acme, tea):
    [twin] = remember(acme, "I love green tea", conversation="other")
    [black] = remember(acme, "black tea", conversation="third")
    archive_all(acme, tea, black)
    tasks.drain()
    asked = {"include_archived": True, "top_k": 1}
    assert why(reader, twin, **asked)["verdict"] == "in_answer"
    assert why(reader, tea, **asked)["verdict"] == "duplicate_of"
    assert why(reader, black, **asked)["verdict"] == "ranked_below"
    assert why(reader, black, as_of="2020-01-01T00:00:00Z", **asked)["verdict"] == "later_than_as_of"


def test_a_message_archived_while_it_is_asked_about_has_a_verdict(reader, acme, tea, monkeypatch):
    searched = search.search

    def archive_then_search(**asked):
        archive_all(acme, tea)
        return searched(**asked)

    monkeypatch.setattr(search, "search", archive_then_search)
    assert why(reader, tea)["verdict"] == "archived"


@pytest.mark.django_db(transaction=True)
def test_remembered_answers_tell_the_archive_apart_and_follow_every_move(bot, acme, tea, settings):
    settings.ENV = settings.ENV.model_copy(update={"search_cache_seconds": 60})

    def look() -> tuple[int, int]:
        """How many hits there are without the archive and with it, each asked twice."""
        counts = []
        for asked in ({}, {"include_archived": "true"}):
            (first, how), (again, how_again) = ask(bot, **asked), ask(bot, **asked)
            assert (how, how_again) == ("miss", "hit")
            assert first == again
            counts.append(len(first["results"]))
        return counts[0], counts[1]

    assert look() == (1, 1)
    archive_all(acme, tea)
    assert look() == (0, 1)
    restore_all(acme)
    assert look() == (1, 1)
    archive_all(acme, tea)
    with transaction.atomic():
        archive.mark_deleted(tenant_id=acme.id, reasons={tea.id: "old"}, run_id=None, now=timezone.now())
    assert look() == (0, 0)
    with transaction.atomic():
        archive.unmark_deleted(tenant_id=acme.id, ids=[tea.id])
    assert look() == (0, 1)
