"""Rows that name a user or conversation without holding a message: an erasure puts a digest in the name's place.

So a policy for an erased user governs nobody any more, and a running one cannot become one for everybody, as it would
with an empty name. Active legal holds name nobody here: they refuse the erasure.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.contrib.admin.models import LogEntry
from django.contrib.contenttypes.models import ContentType
from django.db import connection
from django.db.models import Model

from memories.models import Subject
from retention.models import LegalHold, RetentionPolicy, RetentionRun
from tenants import isolation


@dataclass(frozen=True, kw_only=True)
class Erased:
    """Who: the digest of the subject gives the name that is put in its place."""

    tenant_id: int
    kind: Subject
    subject: str
    digest: bytes

    @property
    def alias(self) -> str:
        """What stands where the subject was named."""
        return f"erased:{self.digest.hex()}"


def replace(erased: Erased) -> dict[str, int]:
    """Put the alias wherever the subject is named; rows changed, by table."""
    return {model._meta.db_table: change(erased) for model, change in MENTIONS.items() if change is not None}


def forget_titles(models: Sequence[type[Model]], ids: Sequence[Any], *, title: str = "erased") -> int:
    """Put another title for these rows, which may name somebody, in the admin's history; how many entries."""
    with isolation.beyond():  # the admin's history is the installation's
        types = ContentType.objects.get_for_models(*models).values()
        entries = LogEntry.objects.filter(
            content_type__in=list(types), object_id__in=[str(each) for each in ids]
        )
        return entries.exclude(object_repr=title).update(object_repr=title)


def forget_titles_of_tenant(tenant_id: int) -> None:
    """The same for what a tenant's rules and holds named."""
    for model in (RetentionPolicy, LegalHold):
        forget_titles([model], list(model.objects.filter(tenant_id=tenant_id).values_list("id", flat=True)))


def _in_policies(erased: Erased) -> int:
    if erased.kind is not Subject.USER:
        return 0  # a conversation_prefix is of many conversations
    policies = RetentionPolicy.objects.filter(tenant_id=erased.tenant_id, user_id=erased.subject)
    return policies.update(user_id=erased.alias)


def _in_holds(erased: Erased) -> int:
    holds = LegalHold.objects.filter(
        tenant_id=erased.tenant_id, kind=erased.kind, subject=erased.subject, released_at__isnull=False
    )
    title = str(LegalHold(kind=erased.kind, subject=erased.alias))
    forget_titles([LegalHold], list(holds.values_list("id", flat=True)), title=title)
    return holds.update(subject=erased.alias)


def _in_runs(erased: Erased) -> int:
    """The copy of the policies that a run was made with, wherever in it a user_id stands."""
    if erased.kind is not Subject.USER:
        return 0
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT id FROM retention_retentionrun
            WHERE tenant_id = %s AND strpos(policies::text, to_json(%s::text)::text) > 0
            """,
            [erased.tenant_id, erased.subject],
        )
        ids = [row[0] for row in cursor.fetchall()]
    changed = 0
    for run in RetentionRun.objects.filter(tenant_id=erased.tenant_id, id__in=ids):
        policies = _renamed(run.policies, erased)
        if policies != run.policies:
            RetentionRun.objects.filter(tenant_id=erased.tenant_id, id=run.id).update(policies=policies)
            changed += 1
    return changed


def _renamed(value: Any, erased: Erased) -> Any:
    if isinstance(value, list):
        return [_renamed(each, erased) for each in value]
    if isinstance(value, dict):
        return {
            key: erased.alias if (key, inner) == ("user_id", erased.subject) else _renamed(inner, erased)
            for key, inner in value.items()
        }
    return value


# None: `forget_titles` sees to it, with the rows that the history is of.
MENTIONS: Mapping[type[Model], Callable[[Erased], int] | None] = {
    RetentionPolicy: _in_policies,
    LegalHold: _in_holds,
    RetentionRun: _in_runs,
    LogEntry: None,
}
