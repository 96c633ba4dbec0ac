"""A conversation as a chat, page by page, with its archive; and what can be done with all of it."""

from collections.abc import Callable
from functools import partial
from itertools import chain
from typing import Any
from uuid import UUID

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.views.decorators.http import require_GET, require_POST

from memories import conversations, transcripts
from memories.admin_addresses import conversation as address
from memories.admin_addresses import erasing, name_in
from memories.models import Message, Subject
from memories.transcripts import Transcript
from retention import by_hand, runs
from retention.admin.enforcing import SECONDS, may_enforce, to_progress
from retention.export import lines as export_lines
from retention.models import Action, RetentionRun
from tenants import audit, cursors, support
from tenants.audit_actions import AuditAction
from tenants.console import tenant_or_404
from tenants.models import Tenant

SEE, ERASE = "memories.view_message", "memories.delete_message"
PAGE = 50
ACTIONS = {"archive": Action.ARCHIVE, "delete": Action.DELETE}


@require_GET
def page(request: HttpRequest, tenant: str, conversation: str) -> HttpResponse:
    """Its newest turns, or those before or after a place."""
    owner, conversation_id = _named(request, tenant, conversation, SEE)
    whole = conversations.one(tenant=owner, conversation_id=conversation_id)
    shown = _turns(request, owner, conversation_id)
    if shown.lines:
        changes = {"rows": len(shown.lines)}
        audit.record(AuditAction.CONTENT_VIEW, tenant_id=owner.id, of="conversation", changes=changes)
    places = [cursors.encode(*transcripts.place_of(line)) for line in shown.lines]
    context = admin.site.each_context(request) | {
        "title": f"Conversation {conversation_id}",
        "conversation_id": conversation_id,
        "tenant": owner,
        "whole": whole,
        "transcript": shown,
        "first": places[0] if places else "",
        "last": places[-1] if places else "",
        "addresses": {
            name: address(owner.name, conversation_id, f"conversation-{name}") for name in ("export", "move")
        }
        | {"erase": erasing(owner.pk, Subject.CONVERSATION, conversation_id)},
        "may_move": may_enforce(request.user),
        "may_erase": request.user.has_perm(ERASE),
    }
    return TemplateResponse(request, "admin/console/conversation.html", context)


@require_GET
def export(request: HttpRequest, tenant: str, conversation: str) -> StreamingHttpResponse:
    """All of it as lines of JSON, streamed: nothing is kept here, and the browser shows how far it is."""
    owner, conversation_id = _named(request, tenant, conversation, SEE)
    # The first page is read before the answer begins: a database that is down is told in the status.
    rest = export_lines(tenant=owner, conversation_id=conversation_id)
    lines = (line.encode() for line in chain([next(rest)], rest))
    answer = StreamingHttpResponse(lines, content_type="application/x-ndjson")
    answer.headers["Content-Disposition"] = 'attachment; filename="conversation.jsonl"'
    return answer


@require_POST
def move(request: HttpRequest, tenant: str, conversation: str) -> HttpResponse:
    """Archive or delete what of it is in the memory: a run, which can be undone."""
    owner, conversation_id = _named(request, tenant, conversation, SEE)
    begin = partial(by_hand.move_conversation, tenant=owner, conversation_id=conversation_id)
    return _begun(request, begin, back=address(owner.name, conversation_id))


@require_POST
def move_message(request: HttpRequest, message_id: UUID) -> HttpResponse:
    """The same of one message."""
    rows = Message.objects.select_related("tenant").filter(id=message_id)
    message = support.visible(rows, request.user, column="tenant_id").first()
    if message is None or not request.user.has_perm(SEE):
        raise Http404
    begin = partial(by_hand.move_messages, tenant=message.tenant, message_ids=[message_id])
    return _begun(request, begin, back=reverse("admin:memories_message_change", args=[message_id]))


def _begun(request: HttpRequest, begin: Callable[..., RetentionRun], *, back: str) -> HttpResponse:
    """Begin it for a worker to do; back to the page, with the reason, if that cannot be."""
    if not may_enforce(request.user):
        raise PermissionDenied
    action = ACTIONS.get(request.POST.get("action", ""))
    if action is None:
        messages.error(request, "Nothing done: choose to archive or to delete.")
        return redirect(back)
    try:
        run = begin(action=action, trigger="admin", started_by=request.user.get_username(), seconds=SECONDS)
    except runs.Busy as error:
        messages.error(request, f"Nothing done: {error}")
        return redirect(back)
    return to_progress(run)


def _turns(request: HttpRequest, tenant: Tenant, conversation_id: str) -> Transcript:
    of_it: dict[str, Any] = {"tenant": tenant, "conversation_id": conversation_id, "limit": PAGE}
    for name, read in (("before", transcripts.page_before), ("after", transcripts.page_after)):
        if cursor := request.GET.get(name):
            try:
                return read(**of_it, place=cursors.decode(cursor))
            except ValueError as error:
                raise Http404("There is no such page of the conversation.") from error
    return transcripts.last_page(**of_it)


def _named(request: HttpRequest, tenant: str, conversation: str, permission: str) -> tuple[Tenant, str]:
    """Whose conversation it is, and its id. 404 for tenants that this person may not see."""
    if not request.user.has_perm(permission):
        raise PermissionDenied
    owner, conversation_id = tenant_or_404(request.user, name_in(tenant)), name_in(conversation)
    if "\0" in conversation_id:
        raise Http404
    return owner, conversation_id
