"""Storing, editing and deleting messages: each message and its embedding job in one transaction."""

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any
from uuid import UUID

from django.db import DataError, IntegrityError, connection, transaction
from django.utils import timezone

from memories import (
    activity,
    caching,
    importance,
    legal_holds,
    metrics,
    outbox,
    quotas,
    stored_vectors,
    suppression,
    tasks,
)
from memories.group_commit import GroupCommit
from memories.models import Message
from memories.spaces import active_space
from memories.tables import WITH_ARCHIVE
from memories.whole_messages import WholeMessage
from tenants import audit, isolation, spans
from tenants.audit_actions import AuditAction
from tenants.models import Tenant

HOLDER_LOOKS = 5
# What somebody said or noted. Importance and the pin are how the memory judges it.
WRITTEN_OVER = {"content", "metadata"}


@dataclass(frozen=True, kw_only=True)
class NewMessage:
    """A message as a client sends it, already validated. No importance: it is scored; no created_at: now."""

    conversation_id: str
    role: str
    content: str
    name: str = ""
    user_id: str = ""
    agent_id: str = ""
    external_id: str | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    importance: float | None = None
    pinned: bool = False
    created_at: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class Stored:
    """A stored message; `replayed` if it was there before under its external_id, and may be in the archive then."""

    message: Message | WholeMessage
    replayed: bool


class ExternalIdConflict(Exception):
    """An external_id is taken by a message that says something else. `indexes` are those of the batch."""

    def __init__(self, indexes: Sequence[int]) -> None:
        super().__init__("external_id is taken by another message")
        self.indexes = list(indexes)


class Erased(Exception):
    """Messages of an erased user or conversation, said before that: index of the batch -> (field, erased when)."""

    def __init__(self, refused: Mapping[int, tuple[str, datetime]]) -> None:
        super().__init__("belongs to somebody who was erased")
        self.refused = dict(refused)

    def sentence(self, where: Sequence[str]) -> str:
        """Why, with `where` as the places of the refused fields."""
        moment = max(moment for _, moment in self.refused.values())
        return (
            f"{', '.join(where)}: erased at {moment.isoformat(timespec='seconds')}. What was said up to then is not "
            "taken back; give what was said later its created_at."
        )


# A write of more rows is worth its own transaction, and nobody waits for it.
GROUPED_ROWS = 16
_commits: GroupCommit[Message, Stored] = GroupCommit(
    alone=(ExternalIdConflict, Erased, quotas.QuotaExceeded, IntegrityError, DataError)
)


def store(*, tenant: Tenant, messages: Sequence[NewMessage]) -> list[Stored]:
    """Store all of them in one transaction, in order; a known external_id answers with its first row.

    What several threads store for the tenant at the same moment may share that transaction (`group_commit`).
    Raises ExternalIdConflict, Erased or quotas.QuotaExceeded, and then nothing is stored.
    """
    with (
        metrics.INGEST_SECONDS.time(),
        spans.span("store messages", messages=len(messages)),
        quotas.refusals_counted(),
    ):
        now = timezone.now()
        rows = [_row(tenant, new, now) for new in messages]
        active_space()  # the first message of an installation makes it; without a space there would be no job
        if len(rows) > GROUPED_ROWS or connection.in_atomic_block:
            return _store(tenant, rows, lambda: None)
        # Those who share a transaction share its reach: the database lets nobody write by somebody else's.
        key = (tenant.id, isolation.current())
        return list(_commits.write(key, rows, partial(_store, tenant)))


def _store(tenant: Tenant, rows: Sequence[Message], before_commit: Callable[[], None]) -> list[Stored]:
    with transaction.atomic():
        inserted = outbox.insert(rows, tenant_id=tenant.id)
        if len(inserted) < len(rows) and (refused := suppression.refused(tenant_id=tenant.id, rows=rows)):
            raise Erased(refused)
        stored = _with_first_rows(tenant, rows, inserted)
        if inserted:
            quotas.enforce(tenant)
            caching.forget_answers([tenant.id])
            transaction.on_commit(lambda: _after_commit(len(inserted)))
        before_commit()
    return stored


def edit(*, tenant: Tenant, message_id: UUID, changes: Mapping[str, Any]) -> Message:
    """Change content, metadata, importance or pinned. Raises Message.DoesNotExist, quotas.QuotaExceeded if it grew, and
    legal_holds.Held if what a hold is on would be written over: nothing keeps an earlier text or metadata.

    A new text is scored (unless its importance was given) and embedded; until then it is found by its words.
    """
    with quotas.refusals_counted(), transaction.atomic():
        message = Message.objects.for_tenant(tenant.id).select_for_update(no_key=True).get(id=message_id)
        text_changed = "content" in changes and changes["content"] != message.content
        changed = [
            name for name, value in changes.items() if _as_json(getattr(message, name)) != _as_json(value)
        ]
        if WRITTEN_OVER.intersection(changed):
            legal_holds.refuse_if_held(tenant_id=tenant.id, message_id=message_id)
        size = _size(message)
        for name, value in changes.items():
            setattr(message, name, value)
        _rescore(message, changes, text_changed=text_changed)
        message.save(update_fields=[*changes, "importance", "importance_is_explicit", "word_count"])
        if _size(message) > size:
            quotas.enforce(tenant)
        if changed:
            _note(AuditAction.MESSAGE_EDIT, tenant, message_id, audit.fields(changed))
        caching.forget_answers([tenant.id])
        if text_changed:
            outbox.enqueue_again(message)
            stored_vectors.remove(tenant_id=tenant.id, message_id=message_id)
            transaction.on_commit(tasks.hint)
    return message


def delete(*, tenant: Tenant, message_id: UUID) -> bool:
    """Delete a message with its vector and jobs (the database cascades); whether it was there.

    Raises legal_holds.Held.
    """
    with transaction.atomic():
        legal_holds.refuse_if_held(tenant_id=tenant.id, message_id=message_id)
        deleted, _ = Message.objects.for_tenant(tenant.id).filter(id=message_id).delete()
        if deleted:
            _note(AuditAction.MESSAGE_DELETE, tenant, message_id)
            caching.forget_answers([tenant.id])
    return bool(deleted)


def embed_again(*, tenant: Tenant, message_id: UUID) -> None:
    """Fresh jobs for a message in every space; its old vectors serve until then. Raises Message.DoesNotExist."""
    with transaction.atomic():
        message = Message.objects.for_tenant(tenant.id).select_for_update(no_key=True).get(id=message_id)
        outbox.enqueue_again(message)
        _note(AuditAction.MESSAGE_EDIT, tenant, message_id, audit.fields(["embedding"]))
        caching.forget_answers([tenant.id])
        transaction.on_commit(tasks.hint)


def _note(
    action: AuditAction, tenant: Tenant, message_id: UUID, changes: Mapping[str, Any] | None = None
) -> None:
    audit.record(action, tenant_id=tenant.id, of="message", id=message_id, changes=changes)


def _with_first_rows(tenant: Tenant, rows: Sequence[Message], inserted: Collection[UUID]) -> list[Stored]:
    """The rows, those that were refused for their external_id replaced by the ones that hold it.

    The insert waited for whoever was storing the same external_id, or archiving it, so the holder is visible now. One
    that was deleted in this very moment counts as a conflict: the client tries again.
    """
    refused = [row.external_id for row in rows if row.id not in inserted]
    if not refused:
        return [Stored(message=row, replayed=False) for row in rows]
    holders = _holders(tenant, [each for each in refused if each is not None])
    conflicts = [
        index
        for index, row in enumerate(rows)
        if row.id not in inserted and not _says_the_same(holders.get(row.external_id), row)
    ]
    if conflicts:
        raise ExternalIdConflict(conflicts)
    return [
        Stored(
            message=row if row.id in inserted else holders[row.external_id], replayed=row.id not in inserted
        )
        for row in rows
    ]


def _holders(tenant: Tenant, external_ids: Sequence[str]) -> dict[str | None, WholeMessage]:
    """External id -> the message that holds it. One that is moving between memory and archive is looked for again."""
    holders: dict[str | None, WholeMessage] = {}
    for _ in range(HOLDER_LOOKS):
        ids = outbox.holders(external_ids, tenant_id=tenant.id)
        # In the archive and here too, as a restore may leave it: the one that is here goes by that name.
        found = sorted(WITH_ARCHIVE.whole(tenant.id, ids).values(), key=lambda each: each.archived_at is None)
        holders |= {holder.external_id: holder for holder in found}
        if holders.keys() >= set(external_ids):
            break
    return holders


def _says_the_same(holder: WholeMessage | None, row: Message) -> bool:
    names = ("conversation_id", "role", "name", "user_id", "agent_id", "content")
    return holder is not None and all(getattr(holder, name) == getattr(row, name) for name in names)


def _row(tenant: Tenant, new: NewMessage, now: datetime) -> Message:
    words = importance.count_words(new.content)
    scored = importance.score(role=new.role, content=new.content, word_count=words).value
    return Message(
        tenant=tenant,
        conversation_id=new.conversation_id,
        role=new.role,
        content=new.content,
        name=new.name,
        user_id=new.user_id,
        agent_id=new.agent_id,
        external_id=new.external_id,
        metadata=dict(new.metadata),
        importance=scored if new.importance is None else new.importance,
        importance_is_explicit=new.importance is not None,
        pinned=new.pinned,
        word_count=words,
        created_at=new.created_at or now,
    )


def _as_json(value: Any) -> str:
    """Python takes 1, 1.0 and True for equal, and JSON does not."""
    return json.dumps(value, sort_keys=True)


def _size(message: Message) -> int:
    """About the bytes that count: enough to tell whether there are more than before."""
    return len(message.content.encode()) + len(json.dumps(message.metadata, ensure_ascii=False).encode())


def _after_commit(count: int) -> None:
    metrics.INGESTED.inc(count)
    activity.note_stored(count)
    tasks.hint()


def _rescore(message: Message, changes: Mapping[str, Any], *, text_changed: bool) -> None:
    message.word_count = importance.count_words(message.content)
    if "importance" in changes:
        message.importance_is_explicit = True
    elif text_changed and not message.importance_is_explicit:
        scored = importance.score(role=message.role, content=message.content, word_count=message.word_count)
        message.importance = scored.value
