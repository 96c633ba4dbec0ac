"""Archiving or deleting chosen messages: a run like any other, with a plan, a record, and an undo.

Its one policy fits every message, so two things keep it to the chosen ones: the plan, which names them, and that the
plan is committed together with the run. A run without a plan would be planned anew, for all messages of the tenant.
"""

from collections.abc import Sequence
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from memories.models import Message
from retention import enforce, runs
from retention.models import Action, RetentionRun
from retention.policies import Policy
from tenants.models import Tenant

# In the place of a policy's name, in the archive and in the run's reasons.
BY_HAND = "by hand"
NO_POLICY_ID = 0


def move_messages(
    *,
    tenant: Tenant,
    action: Action,
    trigger: str,
    started_by: str,
    message_ids: Sequence[UUID],
    seconds: float | None = None,
) -> RetentionRun:
    """Archive these messages, or delete them until their grace period is over. Held and pinned ones stay.

    `seconds` as in enforce.run(). Raises runs.Busy.
    """
    policy = Policy(id=NO_POLICY_ID, name=BY_HAND, action=action)
    row = RetentionRun(
        tenant=tenant,
        trigger=trigger,
        started_by=started_by,
        policies=[{**policy.snapshot(), "acts": True}],
        decided_at=timezone.now(),
    )
    with transaction.atomic():
        runs.create(row)
        enforce.plan(row, ids=message_ids)
    return enforce.start(row, seconds=seconds)


def move_conversation(
    *,
    tenant: Tenant,
    action: Action,
    trigger: str,
    started_by: str,
    conversation_id: str,
    seconds: float | None = None,
) -> RetentionRun:
    """The same of all messages that a conversation has in the memory now."""
    of_it = Message.objects.for_tenant(tenant.id).filter(conversation_id=conversation_id)
    return move_messages(
        tenant=tenant,
        action=action,
        trigger=trigger,
        started_by=started_by,
        message_ids=list(of_it.values_list("id", flat=True)),
        seconds=seconds,
    )
