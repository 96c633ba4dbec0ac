"""An embedding space's progress, filling and switching, from its page in the admin. All of it is done by workers."""

from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.views.decorators.http import require_POST
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response

from memories import reembedding, space_tasks
from memories.models import EmbeddingSpace
from tenants.console import PersonView

SEE, CHANGE = "memories.view_embeddingspace", "memories.change_embeddingspace"


class SpaceProgress(PersonView):
    """How full a space is."""

    permissions = {"GET": SEE}

    def get(self, request: Request, space_id: int) -> Response:
        """`done` of `total` messages. Counted over all of them: the page asks every few seconds, not more.

        `asked`: somebody has asked for the switch, and waits for what a worker says.
        """
        space = EmbeddingSpace.objects.filter(id=space_id).first()
        if space is None:
            raise NotFound("There is no such space.")
        state = reembedding.progress(space)
        refusal = space_tasks.refusal(space_id) if "asked" in request.query_params else ""
        waits = "asked" in request.query_params and not (space.active or refusal)
        return Response(
            {
                "finished": bool(refusal) or (state.missing == 0 and not waits),
                "done": state.embedded,
                "total": state.messages,
                "sentence": _answered(refusal, waits=waits) or _sentence(space, state),
                "counts": {"missing": state.missing, "waiting": state.waiting, "buried": state.buried},
                "active": space.active,
            }
        )


@require_POST
def fill(request: HttpRequest, space_id: int) -> HttpResponse:
    """Make the missing jobs."""
    space = _space(request, space_id)
    if space_tasks.ask_to_fill(space):
        messages.success(request, f"{space} is being filled; searches go on with the active space.")
    else:
        messages.error(request, "Redis did not answer, so no worker can be asked. Try again.")
    return redirect("admin:memories_embeddingspace_change", space_id)


@require_POST
def switch(request: HttpRequest, space_id: int) -> HttpResponse:
    """Search with this space, if it is complete: a worker counts once more, and leaves all as it is if it is not.

    Counting takes seconds for a million messages, so it is never done in the request. The page tells what came of it.
    """
    space = _space(request, space_id)
    if not space_tasks.ask_to_switch(space):
        messages.error(request, "Redis did not answer, so no worker can be asked. Try again.")
        return redirect("admin:memories_embeddingspace_change", space_id)
    return redirect(reverse("admin:memories_embeddingspace_change", args=[space_id]) + "?asked=1")


def _space(request: HttpRequest, space_id: int) -> Any:
    if not request.user.has_perm(CHANGE):
        raise PermissionDenied
    return get_object_or_404(EmbeddingSpace, id=space_id)


def _answered(refusal: str, *, waits: bool) -> str:
    if refusal:
        return f"Not switched: {refusal}"
    return "A worker looks whether it is complete; then searches read it." if waits else ""


def _sentence(space: EmbeddingSpace, state: reembedding.Progress) -> str:
    active = "Searches read this space. " if space.active else ""
    if state.missing == 0:
        return f"{active}Complete: searches could read it." if not active else f"{active}Nothing is missing."
    unasked = state.missing - state.waiting - state.buried
    parts = [
        f"{state.waiting:,} wait for a worker" if state.waiting else "",
        f"{state.buried:,} were given up (see the jobs)" if state.buried else "",
        f"{unasked:,} were never asked for: fill the space" if unasked else "",
    ]
    return f"{active}{state.missing:,} messages are missing: {', '.join(filter(None, parts))}."
