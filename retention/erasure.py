"""Erasing a user, a conversation or a tenant: everywhere, for good, and looked for again.

1. A legal hold on any of it refuses the erasure.
2. A suppression is committed: from then on ingest does not take back what was said before (`memories.suppression`).
3. Ingests that had begun before, and so did not see it, are waited for (`barrier`). What has been said up to now is now
   in the tables or never will be.
4. The rows go in chunks, a transaction each, from the memory and from the archive, with all that hangs on them, until
   none is found (`removal`). Workers bring none back: a vector is stored only for a message that is there.
5. What was derived goes: word statistics, answers in Redis, names in the history of the admin, of policies and of
   released holds. The samples that the database takes of tables are made anew by beat (`planner_statistics`).
6. The receipt says that nothing was found any more, or that this is not sure.

Killed in between, it is called again and goes on with what is left: step 2 was first.
"""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from time import sleep

import structlog
from django.apps import apps
from django.db import Error, connection, transaction
from django.utils import timezone

from memories import caching, lexicon, suppression
from memories.models import Subject
from retention import barrier, mentions, personal_data
from retention.models import ErasureReceipt
from retention.removal import Removal
from retention.scope import TENANT, Scope
from tenants import audit, remembered
from tenants.audit_actions import AuditAction
from tenants.models import Tenant

log = structlog.get_logger(__name__)

# So long other processes may take a suspended tenant for an active one.
REMEMBERED_SECONDS = remembered.SECONDS
_ERASES = {
    Subject.USER: AuditAction.USER_ERASE,
    Subject.CONVERSATION: AuditAction.CONVERSATION_ERASE,
}


def erase_user(*, tenant: Tenant, user_id: str, requested_by: str) -> ErasureReceipt:
    """Erase all messages of a user up to now. Raises legal_holds.Held.

    A receipt that is not `verified` means: ask again.
    """
    return _erase_subject(tenant, Subject.USER, user_id, requested_by)


def erase_conversation(*, tenant: Tenant, conversation_id: str, requested_by: str) -> ErasureReceipt:
    """The same of a conversation."""
    return _erase_subject(tenant, Subject.CONVERSATION, conversation_id, requested_by)


def erase_tenant(*, tenant: Tenant, requested_by: str) -> ErasureReceipt:
    """Erase a tenant with all that it has; only its receipts stay. It is suspended first. Raises legal_holds.Held."""
    tables = personal_data.tables()
    scope = Scope(tenant_id=tenant.id, kind=TENANT, subject=tenant.name)
    scope.refuse_if_held(tables.holders)
    with transaction.atomic():
        if tenant.suspended_at is None:
            tenant.suspended_at = timezone.now()
            tenant.save(update_fields=["suspended_at"])
        _note(AuditAction.TENANT_ERASE, scope)
    sleep(REMEMBERED_SECONDS)
    with transaction.atomic():
        committed = barrier.transaction_id()
    removal = Removal(scope=scope, tables=tables)
    return _erase(
        removal,
        committed,
        requested_by,
        lambda: _empty_tables(removal),
        lambda: _remove_tenant(tenant, removal),
    )


def erase(*, tenant: Tenant, scope: Scope, requested_by: str) -> ErasureReceipt:
    """Any of the three; `scope` is of this tenant. Raises legal_holds.Held."""
    if scope.kind == TENANT:
        return erase_tenant(tenant=tenant, requested_by=requested_by)
    return _erase_subject(tenant, Subject(scope.kind), scope.subject, requested_by)


def outlook(scope: Scope) -> dict[str, int]:
    """How many messages would go, by table. Raises Held."""
    tables = personal_data.tables()
    scope.refuse_if_held(tables.holders)
    return scope.counts(tables.holders)


def _erase_subject(tenant: Tenant, kind: Subject, subject: str, requested_by: str) -> ErasureReceipt:
    tables = personal_data.tables()
    scope = Scope(tenant_id=tenant.id, kind=str(kind), subject=subject)
    scope.refuse_if_held(tables.holders)
    with transaction.atomic():
        until = suppression.suppress(tenant_id=tenant.id, kind=kind, subject=subject)
        _note(_ERASES[kind], scope)
        committed = barrier.transaction_id()
    removal = Removal(scope=replace(scope, until=until), tables=tables)
    named = mentions.Erased(tenant_id=tenant.id, kind=kind, subject=subject, digest=scope.digest)
    return _erase(removal, committed, requested_by, lambda: _rename(named, removal))


def _note(action: AuditAction, scope: Scope) -> None:
    """With the first step that is committed: what is begun is known. What became of it, the receipt says."""
    audit.record(action, tenant_id=scope.tenant_id, of=scope.kind, id=scope.digest.hex())


def _erase(
    removal: Removal,
    committed: str,
    requested_by: str,
    rest: Callable[[], bool],
    last: Callable[[], bool] = lambda: True,
) -> ErasureReceipt:
    """Steps 3 to 6; `last` only if all went well. A failure leaves a receipt of what is gone, not verified."""
    tenant_id = removal.scope.tenant_id
    try:
        done = [barrier.pass_by(committed), removal.remove(), rest()]
        lexicon.fold_up_to_now()
        done.append(caching.drop_tenant(tenant_id))
        done.append(all(done) and last())
    except Exception:  # the time limit of a task among them
        with suppress(Error):
            _noted(removal.receipt(requested_by=requested_by, verified=False))
        raise
    return _noted(removal.receipt(requested_by=requested_by, verified=all(done)))


def _rename(named: mentions.Erased, removal: Removal) -> bool:
    removal.count(mentions.replace(named))
    return True


def _empty_tables(removal: Removal) -> bool:
    """The rest of a tenant's tables, small once its words are counted. Its own row stays: this can be repeated."""
    lexicon.fold_up_to_now()
    mentions.forget_titles_of_tenant(removal.scope.tenant_id)
    with transaction.atomic(), connection.cursor() as cursor:
        for table in (model._meta.db_table for model in removal.tables.owned):
            cursor.execute(f"DELETE FROM {table} WHERE tenant_id = %s", [removal.scope.tenant_id])
            removal.count({table: cursor.rowcount})
    remembered.forget()
    return True


def _remove_tenant(tenant: Tenant, removal: Removal) -> bool:
    """Its own row, with what has come meanwhile; whether nothing of it is left anywhere."""
    _, removed = tenant.delete()
    removal.count({apps.get_model(label)._meta.db_table: rows for label, rows in removed.items()})
    lexicon.fold_up_to_now()
    left = " UNION ALL ".join(
        f"SELECT tenant_id FROM {model._meta.db_table} WHERE tenant_id = %(tenant)s"
        for model in removal.tables.owned
    )
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT EXISTS ({left})", {"tenant": removal.scope.tenant_id})
        return not cursor.fetchone()[0]


def _noted(receipt: ErasureReceipt) -> ErasureReceipt:
    log.info(
        "erased",
        receipt=str(receipt.id),
        tenant=receipt.tenant_id,
        kind=receipt.kind,
        subject=receipt.subject_digest[:16],
        rows=sum(receipt.counts.values()),
        verified=receipt.verified,
    )
    return receipt
