"""The API of contexts: parse, call one use case, answer. Nothing else."""

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from memories import context, recalls
from memories.context_serializers import ContextIn, ContextOut, as_context, as_wanted
from memories.views import caller_of, valid
from tenants.auth import tenant_of
from tenants.models import Scope


class ContextView(APIView):
    """What to know before answering."""

    scopes = {"POST": Scope.READ}

    @extend_schema(operation_id="memory_context", request=ContextIn, responses=ContextOut)
    def post(self, request: Request) -> Response:
        """The newest turns and the relevant memories, inside a budget of tokens, ready for a prompt.

        It only reads: the scope `read` is enough.
        """
        values = valid(ContextIn, request.data)
        tenant = tenant_of(caller_of(request), values.get("tenant_id"))
        found = context.build(
            tenant=tenant,
            text=values["query"],
            conversation_id=values.get("conversation_id", ""),
            wanted=as_wanted(tenant, values),
        )
        recalls.note(tenant_id=tenant.id, message_ids=found.ids)
        return Response(as_context(found, explain=values["explain"], placed=values["include_archived"]))
