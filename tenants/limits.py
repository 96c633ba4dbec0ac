"""How often a tenant and a key may ask: reads and writes have budgets of their own. `auth.tenant_of` charges them.

Without any limit nothing is asked of Redis.
"""

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NoReturn

from django.conf import settings
from rest_framework.exceptions import APIException

from tenants import metrics, refusals, shared_redis
from tenants.cell_rate import Budget, Left, Taken, left_at, take
from tenants.models import ApiKey, Tenant

READS, WRITES = "reads", "writes"


@dataclass
class Meter:
    """What a request is counted as, and the headers that its answer will have.

    `door`: what else is refused if this request is, for a while and uncounted; None: nothing.
    """

    kind: str = WRITES
    door: refusals.Door | None = None
    headers: dict[str, str] = field(default_factory=dict)


class RateLimitExceeded(APIException):
    """A budget is used up; `wait` seconds from now it will do. `refusal`: what may be said to the next ones."""

    status_code = 429
    default_code = "rate_limit_exceeded"

    def __init__(self, detail: str, wait: float, refusal: refusals.Refusal | None) -> None:
        super().__init__(detail)
        self.wait = max(1, math.ceil(wait))
        self.refusal = refusal


class OverBurst(APIException):
    """More than the budget ever holds: waiting would not help, smaller batches do."""

    status_code = 413
    default_code = "batch_over_limit"


class LimitsUnavailable(APIException):
    """Redis is down, and the installation would rather refuse than not count."""

    status_code = 503
    default_code = "limits_unavailable"
    default_detail = "The rate limits cannot be checked just now. Nothing was done; try again."
    wait = math.ceil(shared_redis.QUIET_SECONDS)


@dataclass(frozen=True, kw_only=True)
class _Charge:
    name: str
    kind: str
    budget: Budget
    units: int


def charge(*, tenant: Tenant, key: ApiKey | None, meter: Meter, units: Mapping[str, int]) -> None:
    """Take units of each kind from the tenant's and the key's budgets, all or nothing; headers say what is left.

    Raises RateLimitExceeded (429), OverBurst (413), or LimitsUnavailable (503) without Redis where that is to refuse.
    """
    charges = _charges(tenant, key, units)
    if not charges:
        return
    meter.headers["RateLimit-Policy"] = ", ".join(_policy(each) for each in charges)
    for each in charges:
        if each.units > each.budget.burst:
            raise OverBurst(
                f"{each.units} {each.kind} at once are more than the {_whose(each)} limit ever allows, "
                f"which is {each.budget.burst}. Nothing was done; send smaller batches."
            )
    asked_at = time.monotonic()
    taken = take([(each.budget, each.units) for each in charges])
    if taken is None:
        _uncounted()
        return
    meter.headers["RateLimit"] = ", ".join(map(_state, charges, taken.left))
    if taken.wait:
        _refuse(charges, taken, _refusal(meter, charges, taken, asked_at))


def _charges(tenant: Tenant, key: ApiKey | None, units: Mapping[str, int]) -> list[_Charge]:
    """One for each limit that there is. Every request comes by here: two attributes a kind while there is none."""
    found = []
    for kind, count in units.items():
        if not count:
            continue
        setting = f"{kind}_per_minute"
        per_minute = getattr(tenant, setting)
        if per_minute is None:
            per_minute = getattr(settings.ENV, f"rate_limit_{setting}")
        if per_minute:
            found.append(_charge(tenant, f"tenant-{kind}", kind, tenant.id, per_minute, count))
        if key and (per_minute := getattr(key, setting)):
            found.append(_charge(tenant, f"key-{kind}", kind, key.id, per_minute, count))
    return found


def _charge(tenant: Tenant, name: str, kind: str, number: int, per_minute: int, units: int) -> _Charge:
    seconds = tenant.burst_seconds or settings.ENV.rate_limit_burst_seconds
    burst = max(1, per_minute * seconds // 60)
    budget = Budget(key=f"rate:{name}:{number}", per_minute=per_minute, burst=burst)
    return _Charge(name=name, kind=kind, budget=budget, units=units)


def _refuse(charges: Sequence[_Charge], taken: Taken, refusal: refusals.Refusal | None) -> NoReturn:
    """Says the first budget that had too little."""
    short = next(each for each, left in zip(charges, taken.left, strict=True) if left.units < each.units)
    metrics.RATE_REFUSALS.labels(short.kind).inc()
    raise RateLimitExceeded(
        f"The {_whose(short)} limit of {short.budget.per_minute} {short.kind} a minute is reached. Nothing was done.",
        taken.wait,
        refusal,
    )


def _refusal(
    meter: Meter, charges: Sequence[_Charge], taken: Taken, asked_at: float
) -> refusals.Refusal | None:
    """Holds for all behind the door, if this request took what every one of them takes: one unit of its kind.

    From the moment before Redis was asked, so that nobody is refused whom Redis would let pass.
    """
    if meter.door is None or any((each.kind, each.units) != (meter.kind, 1) for each in charges):
        return None
    full = [asked_at + left.seconds_to_full for left in taken.left]

    def states(now: float) -> str:
        lefts = (left_at(each.budget, at - now) for each, at in zip(charges, full, strict=True))
        return ", ".join(map(_state, charges, lefts))

    return refusals.Refusal(
        door=meter.door,
        budget=meter.kind,
        passes_at=asked_at + taken.wait,
        asked_at=asked_at,
        states=states,
    )


def _uncounted() -> None:
    closed = settings.ENV.rate_limit_on_outage == "closed"
    metrics.RATE_OUTAGES.labels("refused" if closed else "allowed").inc()
    if closed:
        raise LimitsUnavailable


def _whose(each: _Charge) -> str:
    return "tenant's" if each.name.startswith("tenant") else "key's"


def _policy(each: _Charge) -> str:
    """As in draft-ietf-httpapi-ratelimit-headers-11: q units grow back in w seconds."""
    seconds = math.ceil(each.budget.burst * 60 / each.budget.per_minute)
    return f'"{each.name}";q={each.budget.burst};w={seconds}'


def _state(each: _Charge, left: Left) -> str:
    return f'"{each.name}";r={max(0, left.units)};t={math.ceil(left.seconds_to_full)}'
