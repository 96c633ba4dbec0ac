"""Retrieval quality over a data set, through the same use cases as the API.

recall@k: share of a question's evidence among the first k; hit@k: whether any is; MRR: mean of 1 / rank of the first
evidence; nDCG@10 with binary gains (Jarvelin and Kekalainen, 2002). All are means over questions, 0..1.
"""

import math
import secrets
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from memories import ingest, search, tasks
from memories.locomo import Conversation, Question
from memories.models import EmbeddingJob, Message
from tenants.models import Tenant

DEPTH = 20
BATCH = 500
MEASURES = ("recall@5", "recall@10", "recall@20", "hit@5", "MRR", "nDCG@10")


class NotEmbedded(Exception):
    """Some messages got no vector in time: figures would be of a half-filled memory."""


@dataclass(frozen=True, kw_only=True)
class Asked:
    """One question's result."""

    category: int
    measures: dict[str, float]
    milliseconds: float


@dataclass(kw_only=True)
class Report:
    """All results, and their means."""

    asked: list[Asked] = field(default_factory=list)
    messages: int = 0

    def categories(self) -> list[int]:
        """Those that occur, in order."""
        return sorted({each.category for each in self.asked})

    def means(self, categories: Sequence[int]) -> dict[str, float]:
        """Mean of every measure over the questions of these categories, and `questions`."""
        chosen = [each for each in self.asked if each.category in categories]
        means = {name: sum(each.measures[name] for each in chosen) / max(1, len(chosen)) for name in MEASURES}
        return means | {"questions": len(chosen)}

    def percentile(self, share: float) -> float:
        """Milliseconds of a search, nearest rank."""
        ordered = sorted(each.milliseconds for each in self.asked)
        return ordered[max(0, math.ceil(share * len(ordered)) - 1)] if ordered else 0.0


def evaluate(
    conversations: Sequence[Conversation],
    *,
    timeout_seconds: float,
    progress: Callable[[int], object],
) -> Report:
    """Load each conversation as a tenant of its own, ask its questions, remove the tenant; `progress` after each."""
    report = Report()
    for conversation in conversations:
        with _throw_away_tenant() as tenant:
            _load(tenant, conversation)
            _embed_all(tenant, timeout_seconds)
            report.messages += len(conversation.turns)
            for question in conversation.questions:
                report.asked.append(_ask(tenant, question))
                progress(1)
    return report


def measure(found: Sequence[str], evidence: frozenset[str]) -> dict[str, float]:
    """Every measure of one ranked answer, best first. `evidence` must not be empty."""
    gains = [1.0 if each in evidence else 0.0 for each in found]
    ideal = sum(1 / math.log2(place + 2) for place in range(min(10, len(evidence))))
    first = next((place for place, gain in enumerate(gains) if gain), None)
    return {
        **{f"recall@{k}": sum(gains[:k]) / len(evidence) for k in (5, 10, 20)},
        "hit@5": float(any(gains[:5])),
        "MRR": 0.0 if first is None else 1 / (first + 1),
        "nDCG@10": sum(gain / math.log2(place + 2) for place, gain in enumerate(gains[:10])) / ideal,
    }


@contextmanager
def _throw_away_tenant() -> Iterator[Tenant]:
    tenant = Tenant.objects.create(name=f"evaluation-{secrets.token_hex(8)}")
    try:
        yield tenant
    finally:
        Message.objects.for_tenant(tenant.id).delete()
        tenant.delete()


def _load(tenant: Tenant, conversation: Conversation) -> None:
    messages = [
        ingest.NewMessage(
            conversation_id=conversation.id,
            role="user",
            name=turn.speaker,
            content=turn.text,
            external_id=turn.id,
            created_at=turn.said_at,
        )
        for turn in conversation.turns
    ]
    for start in range(0, len(messages), BATCH):
        ingest.store(tenant=tenant, messages=messages[start : start + BATCH])


def _embed_all(tenant: Tenant, timeout_seconds: float) -> None:
    """Works beside running workers: what they hold is waited for."""
    deadline = time.monotonic() + timeout_seconds
    while EmbeddingJob.objects.filter(tenant=tenant).open().exists():
        if time.monotonic() > deadline:
            raise NotEmbedded("some messages were not embedded in time; see the log, or give --timeout")
        if not tasks.drain():
            time.sleep(0.2)


def _ask(tenant: Tenant, question: Question) -> Asked:
    started = time.perf_counter()
    answer = search.search(tenant=tenant, text=question.text, top_k=DEPTH)
    milliseconds = (time.perf_counter() - started) * 1000
    found = [each.message.external_id or "" for each in answer.found]
    return Asked(
        category=question.category, measures=measure(found, question.evidence), milliseconds=milliseconds
    )
