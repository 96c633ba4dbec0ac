"""The verdict on every message of a memory agrees with the answer to the search it is about."""

from collections import Counter
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from memories import tasks
from memories.models import Message
from tests.factories import remember

NOW = timezone.now()
# Names, copies, repeats, long ones, other moments, and some without a vector: a bit of all that ranking knows.
TEXTS = [
    "tea " * 200,
    *(("green tea number {}", "chatter about {}", "more of {}")[n % 3].format(n) for n in range(72)),
    *("green tea again" for _ in range(6)),
    *(f"we walked to the sea on day {n} of the holiday" for n in range(20)),
]
SEARCHES: list[dict[str, Any]] = [
    {"query": "green tea"},
    {"query": "green tea", "mode": "text", "top_k": 1},
    {"query": "Did Ann walk to the sea?", "mode": "vector", "top_k": 20},
    {"query": "sea holiday", "top_k": 30, "filters": {"NOT": {"name": "Tom"}}},
    {
        "query": "nothing of the kind",
        "top_k": 3,
        "role": "user",
        "as_of": (NOW - timedelta(days=10)).isoformat(),
    },
    {"query": "tea or chatter", "weights": {"similarity": 0, "importance": 1, "decay": 1}, "top_k": 7},
]


@pytest.fixture
def memory(acme) -> list[Message]:
    stored = []
    for n, text in enumerate(TEXTS):
        stored += remember(
            acme,
            text,
            conversation=f"alone-{n}" if n > 80 else "talk",
            role="user" if n % 5 else "assistant",
            name=("Ann", "Tom")[n % 2],
            created_at=NOW - timedelta(hours=n * 5),
            importance=(n * 7 % 11) / 10,
        )
        if n == len(TEXTS) - 9:
            tasks.drain()
    return stored


def total(terms: dict[str, Any]) -> float:
    return sum(term["weight"] * (term["value"] or 0) for term in terms.values())


@pytest.mark.parametrize("asked", SEARCHES, ids=" ".join)
def test_every_verdict_agrees_with_the_answer(bot, memory, asked):
    hits = bot.post("/v1/memory/search", asked).json()["results"]
    ranks = {hit["id"]: rank for rank, hit in enumerate(hits, start=1)}
    scores = {hit["id"]: hit["score"] for hit in hits}
    copies = {copy: hit["id"] for hit in hits for copy in hit["duplicates"]}
    places = []
    verdicts = Counter()
    for message in memory:
        found = bot.post("/v1/memory/explain", {**asked, "message_id": str(message.id)}).json()
        standing = found["standing"]
        verdicts[found["verdict"]] += 1
        assert (found["verdict"] == "in_answer") == (found["message_id"] in ranks), found
        if found["message_id"] in copies:
            assert found["verdict"] == "duplicate_of"
        if found["verdict"] in ("in_answer", "ranked_below", "not_in_pool"):
            places.append(standing["rank"])
            assert standing["id"] == found["message_id"]
        if found["verdict"] == "in_answer":
            assert standing["rank"] == ranks[standing["id"]]
            assert standing["score"] == pytest.approx(scores[standing["id"]], abs=1e-4)
        if found["verdict"] == "duplicate_of" and standing["id"] in ranks:
            assert standing["rank"] == ranks[standing["id"]]
        for side in (standing, found["compared_with"]):
            if side is not None:
                relevance = dict(side["relevance"])
                assert relevance.pop("total") == pytest.approx(total(relevance))
                assert side["terms"] is None or side["score"] == pytest.approx(total(side["terms"]))
    assert len(verdicts) >= 3, "a memory that tests little"
    assert sorted(places) == list(range(1, len(places) + 1))
