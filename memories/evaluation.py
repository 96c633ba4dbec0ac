"""Retrieval quality over a data set, through the same use cases as the API; `memories.measures` says what is measured.

Each conversation is a tenant of its own, loaded once and asked with every variant of the search that is to be compared.
"""

import secrets
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial

from memories import ingest, search, tasks
from memories.datasets import Conversation, Question
from memories.measures import Asked, Report, measure
from memories.models import EmbeddingJob, Message
from tenants.models import Tenant

DEPTH = 20
BATCH = 500

# Takes the tenant and the question; answers as search.search() does, DEPTH hits deep.
Search = Callable[[Tenant, str], search.Answer]


class NotEmbedded(Exception):
    """Some messages got no vector in time: figures would be of a half-filled memory."""


def as_configured(tenant: Tenant, text: str) -> search.Answer:
    """The search as every caller of the API gets it."""
    return search.search(tenant=tenant, text=text, top_k=DEPTH)


def evaluate(
    conversations: Sequence[Conversation],
    *,
    timeout_seconds: float,
    progress: Callable[[int], object],
    variants: Mapping[str, Search],
) -> dict[str, Report]:
    """Load each conversation as a tenant of its own, ask its questions of every variant, remove the tenant.

    A report for each variant; `progress` is called with the number of searches done since the last call.
    """
    reports = {name: Report() for name in variants}
    for conversation in conversations:
        with _throw_away_tenant() as tenant:
            _load(tenant, conversation)
            _embed_all(tenant, timeout_seconds)
            for name, variant in variants.items():
                reports[name].messages += len(conversation.turns)
                for question in conversation.questions:
                    reports[name].asked.append(_ask(partial(variant, tenant), question))
                    progress(1)
    return reports


@contextmanager
def _throw_away_tenant() -> Iterator[Tenant]:
    """Without quotas: it is not one of the installation's customers."""
    tenant = Tenant.objects.create(name=f"evaluation-{secrets.token_hex(8)}", message_quota=0, byte_quota=0)
    try:
        yield tenant
    finally:
        Message.objects.for_tenant(tenant.id).delete()
        tenant.delete()


def _load(tenant: Tenant, conversation: Conversation) -> None:
    messages = [
        ingest.NewMessage(
            conversation_id=conversation.id,
            role=turn.role,
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


def _ask(ask: Callable[[str], search.Answer], question: Question) -> Asked:
    started = time.perf_counter()
    answer = ask(question.text)
    milliseconds = (time.perf_counter() - started) * 1000
    found = [each.message.external_id or "" for each in answer.found]
    return Asked(
        category=question.category,
        answerable=question.answerable,
        measures=measure(found, question.evidence),
        milliseconds=milliseconds,
    )
