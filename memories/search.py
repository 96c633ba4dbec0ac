"""search(): read the query, gather candidates, rank, explain.

A provider that is down never fails a search: it is answered by words alone, and says so.
"""

import time
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

import structlog
from django.conf import settings
from django.db.models import Q
from django.utils import timezone

from memories import (
    activity,
    caching,
    candidates,
    duplicates,
    lexicon,
    metrics,
    query,
    query_costs,
    ranking,
    vectors,
)
from memories.candidates import Asked, Gathered
from memories.embeddings import EmbeddingError, Vector, breaker, embed
from memories.embeddings.registry import is_remote
from memories.embeddings.usage import metered
from memories.filters import NO_CONDITION
from memories.mentioned_time import Span, mentioned_span
from memories.models import EmbeddingSpace
from memories.relevance import Signals
from memories.spaces import active_space, identity_of
from memories.tables import LIVE, Tables
from memories.whole_messages import WholeMessage
from tenants import isolation, spans
from tenants.models import SearchMode, Tenant

log = structlog.get_logger(__name__)

HYBRID, VECTOR, TEXT = MODES = tuple(SearchMode.values)
# Of each stage; metrics look their labels up with a lock, 5 us each.
STAGES = ("total", "words", "embedding", "candidates", "ranking", "messages")
_SECONDS = {stage: metrics.SEARCH_SECONDS.labels(stage) for stage in STAGES}
_SPANS = {stage: f"search {stage}" for stage in STAGES}
# Hits beyond the answer that may move up where a repeat moves down.
UNDERSTUDIES = 3


@dataclass(frozen=True, kw_only=True)
class Found:
    """One message of the answer and how it got its place."""

    message: WholeMessage
    hit: ranking.Hit


@dataclass(kw_only=True)
class Answer:
    """The hits, best first, and how they came about.

    `degraded` if vectors could not be used, with the reason in words. `ranked`: the whole pool before repeats moved
    down, and what did not come into the pool. `looked_through`: so many of it were looked through for repeats, and
    `head` is what they became.
    """

    found: list[Found] = field(default_factory=list)
    weights: ranking.Weights
    mode: str
    as_of: datetime
    degraded_reason: str = ""
    words: lexicon.Words = lexicon.NO_WORDS
    span: Span | None = None
    gathered: Gathered = field(default_factory=Gathered)
    ranked: ranking.Ranked = field(default_factory=ranking.Ranked)
    looked_through: int = 0
    head: Sequence[ranking.Hit] = ()
    vector_search: vectors.Method | None = None
    milliseconds: dict[str, float] = field(default_factory=dict)

    @property
    def degraded(self) -> bool:
        """Whether vectors were wanted and could not be used."""
        return bool(self.degraded_reason)

    @property
    def order(self) -> list[ranking.Hit]:
        """The whole pool after repeats moved down, of which the hits are the first."""
        return [*self.head, *self.ranked.hits[self.looked_through :]]


def search(
    *,
    tenant: Tenant,
    text: str,
    top_k: int,
    mode: str = "",
    condition: Q = NO_CONDITION,
    weights: ranking.Weights | None = None,
    as_of: datetime | None = None,
    signals: Signals | None = None,
    also: Sequence[str] = (),
    tables: Tables = LIVE,
    explain: bool = False,
) -> Answer:
    """The `top_k` messages of the tenant that matter most for the text; see `ranking` for the score.

    Only messages that meet the condition are candidates. `mode` and `weights` take the place of the tenant's. `as_of`:
    what was said later is not seen, and the decay counts from then. `signals` are the product's unless a benchmark
    turns some off; `also`: ids of messages to rank in any case; `tables`: where to look; `explain`: also tell how
    vectors were searched, which costs a round trip.
    """
    answer = Answer(
        weights=(weights or weights_of(tenant)).normalised(),
        mode=mode or tenant.search_mode or HYBRID,
        as_of=as_of or timezone.now(),
    )
    if as_of is not None:
        condition &= Q(created_at__lte=as_of)
    with isolation.within(tenant.id), isolation.together(), _timed(answer, "total"):
        asked = _read(answer, tenant, text, condition, also, tables)
        with _timed(answer, "candidates"):
            answer.gathered = candidates.gather(asked, wanted=top_k)
        with _timed(answer, "ranking"):
            answer.ranked = ranking.rank(
                answer.gathered.candidates,
                followers=answer.gathered.followers,
                weights=answer.weights,
                now=answer.as_of,
                signals=signals,
                span=answer.span,
                pool_size=max(ranking.POOL_SIZE, top_k + UNDERSTUDIES),
            )
        with _timed(answer, "messages"):
            answer.found = _with_messages(tenant, answer, top_k, tables)
    if explain and asked.vector is not None:
        answer.vector_search = vectors.method(tenant.id, asked.space_id)
    metrics.SEARCH_CANDIDATES.observe(len(answer.gathered.candidates))
    metrics.SEARCHES.labels(answer.mode, str(answer.degraded).lower()).inc()
    activity.note_search(seconds=answer.milliseconds["total"] / 1000)
    return answer


def weights_of(tenant: Tenant) -> ranking.Weights:
    """The tenant's own weights; what it leaves open is the installation's.

    So are all where that leaves nothing to rank by, as it can after the installation's have changed.
    """
    env = settings.ENV
    half_life_days = env.half_life_days if tenant.half_life_days is None else tenant.half_life_days
    chosen = tenant.effective_weights()
    if not any(chosen.values()):
        chosen = {name: getattr(env, f"weight_{name}") for name in chosen}
    return ranking.Weights(**chosen, half_life_days=half_life_days)


def _read(
    answer: Answer, tenant: Tenant, text: str, condition: Q, also: Sequence[str], tables: Tables
) -> Asked:
    """What the query asks for, put into the answer for explaining, and as the database takes it."""
    with _timed(answer, "words"):
        words = lexicon.read_query(tenant, text=text, names=query.possible_names(text))
        answer.words, answer.span = words, mentioned_span(text, answer.as_of)
    with _timed(answer, "embedding"):
        space_id, vector = _query_vector(answer, tenant, query.in_first_person(text, words.speakers))
    by_vector_alone = answer.mode == VECTOR and vector is not None
    return Asked(
        tenant_id=tenant.id,
        words=replace(words, terms=()) if by_vector_alone else words,
        space_id=space_id,
        vector=None if vector is None else vectors.sent(vector),
        condition=condition,
        fill=answer.mode == HYBRID,
        also=also,
        tables=tables,
    )


def _query_vector(answer: Answer, tenant: Tenant, text: str) -> tuple[int, Vector | None]:
    """The active space and the query's vector in it; no vector, and a reason, where there can be none."""
    if answer.mode == TEXT:
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
    isolation.let_go()  # no transaction waits for Redis and the provider
    vector, hit = caching.remembered_query_vector(
        tenant_id=tenant.id,
        space=identity,
        text=text,
        beside=breaker.key_of(identity),
        compute=lambda closed: _paid_for(text, space, tenant, closed=closed),
    )
    metrics.QUERY_VECTORS.labels("hit" if hit else "miss").inc()
    return vector


def _paid_for(text: str, space: EmbeddingSpace, tenant: Tenant, *, closed: bool) -> Vector:
    """Asked of the provider, and put on the tenant's account. `closed`: so its breaker has just been seen."""
    identity = identity_of(space)
    with metered() as used, breaker.seen_closed(identity) if closed else nullcontext():
        vector = embed([text], identity)[0]
    query_costs.note(tenant_id=tenant.id, text=text, space=space, used=used)
    return vector


def _with_messages(tenant: Tenant, answer: Answer, top_k: int, tables: Tables) -> list[Found]:
    """Only the answer's own rows, and some that may move up, are read whole. One deleted just now is left out."""
    answer.looked_through = top_k + UNDERSTUDIES
    hits = answer.ranked.first(answer.looked_through)
    messages = tables.whole(tenant.id, [hit.candidate.id for hit in hits])
    hits = [hit for hit in hits if hit.candidate.id in messages]
    repeats = duplicates.repeats([messages[hit.candidate.id].content for hit in hits])
    hits = [
        ranking.demoted(hit, weights=answer.weights) if place in repeats else hit
        for place, hit in enumerate(hits)
    ]
    answer.head = ranking.in_order(hits)
    return [Found(message=messages[hit.candidate.id], hit=hit) for hit in answer.head[:top_k]]


class _timed:
    """with _timed(answer, stage): its span, and its seconds in the answer and in the metrics. A generator is slower."""

    __slots__ = ("answer", "span", "stage", "started")

    def __init__(self, answer: Answer, stage: str) -> None:
        self.answer, self.stage, self.span = answer, stage, spans.span(_SPANS[stage])

    def __enter__(self) -> None:
        self.started = time.perf_counter()
        self.span.__enter__()

    def __exit__(self, *raised: Any) -> None:
        self.span.__exit__(*raised)
        seconds = time.perf_counter() - self.started
        self.answer.milliseconds[self.stage] = round(seconds * 1000, 3)
        _SECONDS[self.stage].observe(seconds)
