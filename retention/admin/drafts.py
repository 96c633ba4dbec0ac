"""What a policy would do while it is still being written: asked by its form with every change, and only read."""

from typing import Any, cast

from django.contrib import admin
from django.http import QueryDict
from rest_framework.exceptions import APIException, NotFound, PermissionDenied
from rest_framework.parsers import FormParser
from rest_framework.request import Request
from rest_framework.response import Response

from retention.admin.enforcing import note_look
from retention.effective import policies_with
from retention.models import RetentionPolicy
from retention.preview import TooSlow, preview_draft
from retention.run_serializers import PreviewOut
from retention.shadows import shadowed
from tenants.console import PersonView

SECONDS = 3.0
# Faults in these do not change what the policy takes.
INDIFFERENT = {"name", "interval", "crontab"}
# Of a name that another policy has.
TAKEN = "unique_together"
UNNAMED = "this policy"


class Slow(APIException):
    """The preview would keep the database from other work."""

    status_code = 503
    default_code = "preview_too_slow"
    default_detail = (
        f"Counting takes longer than {SECONDS:g} seconds, so it was stopped. Narrow the scope, or save the policy "
        "disabled and preview it from the list."
    )


class DraftPreview(PersonView):
    """The form's values, or for those who may only look the policy as it is stored."""

    permissions = {"POST": "retention.view_retentionpolicy"}
    parser_classes = [FormParser]

    @property
    def policy_admin(self) -> Any:
        """Its form is the page's own, bound to the tenants that this person may see."""
        return admin.site._registry[RetentionPolicy]

    def post(self, request: Request) -> Response:
        """Counts by reason with examples, and the form's own faults in its own words.

        A form that is half filled in is nobody's mistake: where its faults leave nothing to count, `preview` is null.
        """
        draft, faults, countable = self._draft(request, self._stored(request))
        if not countable:
            return Response({"faults": faults, "preview": None})
        draft.name = draft.name or UNNAMED
        policies, place = policies_with(draft.tenant, draft)
        try:
            said = preview_draft(tenant=draft.tenant, policies=policies, place=place, seconds=SECONDS)
        except TooSlow as error:
            raise Slow from error
        note_look(said, tenant_id=draft.tenant_id)
        earlier = shadowed(policies).get(place)
        shown = {
            **PreviewOut(said).data,
            "enabled": draft.enabled,
            "shadowed_by": earlier and earlier.name,
            "freed_bytes": sum(group.bytes for group in said.groups if "delete" in group.action),
        }
        return Response({"faults": faults, "preview": shown})

    def _stored(self, request: Request) -> RetentionPolicy | None:
        """The row that is edited; None for a new one."""
        if not (policy_id := str(_form(request).get("policy_id", ""))):
            return None
        rows = self.policy_admin.get_queryset(request).select_related("tenant")
        row = (
            rows.filter(pk=int(policy_id)).first() if policy_id.isdecimal() and len(policy_id) < 19 else None
        )
        if row is None:
            raise NotFound("There is no such policy.")
        return row

    def _draft(
        self, request: Request, row: RetentionPolicy | None
    ) -> tuple[RetentionPolicy, list[dict[str, str]], bool]:
        """What the form says, not stored; its faults; and whether it can be counted all the same."""
        if row is not None and not self.policy_admin.has_change_permission(request, row):
            return row, [], True
        if row is None and not self.policy_admin.has_add_permission(request):
            raise PermissionDenied
        kind = self.policy_admin.get_form(request, row, change=row is not None)
        form = kind(_form(request), instance=row)
        faults = [
            {"field": name, "sentence": str(each)} for name, errors in form.errors.items() for each in errors
        ]
        countable = all(
            name in INDIFFERENT or {each.code for each in errors} == {TAKEN}
            for name, errors in form.errors.as_data().items()
        )
        return form.instance, faults, countable


def _form(request: Request) -> QueryDict:
    return cast(QueryDict, request.data)
