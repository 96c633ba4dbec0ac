"""include_archived=true: archived messages are found beside the others, by all that finds those."""

from dataclasses import replace
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from memories import archive, candidates, search, tables, tasks, training
from memories.models import Centroid, EmbeddingJob, Message
from memories.spaces import active_space
from memories.tables import WITH_ARCHIVE
from tests.answers import problem_of
from tests.factories import remember
from tests.integration.test_archive import archive_all, restore_all

SEARCH = "/v1/memory/search"
FILTERS = [
    {"conversation_id": "harbour"},
    {"user_id": "u-1"},
    {"role": "user"},
    {"pinned": True},
    {"metadata": {"topic": "sea"}},
    {"since": "2024-01-01T00:00:00Z", "until": "2025-01-01T00:00:00Z"},
    {"filters": {"importance": {"gte": 0.6}}},
    {"filters": {"name": "Ann"}},
    {"filters": {"external_id": "x-1"}},
    {"filters": {"metadata.topic": {"contains": "sea"}}},
    {"filters": {"OR": [{"NOT": {"role": "tool"}}, {"created_at": {"lt": "2024-01-01"}}]}},
]


@pytest.fixture
def harbour(acme) -> Message:
    [message] = remember(
        acme,
        "The harbour opens at nine",
        conversation="harbour",
        user_id="u-1",
        name="Ann",
        pinned=True,
        metadata={"topic": "sea"},
        importance=0.7,
        external_id="x-1",
        created_at=timezone.datetime.fromisoformat("2024-06-01T12:00:00Z"),
    )
    tasks.drain()
    return message


def hits(api, query="harbour", **asked) -> list[dict]:
    answer = api.post(SEARCH, {"query": query, **asked})
    assert answer.status_code == 200, answer.content
    return answer.json()["results"]


def ids(api, **asked) -> list[str]:
    return [hit["id"] for hit in hits(api, **asked)]


def test_it_works(reader, acme, harbour):
    [live] = remember(acme, "The harbour closes at five")
    [before] = hits(reader, conversation_id="harbour")
    archive_all(acme, harbour)
    tasks.drain()
    assert ids(reader) == [str(live.id)]
    first, second = hits(reader, include_archived=True, weights={"decay": 0})
    assert {first["id"], second["id"]} == {str(harbour.id), str(live.id)}
    archived, here = (first, second) if first["id"] == str(harbour.id) else (second, first)
    assert here["archived"] is False
    assert not here.keys() & {"archived_at", "archive_reason"}
    assert (archived.pop("archived"), archived.pop("archive_reason")) == (True, "older than 90 days")
    assert archived.pop("archived_at") <= timezone.now().isoformat()
    assert {**archived, "score": 0} == {**before, "score": 0}


def test_get_takes_it_too_and_says_nothing_of_it_where_it_is_false(reader, acme, harbour):
    plain = reader.get(SEARCH, query="harbour").content
    assert reader.get(SEARCH, query="harbour", include_archived="false").content == plain
    assert b"archive" not in plain
    archive_all(acme, harbour)
    [hit] = reader.get(SEARCH, query="harbour", include_archived="true").json()["results"]
    assert hit["archived"] is True
    assert reader.get(SEARCH, query="harbour").json()["results"] == []


@pytest.mark.parametrize("mode", ["text", "vector", "hybrid"])
def test_moving_everything_changes_nothing_that_is_found(reader, acme, harbour, mode):
    """But for the words' weights, which are the memory's: here there are none left."""
    remember(acme, *(f"Boat number {n} leaves the port at {n}" for n in range(30)), conversation="boats")
    tasks.drain()
    asked = {"query": "boat at the port", "mode": mode, "top_k": 10}
    before = set(ids(reader, **asked))
    archive_all(acme, *Message.objects.filter(tenant=acme))
    tasks.drain()
    assert hits(reader, **asked) == []
    assert len(ids(reader, **asked, include_archived=True)) == 10
    if mode == "vector":
        assert set(ids(reader, **asked, include_archived=True)) == before


@pytest.mark.parametrize("asked", FILTERS)
def test_filters_hold_for_the_archive(reader, acme, harbour, asked):
    [other] = remember(acme, "The harbour is closed", role="tool", conversation="c", importance=0.1)
    archive_all(acme, harbour, other)
    assert ids(reader, include_archived=True, **asked) == [str(harbour.id)]
    assert ids(reader, **asked) == []


def test_as_of_and_top_k(reader, acme, harbour):
    archive_all(acme, harbour)
    assert ids(reader, include_archived=True, as_of="2024-06-01T11:00:00Z") == []
    assert ids(reader, include_archived=True, as_of="2024-06-01T13:00:00Z") == [str(harbour.id)]
    half = remember(acme, *(f"Ship {n} in the harbour" for n in range(40)))
    archive_all(acme, *half[::2])
    for top_k in (1, 10, 41):
        found = hits(reader, include_archived=True, top_k=top_k)
        assert len(found) == top_k
    assert sum(hit["archived"] for hit in found) == 21


def test_turns_beside_a_hit_may_be_archived(reader, acme):
    [question, _] = remember(acme, "Where is the harbour?", "Nothing to see")
    remember(acme, *(f"Something about the harbour {n}" for n in range(3)), conversation="other")
    tasks.drain()
    [answer] = remember(acme, "Behind the old town")
    archive_all(acme, answer)
    found = reader.post(
        SEARCH, {"query": "harbour", "mode": "text", "top_k": 20, "include_archived": True, "explain": True}
    ).json()
    assert str(answer.id) in [hit["id"] for hit in found["results"]]
    assert found["explain"]["candidates"]["by_words"] == 4
    assert str(question.id) in [hit["id"] for hit in found["results"]]


def test_a_large_tenants_archived_vectors_are_all_searched(reader, acme, harbour, settings):
    settings.ENV = settings.ENV.model_copy(update={"exact_search_vectors": 50, "probes": 1})
    remember(acme, *(f"Boat number {n} leaves the port at {n}" for n in range(100)), conversation="boats")
    tasks.drain()
    training.tend(acme.id, space=active_space(), seconds=60)
    assert Centroid.objects.filter(tenant=acme).exists()
    archive_all(acme, harbour)
    asked = {"query": "when does the harbour open", "mode": "vector", "top_k": 1}
    assert ids(reader, **asked, include_archived=True) == [str(harbour.id)]
    assert ids(reader, **asked, include_archived=True, filters={"role": "user"}) == [str(harbour.id)]
    assert ids(reader, **asked) != [str(harbour.id)]


def test_what_is_marked_as_deleted_is_nowhere(reader, acme, harbour):
    archive_all(acme, harbour, deleted=True)
    for mode in search.MODES:
        assert ids(reader, include_archived=True, mode=mode) == []
    archive.unmark_deleted(tenant_id=acme.id, ids=[harbour.id])
    for mode in search.MODES:
        assert ids(reader, include_archived=True, mode=mode) == [str(harbour.id)]


def test_it_is_of_its_tenant(outsider, acme, globex, harbour):
    archive_all(acme, harbour)
    assert ids(outsider, include_archived=True) == []


def test_the_embedding_status_is_the_one_it_had(reader, acme, harbour):
    [waiting, refused] = remember(acme, "harbour one", "harbour two", conversation="c")
    EmbeddingJob.objects.filter(message_id=refused.id).update(buried_at=timezone.now())
    archive_all(acme, harbour, waiting, refused)
    status = {hit["id"]: hit["embedding_status"] for hit in hits(reader, include_archived=True)}
    assert status == {str(harbour.id): "ready", str(waiting.id): "pending", str(refused.id): "failed"}


@pytest.mark.parametrize("move", ["archive", "restore"])
def test_a_message_that_moves_in_the_middle_is_in_the_answer(reader, acme, harbour, monkeypatch, move):
    gather = candidates.gather
    if move == "restore":
        archive_all(acme, harbour)

    def gather_then_move(*args, **options):
        found = gather(*args, **options)
        _ = archive_all(acme, harbour) if move == "archive" else restore_all(acme)
        return found

    monkeypatch.setattr(candidates, "gather", gather_then_move)
    [hit] = hits(reader, include_archived=True)
    assert hit["archived"] is (move == "archive")


def test_one_restored_between_the_two_looks_for_its_row_is_found(reader, acme, harbour, monkeypatch):
    archive_all(acme, harbour)
    live, archived, _ = WITH_ARCHIVE.readers

    def live_then_restore(*args):
        found = live(*args)
        restore_all(acme)
        return found

    moved = replace(WITH_ARCHIVE, readers=(live_then_restore, archived, live))
    monkeypatch.setitem(tables._OF, True, moved)
    [hit] = hits(reader, include_archived=True)
    assert (hit["id"], hit["archived"]) == (str(harbour.id), False)


def test_a_search_without_it_asks_the_archive_nothing(reader, harbour):
    with CaptureQueriesContext(connection) as queries:
        hits(reader)
    assert not [query for query in queries.captured_queries if "archived" in str(query["sql"])]


@pytest.mark.parametrize("value", ["maybe", "", "2", "yess"])
def test_a_query_string_that_says_neither_is_refused(reader, value):
    for path, more in ((SEARCH, {"query": "x"}), ("/v1/messages", {})):
        problem_of(reader.get(path, include_archived=value, **more), 400, field="include_archived")


@pytest.mark.parametrize("value", [None, "maybe", 2, [], {}, [True]])
@pytest.mark.parametrize("path", [SEARCH, "/v1/memory/context", "/v1/memory/explain"])
def test_a_body_that_says_neither_is_refused(reader, path, value):
    body = {"query": "x", "include_archived": value, "message_id": "01932c07-2f1c-7c3e-8f00-000000000001"}
    if "explain" not in path:
        del body["message_id"]
    problem_of(reader.post(path, body), 400, field="include_archived")


def test_an_old_archive_and_the_decay(reader, acme):
    now = timezone.now()
    old, new = (
        remember(acme, text, created_at=now - timedelta(days=days), conversation=text)[0]
        for text, days in (("The old harbour", 300), ("The new harbour", 1))
    )
    archive_all(acme, old)
    assert ids(reader, include_archived=True, weights={"decay": 1, "similarity": 0}) == [
        str(new.id),
        str(old.id),
    ]
