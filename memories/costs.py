"""What embedding costs, by tenant, space and day: tokens as the provider counts them, or else estimated, times a price.

An account, not a bill: a worker that dies between a call and its record leaves that call out.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import structlog
from django.conf import settings
from django.db import IntegrityError, connection, transaction
from django.db.models import QuerySet, Sum
from django.db.models.expressions import RawSQL

from memories import metrics
from memories.embeddings.batches import cut, estimated_tokens
from memories.models import EmbeddingSpace, EmbeddingUsage

log = structlog.get_logger(__name__)

# USD per million tokens, which is also micro-USD per token. OpenAI's list prices; they change, hence the variable.
PRICES = {"text-embedding-3-small": Decimal("0.02"), "text-embedding-3-large": Decimal("0.13")}

# The first day of this month (UTC), by the clock that the account is kept by.
_MONTH = "date_trunc('month', statement_timestamp() AT TIME ZONE 'UTC')::date"

# A batch is often worth less than one micro-USD. The difference of the two rounded totals loses nothing over a day,
# where a rounded sum of each batch would come to 0. Rows in the order of tenants, so that two workers cannot deadlock;
# without tenants that were deleted meanwhile.
_ADD = """
    INSERT INTO memories_embeddingusage AS usage (tenant_id, space_id, day, tokens, calls, cost_micro_usd)
    SELECT new.tenant_id, %(space)s, (statement_timestamp() AT TIME ZONE 'UTC')::date,
           new.tokens, new.calls, round(new.tokens * %(price)s::numeric)
    FROM unnest(%(tenants)s::bigint[], %(tokens)s::bigint[], %(calls)s::int[]) AS new(tenant_id, tokens, calls)
    JOIN tenants_tenant ON tenants_tenant.id = new.tenant_id
    ORDER BY new.tenant_id
    ON CONFLICT (tenant_id, space_id, day) DO UPDATE SET
        tokens = usage.tokens + excluded.tokens,
        calls = usage.calls + excluded.calls,
        cost_micro_usd = usage.cost_micro_usd + round((usage.tokens + excluded.tokens) * %(price)s::numeric)
                         - round(usage.tokens * %(price)s::numeric)
"""


@dataclass(frozen=True, kw_only=True)
class Usage:
    """Tokens embedded, in so many calls."""

    tokens: int = 0
    calls: int = 0

    def __add__(self, other: "Usage") -> "Usage":
        return Usage(tokens=self.tokens + other.tokens, calls=self.calls + other.calls)


def record(
    rows: Sequence[tuple[int, str]], *, space: EmbeddingSpace, calls: int, tokens: int | None = None
) -> None:
    """Add embedded texts (tenant id, text) to today's account, as `add` does.

    `tokens` is what the provider counted for all of them, None if it did not say. Each tenant in the batch had a part
    in every one of the `calls`.
    """
    shares = divided(_estimated(rows), tokens)
    add({tenant: Usage(tokens=share, calls=calls) for tenant, share in shares.items()}, space=space)


def add(usages: Mapping[int, Usage], *, space: EmbeddingSpace) -> None:
    """Add what these tenants (by id) used to today's account, today by UTC.

    To be called outside any transaction: the account's rows are shared by all processes. A tenant that is deleted in
    this very moment is passed over.
    """
    if not usages:
        return
    tokens, price = [usage.tokens for usage in usages.values()], price_of(space.model)
    values: dict[str, Any] = {
        "space": space.id,
        "price": price,
        "tenants": list(usages),
        "tokens": tokens,
        "calls": [usage.calls for usage in usages.values()],
    }
    try:
        _write(values)
    except IntegrityError:  # at the commit: the tenant was there when the statement looked, and now is not
        try:
            _write(values)
        except IntegrityError:
            log.warning("embedding_usage_left_out", tenants=len(usages), tokens=sum(tokens))
            return
    metrics.EMBEDDING_TOKENS.labels(space.provider, space.model).inc(sum(tokens))
    metrics.EMBEDDING_COST.labels(space.provider, space.model).inc(float(sum(tokens) * price) / 1_000_000)


def _write(values: Mapping[str, Any]) -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        # Workers wait for each other at a tenant's row of the day; for the disk as well, they would embed no more
        # often than it is flushed. A crash of PostgreSQL forgets its last moments.
        cursor.execute("SET LOCAL synchronous_commit = off")
        cursor.execute(_ADD, values)


@dataclass(frozen=True, kw_only=True)
class Spent:
    """What embedding took: US dollars, and tokens."""

    usd: float
    tokens: int


def spent_this_month(usages: QuerySet[EmbeddingUsage]) -> Spent:
    """Of these rows together."""
    of_it = usages.filter(day__gte=RawSQL(_MONTH, []))  # noqa: S611 - a constant
    sums = of_it.aggregate(cost=Sum("cost_micro_usd"), tokens=Sum("tokens"))
    return Spent(usd=(sums["cost"] or 0) / 1_000_000, tokens=sums["tokens"] or 0)


def over_budget() -> list[int]:
    """Tenants that have spent this month's budget: their embedding pauses, their ingest does not."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            SELECT t.id FROM tenants_tenant t
            LEFT JOIN memories_embeddingusage u ON u.tenant_id = t.id AND u.day >= {_MONTH}
            WHERE t.embedding_budget_usd IS NOT NULL GROUP BY t.id
            HAVING coalesce(sum(u.cost_micro_usd), 0) >= t.embedding_budget_usd * 1000000
            ORDER BY t.id
            """  # noqa: S608 - a constant
        )
        return [row[0] for row in cursor.fetchall()]


def price_of(model: str) -> Decimal:
    """USD per million tokens: MEMORY_EMBEDDING_PRICE_PER_MILLION_TOKENS, else the table's, else 0."""
    own = settings.ENV.embedding_price_per_million_tokens
    return PRICES.get(model, Decimal(0)) if own is None else Decimal(str(own))


def divided(estimates: Mapping[int, int], total: int | None) -> dict[int, int]:
    """The total over the tenants, in proportion to their estimates and in whole tokens that add up to it.

    No total: the estimates are the answer.
    """
    if total is None:
        return dict(estimates)
    whole, given, seen = sum(estimates.values()), 0, 0
    shares = {}
    for tenant_id, estimate in estimates.items():
        seen += estimate
        shares[tenant_id] = total * seen // max(whole, 1) - given
        given += shares[tenant_id]
    return shares


def _estimated(rows: Sequence[tuple[int, str]]) -> dict[int, int]:
    """Tokens by tenant."""
    estimates: dict[int, int] = defaultdict(int)
    for tenant_id, text in rows:
        estimates[tenant_id] += estimated(text)
    return estimates


def estimated(text: str) -> int:
    """Tokens of what the providers really send of a text, where they do not say."""
    return estimated_tokens(cut(text))
