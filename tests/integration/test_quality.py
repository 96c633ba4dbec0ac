"""What the benchmarks measure at length, in short: facts told once are found, and answers are full."""

import random
from itertools import product

import pytest

from memories import datasets, measures, tasks
from memories.measures import Asked, Report
from tests.benchmarks import long_chats, topical
from tests.benchmarks.quality import as_messages

# Below what is measured (docs/benchmarks.md), above what words or vectors alone reach.
RECALL_FLOOR = 0.55


@pytest.fixture
def local(settings):
    """Real vectors: the mock's know nothing of meaning."""
    chosen = {"embedding_provider": "local", "embedding_dimensions": 256, "embedding_model": ""}
    settings.ENV = settings.ENV.model_copy(update=chosen)


def store(operator, tenant: str, rows: list) -> None:
    answer = operator.post("/v1/messages/batch", {"tenant_id": tenant, "messages": rows})
    assert answer.status_code == 201, answer.content
    while tasks.drain():
        pass


def found(operator, tenant: str, text: str, top_k: int, **params) -> list[str]:
    answer = operator.get("/v1/memory/search", tenant_id=tenant, query=text, top_k=top_k, **params)
    assert answer.status_code == 200, answer.content
    assert not answer.json()["degraded"]
    return [hit["external_id"] for hit in answer.json()["results"]]


def test_facts_told_once_between_long_answers_are_found(operator, local):
    report = Report()
    for conversation in datasets.parse(long_chats.conversations(seed=1, users=2)):
        store(operator, conversation.id, as_messages(conversation))
        for question in conversation.questions:
            ids = found(operator, conversation.id, question.text, 20)
            values = measures.measure(ids, question.evidence)
            report.asked.append(
                Asked(category=question.category, answerable=True, measures=values, milliseconds=0.0)
            )
    assert measures.means(report.of(None))["recall@10"] >= RECALL_FLOOR, "\n".join(measures.table(report))


@pytest.fixture
def stored(operator, local) -> dict[str, list]:
    tenants = {"large": 300, "small-1": 40, "small-2": 40}
    rows = {
        name: list(topical.messages(count, seed=seed)) for seed, (name, count) in enumerate(tenants.items())
    }
    for name, messages in rows.items():
        store(operator, name, messages)
    return rows


def test_an_answer_is_full_whenever_there_are_enough_messages(operator, stored):
    for name, messages in stored.items():
        rare = {row["external_id"] for row in messages if "rare" in row["metadata"]}
        for top_k, mode in product((5, 20, 100), ("hybrid", "vector")):
            for text in topical.questions(2, seed=top_k):
                ids = found(operator, name, text, top_k, mode=mode)
                assert len(set(ids)) == min(top_k, len(messages))
                ids = found(operator, name, text, top_k, mode=mode, **{"metadata.rare": "yes"})
                assert sorted(ids) == sorted(rare)


def test_a_message_is_found_by_its_own_text(operator, stored):
    chooser = random.Random(5)
    asked = [(name, row) for name, rows in stored.items() for row in chooser.sample(rows, 20)]
    missed = [
        row for name, row in asked if row["external_id"] not in found(operator, name, row["content"], 10)
    ]
    assert not missed
