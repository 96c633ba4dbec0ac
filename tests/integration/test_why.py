"""POST /v1/memory/explain: why a message is, or is not, in the answer to a search."""

from datetime import timedelta

import pytest
from django.utils import timezone

from memories import lexical, tasks
from memories.models import EmbeddingJob
from tests.answers import problem_of
from tests.factories import remember

EXPLAIN = "/v1/memory/explain"


def why(api, message, query: str, **asked) -> dict:
    answer = api.post(EXPLAIN, {"message_id": str(message.id), "query": query, **asked})
    assert answer.status_code == 200, answer.content
    return answer.json()


def apart(acme, *texts: str, **fields):
    """Messages that are nobody's neighbours."""
    return [remember(acme, text, conversation=f"of {text}"[:200], **fields)[0] for text in texts]


def test_it_works(reader, acme):
    [tea, grey] = remember(acme, "I love green tea", "The weather is grey")
    tasks.drain()
    found = why(reader, tea, "green tea", top_k=1)
    assert (found["verdict"], found["standing"]["rank"]) == ("in_answer", 1)
    assert found["query_words"] == ["green", "tea"]
    assert found["reason"] == "It is in the answer, at rank 1 of 1."
    below = why(reader, grey, "green tea", top_k=1, explain=True)
    assert (below["verdict"], below["loses_by"]) == ("ranked_below", "similarity")
    assert below["reason"].startswith(
        "It has rank 2 of 2, and the answer ends at rank 1. It loses most by similarity"
    )
    assert below["compared_with"]["id"] == str(tea.id)
    assert below["explain"]["candidates"]["total"] == 2


def test_the_term_that_costs_most_is_named(reader, acme):
    now = timezone.now()
    apart(acme, "green tea with milk", importance=0.9, created_at=now)
    [dull] = apart(acme, "green tea with lemon", importance=0.0, created_at=now)
    [old] = apart(acme, "green tea with sugar", importance=0.9, created_at=now - timedelta(days=300))
    tasks.drain()
    asked = {"mode": "text", "top_k": 1}
    assert why(reader, dull, "green tea", **asked)["loses_by"] == "importance"
    assert why(reader, old, "green tea", **asked)["loses_by"] == "decay"
    assert why(reader, old, "green tea", **asked, weights={"decay": 0})["loses_by"] is None


def test_a_message_that_nothing_finds_is_told_by_how_much_it_missed(reader, acme):
    apart(acme, *(f"green tea number {n}" for n in range(60)))
    [far] = apart(acme, "something else entirely")
    tasks.drain()
    found = why(reader, far, "green tea", top_k=1, mode="text")
    assert found["verdict"] == "not_a_candidate"
    assert found["missed"]["bm25"] == 0 < found["missed"]["least_bm25"]
    assert found["query_words"] == []
    assert "its BM25 is 0.000" in found["reason"]
    assert "no index word of the query" in found["reason"]
    by_vector = why(reader, far, "green tea", top_k=1, mode="vector")
    if by_vector["verdict"] == "not_a_candidate":
        assert by_vector["missed"]["cosine"] <= by_vector["missed"]["least_cosine"]


def test_a_message_of_nothing_but_common_words_is_said_to_be_passed_over(reader, acme, monkeypatch):
    monkeypatch.setattr(lexical, "MATCHES", 30)
    apart(acme, *(f"rare zebra {n} beside {'many other long words ' * 30}" for n in range(30)))
    [common] = apart(acme, "tea tea")
    apart(acme, *(f"tea {n}" for n in range(30)))
    tasks.drain()
    found = why(reader, common, "zebra tea tea", mode="text", top_k=1)
    assert found["verdict"] == "not_a_candidate"
    assert found["missed"]["bm25"] > found["missed"]["least_bm25"]
    assert "the index looks at a part of the messages only" in found["reason"]


def test_what_is_not_relevant_enough_is_measured_against_the_least_that_was(reader, acme):
    messages = remember(acme, *(f"{'chatter' if n % 4 else 'tea'} {n}" for n in range(120)))
    tasks.drain()
    verdicts = [why(reader, message, "tea", top_k=1) for message in messages]
    beyond = [found for found in verdicts if found["verdict"] == "not_in_pool"]
    assert beyond
    for found in beyond:
        assert found["standing"]["rank"] > 50
        assert found["standing"]["score"] is None
        assert found["standing"]["relevance"]["total"] <= found["compared_with"]["relevance"]["total"]
        assert found["loses_by"] in {
            "lexical",
            "vector",
            "vector_context",
            "speaker",
            "time",
            "session",
            None,
        }


def test_the_same_text_counts_once(reader, acme):
    first, second = apart(acme, "green tea", importance=0.2) + apart(acme, "green tea", importance=0.8)
    tasks.drain()
    found = why(reader, first, "green tea")
    assert (found["verdict"], found["standing"]["id"]) == ("duplicate_of", str(second.id))
    assert "stands for both and is in the answer, at rank 1" in found["reason"]
    assert why(reader, second, "green tea")["verdict"] == "in_answer"


def test_a_copy_that_was_not_even_looked_at_is_a_copy_all_the_same(reader, acme):
    messages = [apart(acme, "green tea")[0] for _ in range(60)]
    found = [why(reader, message, "green tea", top_k=1, mode="text")["verdict"] for message in messages]
    assert sorted(set(found)) == ["duplicate_of", "in_answer"]
    assert found.count("in_answer") == 1


def test_a_repeat_is_said_to_be_one(reader, acme):
    apart(acme, "we went to the sea on a sunny day in may")
    [repeat] = apart(acme, "we went to the sea on a sunny day in may again", importance=0.0)
    found = why(reader, repeat, "sea sunny day", mode="text", top_k=1)
    assert found["verdict"] == "ranked_below"
    assert "nearly the same" in found["reason"]
    assert found["standing"]["terms"]["redundancy"]["weight"] < 0


FILTERED = [
    ({"conversation_id": "b"}, ["conversation_id"]),
    ({"user_id": "u2", "agent_id": "a2", "role": "user"}, ["user_id", "agent_id"]),
    ({"role": "tool", "pinned": True}, ["role", "pinned"]),
    ({"since": "2024-06-01", "until": "2024-01-01"}, ["since", "until"]),
    ({"metadata": {"k": 1, "l": 2}}, ["metadata.l"]),
    ({"filters": {"role": "tool"}}, ["filters.role"]),
    ({"filters": {"importance": {"gte": 0.2, "lt": 0.4}}}, ["filters.importance.lt"]),
    (
        {"filters": {"AND": [{"role": "user"}, {"role": {"in": ["tool"]}, "pinned": True}]}},
        ["filters.AND[1].role.in", "filters.AND[1].pinned"],
    ),
    ({"filters": {"OR": [{"role": "tool"}, {"pinned": True}]}}, ["filters.OR"]),
    ({"filters": {"NOT": {"role": "user"}}, "role": "tool"}, ["role", "filters.NOT"]),
    ({"filters": {"AND": [{"AND": [{"metadata.k": {"ne": 1}}]}]}}, ["filters.AND[0].AND[0].metadata.k.ne"]),
]


@pytest.mark.parametrize(("asked", "paths"), FILTERED, ids=str)
def test_every_filter_that_excludes_it_is_named_as_it_was_sent(reader, acme, asked, paths):
    [message] = remember(
        acme,
        "green tea",
        conversation="a",
        user_id="u1",
        agent_id="a1",
        importance=0.5,
        metadata={"k": 1},
        created_at=timezone.now().replace(year=2024, month=3, day=1),
    )
    found = why(reader, message, "green tea", **asked)
    assert (found["verdict"], found["excluded_by"]) == ("filtered", paths)
    assert found["reason"] == f"It does not pass {', '.join(paths)}."


def test_what_was_said_later_is_told_from_what_is_filtered(reader, acme):
    now = timezone.now()
    [message] = remember(acme, "green tea", created_at=now)
    before = (now - timedelta(days=1)).isoformat()
    found = why(reader, message, "tea", as_of=before, role="tool")
    assert (found["verdict"], found["excluded_by"]) == ("later_than_as_of", ["as_of", "role"])
    assert "and does not pass role" in found["reason"]
    assert why(reader, message, "tea", as_of=now.isoformat())["verdict"] == "in_answer"


def test_a_message_without_a_vector_is_said_to_have_none(reader, acme):
    [tea, other] = apart(acme, "green tea", "grey weather")
    for status in ("pending", "failed"):
        found = why(reader, tea, "green tea")
        assert (found["verdict"], found["embedding_status"]) == ("in_answer", status)
        assert f"It has no vector ({status}), so only words can find it." in found["reason"]
        assert "no vector" not in why(reader, other, "green tea", mode="text")["reason"]
        EmbeddingJob.objects.update(buried_at=timezone.now())


WRONG = [
    ({"message_id": None}, "message_id"),
    ({"message_id": "7"}, "message_id"),
    ({"message_id": ["x"]}, "message_id"),
    ({"query": ""}, "query"),
    ({"top_k": 0}, "top_k"),
    ({"filters": {"AND": []}}, "filters.AND"),
    ({"messageid": "x"}, "messageid"),
    ({"weights": {"similarity": 0, "importance": 0, "decay": 0}}, "weights"),
]


@pytest.mark.parametrize(("wrong", "field"), WRONG, ids=str)
def test_a_wrong_body_is_refused_by_field(reader, acme, wrong, field):
    [message] = remember(acme, "green tea")
    body = {"message_id": str(message.id), "query": "tea", **wrong}
    problem_of(reader.post(EXPLAIN, body), 400, field=field)


def test_a_body_without_a_message_is_refused(reader):
    problem_of(reader.post(EXPLAIN, {"query": "tea"}), 400, field="message_id")


def test_a_message_that_is_not_there_is_not_found(reader, outsider, acme):
    [message] = remember(acme, "green tea")
    for api, key in ((reader, "01932c07-2f1c-7c3e-8f00-000000000001"), (outsider, str(message.id))):
        problem_of(api.post(EXPLAIN, {"message_id": key, "query": "tea"}), 404)
