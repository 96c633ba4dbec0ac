"""Erasing a user, a conversation or a tenant: what would go, its name typed, a worker's progress, the receipt.

Addresses name the tenant by its number: they lead on to the receipt when the tenant is gone.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.utils import timezone
from django.views.decorators.http import require_GET, require_http_methods
from rest_framework.request import Request
from rest_framework.response import Response

from memories.admin_addresses import erasing as address
from memories.admin_addresses import name_in
from memories.legal_holds import Held
from memories.models import Subject
from retention import erasure, tasks
from retention.models import ErasureReceipt
from retention.scope import TENANT, Scope
from tenants import support
from tenants.console import NO_TENANT, PersonView, offered, tenant_or_404, tenants_of
from tenants.models import Tenant

# What may be erased, and the permission that it takes.
PERMISSIONS = {
    str(Subject.USER): "memories.delete_message",
    str(Subject.CONVERSATION): "memories.delete_message",
    TENANT: "tenants.delete_tenant",
}
# Messages by where they are, and why they may not go.
Outlook = tuple[list[tuple[str, int]], str]
PLACES = {
    "memories_message": "In the memory",
    "memories_archivedmessage": "In the archive",
}


@dataclass(frozen=True, kw_only=True)
class State:
    """How far an erasure is. `left`: messages that are still there; None: a hold stands against it."""

    left: int | None
    sentence: str
    receipt: ErasureReceipt | None = None

    @property
    def finished(self) -> bool:
        """Whether no worker goes on: it is sure, it was stopped, or all is gone and Redis did not say so."""
        if self.left is None:
            return True
        return self.receipt is not None and (self.receipt.verified or not self.left)


@require_GET
def find(request: HttpRequest) -> HttpResponse:
    """Whom to erase, by name: somebody may be in the archive alone, and then no list of messages leads there."""
    given = {name: request.GET.get(name, "") for name in ("tenant", "kind", "subject")}
    kinds = [kind for kind, permission in PERMISSIONS.items() if request.user.has_perm(permission)]
    if not kinds:
        raise PermissionDenied
    if given["tenant"]:
        try:
            owner = tenant_or_404(request.user, given["tenant"])
        except Http404 as error:
            messages.error(request, str(error))
        else:
            subject = owner.name if given["kind"] == TENANT else given["subject"]
            if given["kind"] in kinds and subject and "\0" not in subject:
                return redirect(address(owner.pk, given["kind"], subject))
            messages.error(request, "Choose what to erase, and write the id of the user or conversation.")
    context = admin.site.each_context(request) | {
        "title": "Erase for good",
        "tenants": offered(request.user),
        "kinds": kinds,
        "given": given,
    }
    return TemplateResponse(request, "admin/console/erase_find.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
def page(request: HttpRequest, tenant_id: int, kind: str, subject: str) -> HttpResponse:
    """What would go, and how far it is if it was asked for; by POST it is asked for."""
    owner, scope = _named(request.user, tenant_id, kind, subject)
    if request.method == "POST":
        return _begin(request, owner, scope)
    asked_at = request.GET.get("asked", "")
    outlook = _outlook(scope)
    state = _state(scope, _moment(asked_at), outlook) if asked_at else None
    if owner is None and (state is None or state.receipt is None):
        raise Http404(NO_TENANT)
    counts, refusal = outlook
    context = admin.site.each_context(request) | {
        "title": f"Erase {kind} {scope.subject}",
        "owner": owner,
        "scope": scope,
        "counts": counts,
        "refusal": refusal,
        "state": state,
        "progress": f"{address(tenant_id, kind, scope.subject, 'erasing-progress')}?{urlencode({'asked': asked_at})}",
    }
    return TemplateResponse(request, "admin/console/erase.html", context)


class Progress(PersonView):
    """How far an erasure is."""

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """What it takes depends on what is erased."""
        self.permissions = {"GET": PERMISSIONS.get(kwargs["kind"], "")}
        super().initial(request, *args, **kwargs)

    def get(self, request: Request, tenant_id: int, kind: str, subject: str) -> Response:
        """Read off the tables themselves: messages that are left, and the receipt once there is one."""
        _, scope = _named(request.user, tenant_id, kind, subject)
        state = _state(scope, _moment(request.query_params.get("asked", "")), _outlook(scope))
        return Response({"finished": state.finished, "left": state.left, "sentence": state.sentence})


def _begin(request: HttpRequest, owner: Tenant | None, scope: Scope) -> HttpResponse:
    """Ask a worker. What a legal hold is on is refused here, before anything is begun."""
    back = address(scope.tenant_id, scope.kind, scope.subject)
    if owner is None:
        raise Http404(NO_TENANT)
    asked_at = timezone.now().isoformat()
    if request.POST.get("confirm", "") != scope.subject:
        messages.error(request, "Nothing erased: type the name exactly as it is written here.")
    elif refusal := _outlook(scope)[1]:
        messages.error(request, f"Nothing erased: {refusal}")
    elif not tasks.ask_for_erasure(scope, requested_by=request.user.get_username()):
        messages.error(request, "Nothing erased: Redis did not answer, so no worker can be asked. Try again.")
    else:
        back = f"{back}?{urlencode({'asked': asked_at})}"
    return redirect(back)


def _outlook(scope: Scope) -> Outlook:
    """How many messages would go, by where they are; and why they may not, if a hold is on any."""
    try:
        found = erasure.outlook(scope)
    except Held as error:
        return [], str(error)
    return [(PLACES.get(table, table), rows) for table, rows in found.items()], ""


def _state(scope: Scope, asked_at: datetime, outlook: Outlook) -> State:
    receipts = ErasureReceipt.objects.filter(
        tenant_id=scope.tenant_id, kind=scope.kind, subject_digest=scope.digest.hex()
    )
    receipt = receipts.filter(started_at__gte=asked_at).order_by("-finished_at").first()
    counts, refusal = outlook
    left = None if refusal else sum(rows for _, rows in counts)
    if receipt is not None and receipt.verified:
        said = "Erased: it was looked for again everywhere, and nothing was found."
    elif refusal:
        said = f"Stopped: {refusal}"
    elif receipt is None:
        said = (
            f"{left:,} messages are left." if left else "Looking everywhere again whether anything is left."
        )
    elif left:
        said = f"{left:,} messages are left. It was broken off once; if they do not get fewer, erase again."
    else:
        said = "What was found is gone, but it is not sure that nothing is left. Erase again."
    return State(left=left, sentence=said, receipt=receipt)


def _moment(text: str) -> datetime:
    """When it was asked for; without a moment every receipt counts."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return datetime.min.replace(tzinfo=UTC)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _named(person: Any, tenant_id: int, kind: str, subject: str) -> tuple[Tenant | None, Scope]:
    """Whose it is, and what it is. 404 for tenants that this person may not see; None: the tenant is gone."""
    name = name_in(subject)
    if kind not in PERMISSIONS or not name or "\0" in name:
        raise Http404
    if not person.has_perm(PERMISSIONS[kind]):
        raise PermissionDenied
    owner = tenants_of(person).filter(pk=tenant_id).first()
    gone = (
        kind == TENANT and not support.is_bound(person) and not Tenant.objects.filter(pk=tenant_id).exists()
    )
    if (owner is None and not gone) or (owner is not None and kind == TENANT and owner.name != name):
        raise Http404(NO_TENANT)
    return owner, Scope(tenant_id=tenant_id, kind=kind, subject=name)
