"""The API of search: parse, call one use case, answer. Nothing else."""

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from memories import search
from memories.search_serializers import SearchIn, SearchOut, as_search
from memories.serializers import as_filters
from memories.views import METADATA_PARAMETER, caller_of, valid_query
from tenants.auth import tenant_of


class SearchView(APIView):
    """The memory's answer to a query."""

    @extend_schema(parameters=[SearchIn, METADATA_PARAMETER], responses=SearchOut)
    def get(self, request: Request) -> Response:
        """The messages that matter most: similarity 60 %, importance 30 %, decay 10 %."""
        values, metadata = valid_query(SearchIn, request.query_params)
        tenant = tenant_of(caller_of(request), values.get("tenant_id"))
        answer = search.search(
            tenant=tenant,
            text=values["query"],
            top_k=values["top_k"],
            mode=values["mode"],
            filters=as_filters(values, metadata),
        )
        return Response(SearchOut(as_search(answer, explain=values["explain"])).data)
