"""What the admin's page of one message shows beside its fields, and what can be done with it there."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_GET, require_POST

from memories import importance, ingest, legal_holds, transcripts
from memories.admin_addresses import erasing, links
from memories.models import EmbeddingJob, EmbeddingSpace, Message, MessageEmbedding, Subject
from memories.serializers import MessageOut
from tenants import audit, support
from tenants.audit_actions import AuditAction
from tenants.audit_event import AuditEvent
from tenants.requests import shown

SEE, CHANGE = "memories.view_message", "memories.change_message"
BESIDE = 4
EVENTS = 20
SIGNALS = {
    "short": f"fewer than {importance.SHORT_WORDS} words",
    "question": f"a question of fewer than {importance.SHORT_QUESTION_WORDS} words",
    "personal_fact": "first person with a number, a time or a life fact",
    "not_the_user": "not the user's own words",
}


@dataclass(frozen=True, kw_only=True)
class SpaceState:
    """A message in one embedding space. `vectors`: of its text and its passages; `job`: what is still to be done."""

    space: EmbeddingSpace
    vectors: int
    job: EmbeddingJob | None

    @property
    def state(self) -> str:
        """In a word."""
        if self.job is None:
            return "ready" if self.vectors else "no vector and no job"
        return "buried" if self.job.buried_at else "waiting"


def panels(request: HttpRequest, message: Message) -> dict[str, Any]:
    """For the template: its neighbours, its importance, its vectors, and what was done to it."""
    return {
        "transcript": transcripts.around(line=message, beside=BESIDE),
        "scored": None if message.importance_is_explicit else _scored(message),
        "neutral": importance.NEUTRAL,
        "spaces": spaces_of(message),
        "edits": _edits(message) if request.user.has_perm("tenants.view_auditevent") else None,
        "links": links(
            message.tenant,
            message_id=message.pk,
            conversation_id=message.conversation_id,
            archived=False,
        ),
        "holds": legal_holds.on_message(tenant_id=message.tenant_id, message_id=message.pk),
        "may_change": request.user.has_perm(CHANGE),
        "may_move": request.user.has_perm("retention.add_retentionrun"),
        "erase_user": _erase_user(request, message),
    }


def spaces_of(message: Message) -> list[SpaceState]:
    """Every space, the active one first."""
    own = {"tenant_id": message.tenant_id, "message_id": message.pk}
    vectors: dict[int, int] = {}
    for space_id in MessageEmbedding.objects.filter(**own).values_list("space_id", flat=True):
        vectors[space_id] = vectors.get(space_id, 0) + 1
    jobs = {job.space_id: job for job in EmbeddingJob.objects.filter(**own)}
    return [
        SpaceState(space=space, vectors=vectors.get(space.id, 0), job=jobs.get(space.id))
        for space in EmbeddingSpace.objects.order_by("-active", "id")
    ]


@require_POST
def embed_again(request: HttpRequest, message_id: UUID) -> HttpResponse:
    """New vectors for one message, in the background."""
    message = _visible(request, message_id, CHANGE)
    try:
        ingest.embed_again(tenant=message.tenant, message_id=message_id)
    except Message.DoesNotExist as error:
        raise Http404 from error
    messages.success(request, "It is embedded again; until then its old vector serves.")
    return redirect("admin:memories_message_change", message_id)


@require_GET
def export(request: HttpRequest, message_id: UUID) -> HttpResponse:
    """One message as the API shows it, as a file."""
    message = _visible(request, message_id, SEE)
    audit.record(AuditAction.CONTENT_VIEW, tenant_id=message.tenant_id, of="message", id=message_id)
    answer = JsonResponse(shown(MessageOut, message), json_dumps_params={"indent": 2, "ensure_ascii": False})
    answer.headers["Content-Disposition"] = f'attachment; filename="message-{message_id}.json"'
    return answer


def _visible(request: HttpRequest, message_id: UUID, permission: str) -> Message:
    """PermissionDenied for whoever may not, 404 for what is not there or not theirs."""
    if not request.user.has_perm(permission):
        raise PermissionDenied
    rows = Message.objects.select_related("tenant").defer("document").filter(id=message_id)
    found = support.visible(rows, request.user, column="tenant_id").first()
    if found is None:
        raise Http404
    return found


def _erase_user(request: HttpRequest, message: Message) -> str:
    """Where its user can be erased; empty for who may not, or without a user."""
    may = message.user_id and request.user.has_perm("memories.delete_message")
    return erasing(message.tenant_id, Subject.USER, message.user_id) if may else ""


def _scored(message: Message) -> Sequence[Mapping[str, Any]]:
    said = importance.score(role=message.role, content=message.content, word_count=message.word_count)
    return [{"reason": SIGNALS[name], "amount": amount} for name, amount in said.signals]


def _edits(message: Message) -> list[AuditEvent]:
    """Who changed which fields, the newest first; never what was in them."""
    events = AuditEvent.objects.filter(tenant_id=message.tenant_id, object_id=str(message.pk))
    return list(events.filter(action=AuditAction.MESSAGE_EDIT).order_by("-at", "-id")[:EVENTS])
