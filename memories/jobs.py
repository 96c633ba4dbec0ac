"""Embedding jobs: claim a batch, embed it outside any transaction, store it or back off or bury (`leases`)."""

import uuid
from collections.abc import Iterator, Sequence
from datetime import timedelta

from django.conf import settings
from django.db.models.functions import Now

from memories import caching, costs, leases, metrics, statements
from memories.embeddings import EmbeddingError, Fault, Vector, embed, resting
from memories.embeddings.registry import is_remote
from memories.embeddings.usage import metered
from memories.models import EmbeddingJob, EmbeddingSpace
from memories.spaces import identity_of
from tenants import spans

# Those with due jobs, by hand: Django builds such a query anew each time, 0.8 of the 2.6 ms of a batch.
_SPACES = f"""
    SELECT id, provider, model, dimensions, active FROM memories_embeddingspace AS space
    WHERE EXISTS (SELECT FROM memories_embeddingjob WHERE {leases.DUE} AND space_id = space.id)
    ORDER BY active DESC, id
"""  # noqa: S608 - made of constants


def run_batch() -> int:
    """Claim, embed and store one batch; how many jobs were claimed (0: nothing is due).

    Jobs of the active space go first: what is being said now matters more than a space that is being filled. While a
    breaker is open its jobs are left as they are: claiming them would rewrite the whole backlog at every interval.
    Raises nothing for a failing provider: the jobs then wait in their rows.
    """
    leases.give_back()
    token = uuid.uuid4()
    for space, paused in _workable_spaces():
        if claims := leases.claim(space_id=space.id, token=token, without=paused):
            try:
                _work(claims, space=space, token=token)
            except BaseException:
                leases.abandon(token)
                raise
            return len(claims)
    return 0


def _work(claims: Sequence[leases.Claim], *, space: EmbeddingSpace, token: uuid.UUID) -> None:
    """The span belongs to the trace of whoever woke the worker, and is linked to those who found it awake."""
    askers = caching.waiting_traces() if spans.recorder() else []
    with spans.span("embed messages", links=askers, messages=len(claims), space=space.id):
        try:
            for batch in _batches(claims):
                _embed_and_store(batch, space=space, token=token)
        except EmbeddingError as error:
            leases.put_off(claims, error, token=token)


def workable() -> bool:
    """Whether there are due jobs that somebody could be asked for now."""
    due = EmbeddingJob.objects.due()
    return any(
        due.filter(space=space).exclude(tenant_id__in=paused).exists() for space, paused in _workable_spaces()
    )


def pull_in() -> int:
    """Make due what waits longer than any job ever does, because the clock was put back; how many.

    Waits that a provider asks for may be longer. Those are its breaker's, which leaves due jobs alone.
    """
    longest = max(settings.ENV.embedding_lease_seconds, leases.BACKOFF_CAP_SECONDS)
    ahead = EmbeddingJob.objects.open().filter(next_attempt_at__gt=Now() + timedelta(seconds=longest))
    return ahead.update(next_attempt_at=Now(), lease_token=None)


def _workable_spaces() -> Iterator[tuple[EmbeddingSpace, list[int]]]:
    """Spaces with due jobs whose provider may be asked, and the tenants whose budget is spent.

    An idle worker asks this twenty times a second: with nothing due it costs one query, no breaker and no budget. One
    batch may go over a budget, because what a call costs is known after it.
    """
    for number, provider, model, dimensions, active in statements.rows(_SPACES, []):
        space = EmbeddingSpace(
            id=number, provider=provider, model=model, dimensions=dimensions, active=active
        )
        identity = identity_of(space)
        if not resting(identity):
            yield space, costs.over_budget() if is_remote(identity) else []


def _batches(claims: Sequence[leases.Claim]) -> Iterator[list[leases.Claim]]:
    """The claims in order, so many at once that their texts fill one batch: a long message has up to 32 of them."""
    batch: list[leases.Claim] = []
    size = 0
    for claim in claims:
        if batch and size + len(claim.texts) > settings.ENV.embedding_batch_size:
            yield batch
            batch, size = [], 0
        batch.append(claim)
        size += len(claim.texts)
    yield batch


def _embed_and_store(claims: Sequence[leases.Claim], *, space: EmbeddingSpace, token: uuid.UUID) -> None:
    """Embed the batch; where a text is refused, halve the batch until its message stands alone, and bury that.

    That costs at most 2 * log2(n) further calls for each refused text. Raises EmbeddingError for any other fault.
    """
    try:
        with metered() as used:
            vectors = _vectors(
                [text for claim in claims for text in claim.texts], space, alone=len(claims) == 1
            )
    except EmbeddingError as error:
        if error.fault is not Fault.TEXT:
            raise
        if len(claims) == 1:
            leases.put_off(claims, error, token=token)
            return
        middle = len(claims) // 2
        for half in (claims[:middle], claims[middle:]):
            _embed_and_store(half, space=space, token=token)
        return
    stored = leases.finish(claims, vectors, space_id=space.id, token=token)
    metrics.EMBEDDED.inc(stored)
    if is_remote(identity_of(space)):
        rows = [(claim.tenant_id, text) for claim in claims for text in claim.texts]
        costs.record(rows, space=space, calls=used.calls, tokens=used.tokens)


def _vectors(texts: Sequence[str], space: EmbeddingSpace, *, alone: bool) -> list[Vector]:
    """One vector a text. Those of a message that stands `alone` are halved where they are refused.

    Only a single text's refusal is believed (memories.embeddings), and a server may refuse no text but their number.
    """
    try:
        return embed(texts, identity_of(space))
    except EmbeddingError as error:
        if not alone or error.fault is not Fault.TEXT or len(texts) == 1:
            raise
        middle = len(texts) // 2
        return [
            vector
            for half in (texts[:middle], texts[middle:])
            for vector in _vectors(half, space, alone=True)
        ]
