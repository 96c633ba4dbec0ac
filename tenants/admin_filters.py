"""Filters of the admin's lists that indexes serve: by whole values, by choices that are known, and by days."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from django.contrib.admin.options import IncorrectLookupParameters
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from unfold.contrib.filters.admin import DropdownFilter, RangeDateFilter, TextFilter

from tenants import support
from tenants.models import Tenant

# Of a list of choices nobody reads more; others are reached from the tenant's own page.
TENANTS_SHOWN = 500


class Conditional:
    """A filter as a condition, so that hand-written SQL can ask the same."""

    def condition(self) -> Q:
        """What it asks for; empty if it asks nothing."""
        raise NotImplementedError

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Narrowed down."""
        return queryset.filter(self.condition())


class Exactly(Conditional, TextFilter):
    """Rows whose column has this value, as it is written."""

    column: str

    def condition(self) -> Q:
        value = str(self.value() or "").strip()
        if "\0" in value:
            raise IncorrectLookupParameters("No text has NUL bytes.")
        return Q(**{self.column: value}) if value else Q()


class TenantFilter(Conditional, DropdownFilter):
    """Rows of one tenant, of those that the person may see."""

    title = "tenant"
    parameter_name = "tenant"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """By name. The one that is asked for is among them, however many there are."""
        rows = support.visible(Tenant.objects.order_by("name"), request.user, column="pk")
        known = list(rows.values_list("pk", "name")[:TENANTS_SHOWN])
        if (asked := self.tenant_id()) is not None and asked not in dict(known):
            known += list(rows.filter(pk=asked).values_list("pk", "name"))
        return [(str(pk), name) for pk, name in known]

    def tenant_id(self) -> int | None:
        """None: any."""
        value = str(self.value() or "")
        if not value:
            return None
        if not (value.isascii() and value.isdecimal() and len(value) < 19):
            raise IncorrectLookupParameters("A tenant is named by its number.")
        return int(value)

    def has_output(self) -> bool:
        """With one tenant too: what is chosen can be seen."""
        return True

    def condition(self) -> Q:
        tenant_id = self.tenant_id()
        return Q() if tenant_id is None else Q(tenant_id=tenant_id)


class ChoiceFilter(Conditional, DropdownFilter):
    """Rows whose column has one of the values that there are, or that meet what `conditions` says of one."""

    column: str
    choices_of: Any
    conditions: "Mapping[str, Q]" = {}

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return list(self.choices_of)

    def condition(self) -> Q:
        value = self.value()
        if value not in dict(self.choices_of):
            return Q()
        return self.conditions[value] if self.conditions else Q(**{self.column: value})


class DayFilter(Conditional, RangeDateFilter):
    """Rows of these days (UTC), both included."""

    def condition(self) -> Q:
        since, until = (self._day(end) for end in ("from", "to"))
        asked = Q() if since is None else Q(**{f"{self.parameter_name}__gte": since})
        return (
            asked if until is None else asked & Q(**{f"{self.parameter_name}__lt": until + timedelta(days=1)})
        )

    def _day(self, end: str) -> datetime | None:
        value = str(self.used_parameters.get(f"{self.parameter_name}_{end}") or "")
        if not value:
            return None
        try:
            return datetime.strptime(value, "%Y-%m-%d").replace(tzinfo=UTC)
        except ValueError as error:
            raise IncorrectLookupParameters("A day is written as 2026-11-26.") from error
