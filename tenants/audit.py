"""record(): one event of the audit trail, in the transaction of what it tells of."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from tenants import actors
from tenants.audit_actions import AuditAction
from tenants.audit_event import AuditEvent

# Names of fields, ids, digests. A text that somebody wrote has no business here.
_WORD = re.compile(r"[A-Za-z0-9_.:-]{0,64}")


def record(
    action: AuditAction,
    *,
    tenant_id: int | None,
    of: str = "",
    id: object = "",
    changes: Mapping[str, Any] | None = None,
) -> None:
    """Note that who acts now (`actors`) did this to the object `of` this kind with this id.

    Call it inside of the transaction of the change, so that there is never one without the other. `changes`: names of
    fields, counts, ids. ValueError for anything that could be content.
    """
    _event(action, tenant_id=tenant_id, of=of, id=id, changes=changes).save(force_insert=True)


def record_each(action: AuditAction, *, of: str, changes: Mapping[int, Mapping[str, Any]]) -> None:
    """The same for several tenants (tenant id -> changes), in one statement."""
    AuditEvent.objects.bulk_create(
        _event(action, tenant_id=tenant_id, of=of, changes=said) for tenant_id, said in changes.items()
    )


def fields(names: Iterable[str]) -> dict[str, Any]:
    """The names of changed fields, as `changes` has them."""
    return {"fields": sorted(names)}


def _event(
    action: AuditAction,
    *,
    tenant_id: int | None,
    of: str,
    id: object = "",
    changes: Mapping[str, Any] | None,
) -> AuditEvent:
    said = dict(changes or {})
    if not _is_free_of_content(said):
        raise ValueError(f"{action}: an audit event holds names of fields, counts and ids only")
    actor = actors.current()
    return AuditEvent(
        action=action,
        tenant_id=tenant_id,
        actor_kind=actor.kind,
        actor=actor.name,
        request_id=actors.request_id(),
        object_kind=of,
        object_id=str(id),
        changes=said,
    )


def _is_free_of_content(value: Any) -> bool:
    if isinstance(value, Mapping):
        return all(_is_free_of_content(part) for pair in value.items() for part in pair)
    if isinstance(value, list):
        return all(map(_is_free_of_content, value))
    return value is None or isinstance(value, bool | int) or bool(_WORD.fullmatch(str(value)))
