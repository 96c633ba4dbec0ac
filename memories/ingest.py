"""Storing, editing and deleting messages: each message and its embedding job in one transaction."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import IntegrityError, transaction
from django.utils import timezone

from memories import importance, metrics, outbox, tasks
from memories.models import Message
from memories.spaces import active_space
from tenants.models import Tenant

# Racing writers of one external_id: the loser finds the winner's row at its second try.
STORE_TRIES = 3


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
    """A stored message; `replayed` if it was there before under its external_id."""

    message: Message
    replayed: bool


class ExternalIdConflict(Exception):
    """An external_id is taken by a message that says something else. `indexes` are those of the batch."""

    def __init__(self, indexes: Sequence[int]) -> None:
        super().__init__("external_id is taken by another message")
        self.indexes = list(indexes)


def store(*, tenant: Tenant, messages: Sequence[NewMessage]) -> list[Stored]:
    """Store all of them in one transaction, in order; a known external_id answers with its first row.

    Raises ExternalIdConflict, and then nothing is stored.
    """
    for attempt in range(1, STORE_TRIES + 1):
        try:
            with transaction.atomic():
                return _store(tenant, messages)
        except IntegrityError as error:
            if "message_external_id" not in str(error) or attempt == STORE_TRIES:
                raise
    raise AssertionError("unreachable")


def edit(*, tenant: Tenant, message_id: UUID, changes: Mapping[str, Any]) -> Message:
    """Change content, metadata, importance or pinned; raises Message.DoesNotExist.

    A new text is scored (unless its importance was given) and embedded again; the old vector serves until then.
    """
    with transaction.atomic():
        message = Message.objects.for_tenant(tenant.id).select_for_update(no_key=True).get(id=message_id)
        text_changed = "content" in changes and changes["content"] != message.content
        for name, value in changes.items():
            setattr(message, name, value)
        _rescore(message, changes, text_changed=text_changed)
        message.save(update_fields=[*changes, "importance", "importance_is_explicit", "word_count"])
        if text_changed:
            outbox.enqueue_again(message, space_id=active_space().id)
            transaction.on_commit(tasks.hint)
    return message


def delete(*, tenant: Tenant, message_id: UUID) -> bool:
    """Delete a message with its vector and jobs (the database cascades); whether it was there."""
    deleted, _ = Message.objects.for_tenant(tenant.id).filter(id=message_id).delete()
    return bool(deleted)


def _store(tenant: Tenant, messages: Sequence[NewMessage]) -> list[Stored]:
    known = _known(tenant, messages)
    now = timezone.now()
    stored: list[Stored] = []
    conflicts = []
    for index, new in enumerate(messages):
        before = known.get(new.external_id) if new.external_id else None
        if before is not None and not _says_the_same(before, new):
            conflicts.append(index)
        row = before or _row(tenant, new, now)
        if new.external_id:
            known[new.external_id] = row
        stored.append(Stored(message=row, replayed=before is not None))
    if conflicts:
        raise ExternalIdConflict(conflicts)
    _insert(tenant, [each.message for each in stored if not each.replayed])
    return stored


def _known(tenant: Tenant, messages: Sequence[NewMessage]) -> dict[str, Message]:
    external_ids = [new.external_id for new in messages if new.external_id]
    if not external_ids:
        return {}
    rows = Message.objects.for_tenant(tenant.id).filter(external_id__in=external_ids)
    found = rows.with_embedding_status().defer("document")
    return {row.external_id: row for row in found if row.external_id}


def _says_the_same(row: Message, new: NewMessage) -> bool:
    names = ("conversation_id", "role", "name", "user_id", "agent_id", "content")
    return all(getattr(row, name) == getattr(new, name) for name in names)


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


def _insert(tenant: Tenant, rows: Sequence[Message]) -> None:
    if not rows:
        return
    outbox.insert(rows, tenant_id=tenant.id, space_id=active_space().id)
    transaction.on_commit(lambda: _after_commit(len(rows)))


def _after_commit(count: int) -> None:
    metrics.INGESTED.inc(count)
    tasks.hint()


def _rescore(message: Message, changes: Mapping[str, Any], *, text_changed: bool) -> None:
    message.word_count = importance.count_words(message.content)
    if "importance" in changes:
        message.importance_is_explicit = True
    elif text_changed and not message.importance_is_explicit:
        scored = importance.score(role=message.role, content=message.content, word_count=message.word_count)
        message.importance = scored.value
