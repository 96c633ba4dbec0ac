"""search(): read the query, gather candidates, rank, explain.

A provider that is down never fails a search: it is answered by words alone, and says so.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime

import structlog
from django.conf import settings
from django.utils import timezone

from memories import caching, candidates, costs, metrics, query, ranking
from memories.embeddings import EmbeddingError, Vector, embed
from memories.embeddings.registry import is_remote
from memories.embeddings.usage import metered
from memories.filters import MessageFilters
from memories.models import EmbeddingSpace, Message
from memories.spaces import active_space, identity_of
from tenants.models import Tenant

log = structlog.get_logger(__name__)

HYBRID, VECTOR, TEXT = MODES = ("hybrid", "vector", "text")


@dataclass(frozen=True, kw_only=True)
class Found:
    """One message of the answer and how it got its place."""

    message: Message
    hit: ranking.Hit


@dataclass(kw_only=True)
class Answer:
    """The hits, best first. `degraded` if vectors could not be used, with the reason in words."""

    found: list[Found] = field(default_factory=list)
    weights: ranking.Weights
    degraded_reason: str = ""
    candidate_count: int = 0
    lexemes: tuple[str, ...] = ()
    speakers: frozenset[str] = frozenset()
    milliseconds: dict[str, float] = field(default_factory=dict)

    @property
    def degraded(self) -> bool:
        """Whether vectors were wanted and could not be used."""
        return bool(self.degraded_reason)


def search(
    *,
    tenant: Tenant,
    text: str,
    top_k: int,
    mode: str = HYBRID,
    filters: MessageFilters | None = None,
    now: datetime | None = None,
) -> Answer:
    """The `top_k` messages of the tenant that matter most for the text; see `ranking` for the score."""
    answer = Answer(weights=weights_of(tenant).normalised())
    with _timed(answer, "total"):
        with _timed(answer, "words"):
            words = candidates.read_words(tenant.id, text=text, names=query.possible_names(text))
        with _timed(answer, "embedding"):
            space_id, vector = _query_vector(
                answer, tenant, query.in_first_person(text, words.speakers), mode
            )
        with _timed(answer, "candidates"):
            gathered = candidates.gather(
                tenant.id,
                space_id=space_id,
                vector=vector,
                lexemes=words.lexemes if mode != VECTOR or vector is None else (),
                speakers=words.speakers,
                condition=(filters or MessageFilters()).as_q(),
            )
        with _timed(answer, "ranking"):
            hits = ranking.rank(gathered, weights=answer.weights, now=now or timezone.now(), top_k=top_k)
        with _timed(answer, "messages"):
            answer.found = _with_messages(tenant, hits)
    answer.candidate_count, answer.lexemes, answer.speakers = len(gathered), words.lexemes, words.speakers
    metrics.SEARCHES.labels(mode, str(answer.degraded).lower()).inc()
    return answer


def weights_of(tenant: Tenant) -> ranking.Weights:
    """The tenant's own weights; what it leaves open is the installation's."""
    env = settings.ENV

    def chosen(own: float | None, default: float) -> float:
        return default if own is None else own

    return ranking.Weights(
        similarity=chosen(tenant.similarity_weight, env.weight_similarity),
        importance=chosen(tenant.importance_weight, env.weight_importance),
        decay=chosen(tenant.decay_weight, env.weight_decay),
        half_life_days=chosen(tenant.half_life_days, env.half_life_days),
    )


def _query_vector(answer: Answer, tenant: Tenant, text: str, mode: str) -> tuple[int, Vector | None]:
    """The active space and the query's vector in it; no vector, and a reason, where there can be none."""
    if mode == TEXT:
        return 0, None
    try:
        space = active_space()
        return space.id, _embedded(text, space, tenant)
    except EmbeddingError as error:
        answer.degraded_reason = f"The embedding provider did not answer: {error}."
    log.warning("search_degraded", reason=answer.degraded_reason)
    return 0, None


def _embedded(text: str, space: EmbeddingSpace, tenant: Tenant) -> Vector:
    """The text's vector, remembered where it costs money or network; a local model takes no longer than Redis."""
    identity = identity_of(space)
    if not is_remote(identity):
        return embed([text], identity)[0]
    vector, hit = caching.remembered_query_vector(
        tenant_id=tenant.id, space=identity, text=text, compute=lambda: _paid_for(text, space, tenant)
    )
    metrics.QUERY_VECTORS.labels("hit" if hit else "miss").inc()
    return vector


def _paid_for(text: str, space: EmbeddingSpace, tenant: Tenant) -> Vector:
    """Asked of the provider, and put on the tenant's account."""
    with metered() as used:
        vector = embed([text], identity_of(space))[0]
    costs.record([(tenant.id, text)], space=space, calls=used.calls, tokens=used.tokens)
    return vector


def _with_messages(tenant: Tenant, hits: list[ranking.Hit]) -> list[Found]:
    """Second round trip: only the answer's own rows are read whole. One deleted just now is left out."""
    rows = Message.objects.whole(tenant.id, [hit.candidate.id for hit in hits])
    messages = {row.id: row for row in rows}
    return [
        Found(message=messages[hit.candidate.id], hit=hit) for hit in hits if hit.candidate.id in messages
    ]


@contextmanager
def _timed(answer: Answer, stage: str) -> Iterator[None]:
    started = time.perf_counter()
    try:
        yield
    finally:
        seconds = time.perf_counter() - started
        answer.milliseconds[stage] = round(seconds * 1000, 3)
        metrics.SEARCH_SECONDS.labels(stage).observe(seconds)
