"""The API of search: parse, call one use case, answer. Nothing else."""

from collections.abc import Mapping
from typing import Any

from django.http import HttpResponse
from drf_spectacular.utils import extend_schema
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from memories import answers, search, why
from memories.filters import Parts, all_of
from memories.models import Message
from memories.search_serializers import SearchBody, SearchIn, SearchOut, as_search, as_weights
from memories.serializers import as_filters
from memories.tables import tables
from memories.views import METADATA_PARAMETER, NO_MESSAGE, caller_of, valid, valid_query
from memories.why_serializers import WhyIn, WhyOut, as_why
from tenants.auth import tenant_of
from tenants.models import Scope, Tenant


class SearchView(APIView):
    """The memory's answer to a query."""

    scopes = {"POST": Scope.READ}

    @extend_schema(parameters=[SearchIn, METADATA_PARAMETER], responses=SearchOut)
    def get(self, request: Request) -> HttpResponse:
        """The messages that matter most: similarity 60 %, importance 30 %, decay 10 %."""
        sent = request.query_params.dict()
        values, metadata = valid_query(SearchIn, sent)
        parts = as_filters(values, metadata_text=metadata).parts()
        return _answer(request, sent, values, parts)

    @extend_schema(operation_id="memory_search_by_body", request=SearchBody, responses=SearchOut)
    def post(self, request: Request) -> HttpResponse:
        """The same with nested filters and weights of its own. It only reads: the scope `read` is enough."""
        values = valid(SearchBody, request.data)
        return _answer(request, request.data, values, parts_in(values))


class WhyView(APIView):
    """One message in the light of a query."""

    scopes = {"POST": Scope.READ}

    @extend_schema(request=WhyIn, responses=WhyOut)
    def post(self, request: Request) -> Response:
        """Why a message is, or is not, in the answer to this search. The scope `read` is enough."""
        values = valid(WhyIn, request.data)
        asked = asked_in(values, tenant=_tenant(request, values))
        try:
            found = why.explain(message_id=values["message_id"], parts=parts_in(values), **asked)
        except Message.DoesNotExist as error:
            raise NotFound(NO_MESSAGE) from error
        return Response(as_why(found, explain=values["explain"]))


def asked_in(values: Mapping[str, Any], *, tenant: Tenant) -> dict[str, Any]:
    """What a search takes, of a body or a query string, but for the filters."""
    return {
        "tenant": tenant,
        "text": values["query"],
        "top_k": values["top_k"],
        "mode": values.get("mode", ""),
        "weights": as_weights(tenant, values.get("weights", {})),
        "as_of": values.get("as_of"),
        "tables": tables(include_archived=values["include_archived"]),
        "explain": values["explain"],
    }


def parts_in(values: Mapping[str, Any]) -> Parts:
    """All filters of a body, told apart by their paths in it."""
    return [*as_filters(values, metadata=values.get("metadata")).parts(), *values.get("filters", [])]


def _answer(request: Request, sent: Any, values: Mapping[str, Any], parts: Parts) -> HttpResponse:
    """`sent` is what tells two questions apart: what came in, before anything was made of it."""
    asked = asked_in(values, tenant=_tenant(request, values))

    def make() -> dict[str, Any]:
        found = search.search(condition=all_of(parts), **asked)
        return as_search(found, explain=values["explain"], placed=values["include_archived"])

    body = answers.remembered(tenant=asked["tenant"], asked=[request.method, sent], make=make)
    return HttpResponse(body, content_type="application/json")


def _tenant(request: Request, values: Mapping[str, Any]) -> Tenant:
    return tenant_of(caller_of(request), values.get("tenant_id"))
