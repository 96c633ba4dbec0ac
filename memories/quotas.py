"""How much a tenant may store: messages, and bytes of their text and metadata. What is archived does not count.

What is stored is the statistics of full text and the changes that wait for them: exact, whoever wrote, and cheap.
Enforced after the write and before its commit, by one writer of a tenant at a time: so no two can both be the last that
fits, and a repeated external_id, which adds nothing, is never refused. Tenants without a quota wait for nobody.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from django.conf import settings
from django.db import connection
from django.db.models import Expression, F, FloatField, Value
from django.db.models.functions import Cast, Coalesce, Greatest, NullIf

from memories import metrics
from tenants.models import Tenant

# Any number, the same in every process: first half of the advisory locks of quotas; the tenant's id is the other.
_LOCK = 730_580_441
_INT_MAX = 2**31
# From so much of a quota on somebody should know.
NEARLY_FULL = 0.9
_USAGE = """
    SELECT coalesce(sum(messages), 0)::bigint, coalesce(sum(bytes), 0)::bigint FROM (
        SELECT messages, bytes FROM memories_corpus WHERE tenant_id = %(tenant)s
        UNION ALL
        SELECT messages, messages * bytes FROM memories_termchange WHERE tenant_id = %(tenant)s) AS each
"""


@dataclass(frozen=True, kw_only=True)
class Usage:
    """What a tenant has stored."""

    messages: int
    bytes: int


class QuotaExceeded(Exception):
    """The write would have taken the tenant past its quota; it must be rolled back."""

    def __init__(self, *, what: str, allowed: int, would_be: int) -> None:
        self.what = what
        super().__init__(
            f"The tenant's quota is {allowed:,} {what} and this would make it {would_be:,}. Nothing was stored."
        )


def usage(tenant_id: int) -> Usage:
    """What is stored now, the running transaction's own writes included."""
    with connection.cursor() as cursor:
        cursor.execute(_USAGE, {"tenant": tenant_id})
        messages, size = cursor.fetchone()
    return Usage(messages=messages, bytes=size)


def fullest(*, messages: str, size: str, tenant: str = "") -> Expression:
    """In SQL: how much is used of the quota that is nearest to its end, 0 to 1 and more; NULL without any quota.

    `messages` and `size` (bytes): names of what is stored. `tenant`: the path to the tenant, as `tenant__`.
    """
    return Greatest(
        *(
            Cast(F(used), FloatField())
            / NullIf(Coalesce(F(f"{tenant}{column}"), Value(getattr(settings.ENV, column))), Value(0))
            for used, column in ((messages, "message_quota"), (size, "byte_quota"))
        )
    )


def enforce(tenant: Tenant) -> None:
    """After a write, in its transaction: QuotaExceeded if there is too much now. Holds the lock until the commit."""
    allowed = _quotas_of(tenant)
    if not any(allowed.values()):
        return
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s, %s)", [_LOCK, tenant.id % _INT_MAX])
    # A statement of its own: what the lock's last holder committed is seen only by one that begins after it.
    stored = usage(tenant.id)
    for what, most in allowed.items():
        if most and getattr(stored, what) > most:
            raise QuotaExceeded(what=what, allowed=most, would_be=getattr(stored, what))


@contextmanager
def refusals_counted() -> Iterator[None]:
    """For a whole write: what is refused together with others' and then written apart was not refused."""
    try:
        yield
    except QuotaExceeded as error:
        metrics.QUOTA_REFUSALS.labels(error.what).inc()
        raise


def _quotas_of(tenant: Tenant) -> dict[str, int]:
    return {
        "messages": _allowed(tenant.message_quota, settings.ENV.message_quota),
        "bytes": _allowed(tenant.byte_quota, settings.ENV.byte_quota),
    }


def _allowed(own: int | None, installation: int) -> int:
    """0: any amount."""
    return installation if own is None else own
