"""The API of messages: parse, call one use case, answer. Nothing else."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django.db.models import Q
from django.http import HttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.exceptions import APIException, NotFound, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import BaseSerializer
from rest_framework.views import APIView

from memories import context, ingest, legal_holds, quotas, recalls, serializers
from memories.context_serializers import (
    MessageWithContextIn,
    StoredWithContextOut,
    as_context,
    as_wanted_beside,
)
from memories.filters import all_of, where_sql
from memories.models import Message
from memories.serializers import as_placed
from memories.tables import LIVE, Tables, tables
from memories.whole_messages import WholeMessage
from tenants import cursors, idempotency, isolation
from tenants.auth import require_scope, tenant_of
from tenants.models import Scope, Tenant
from tenants.requests import Conflict as Conflict
from tenants.requests import caller_of as caller_of
from tenants.requests import reading_cursor, rendered, shown
from tenants.requests import valid as valid

METADATA_PREFIX = "metadata."
NO_MESSAGE = "There is no such message."
NO_CONTEXT = "The message is stored; its context could not be built. Ask POST /v1/memory/context for it."
ERASED_NAMED = 20

METADATA_PARAMETER = OpenApiParameter(
    name="metadata.<key>",
    type=OpenApiTypes.STR,
    description="Only messages whose metadata has this value; repeatable.",
)
KEY_PARAMETER = OpenApiParameter(
    name=idempotency.HEADER,
    location=OpenApiParameter.HEADER,
    description="1 to 255 printable ASCII characters. The same request with the same key, within 24 hours, is answered "
    "with the first answer and stores nothing.",
)
TENANT_PARAMETER = OpenApiParameter(
    name="tenant_id", type=OpenApiTypes.STR, description="Needed by operators."
)

# Of what deletes, in the OpenAPI document.
HELD: dict[Any, Any] = {(409, "application/problem+json"): OpenApiTypes.OBJECT}


class QuotaExceeded(APIException):
    """The tenant may not store so much."""

    status_code = 403
    default_code = "quota_exceeded"


def valid_query(
    serializer: type[BaseSerializer[Any]], params: Mapping[str, str]
) -> tuple[dict[str, Any], dict[str, str]]:
    """A query string's parameters, checked and converted, apart from its `metadata.<key>` ones."""
    metadata = {
        key.removeprefix(METADATA_PREFIX): said
        for key, said in params.items()
        if key.startswith(METADATA_PREFIX)
    }
    if any("\0" in text for pair in metadata.items() for text in pair) or "" in metadata:
        raise ValidationError({"metadata": ["Needs a key, and text without NUL bytes."]})
    rest = {key: said for key, said in params.items() if not key.startswith(METADATA_PREFIX)}
    return valid(serializer, rest), metadata


class MessagesView(APIView):
    """Store one message; list messages."""

    @extend_schema(
        parameters=[KEY_PARAMETER], request=MessageWithContextIn, responses={201: StoredWithContextOut}
    )
    def post(self, request: Request) -> HttpResponse:
        """Store a message. It can be found at once, before its embedding exists.

        `return_context`: answered with what `POST /v1/memory/context` says of its text.
        """
        values, key = valid(MessageWithContextIn, request.data), idempotency.key_of(request)
        if values.get("return_context"):
            require_scope(caller_of(request), Scope.READ)
        tenant = tenant_of(
            caller_of(request),
            values.get("tenant_id"),
            may_create=True,
            reads=1 if values.get("return_context") else 0,
        )
        wanted = as_wanted_beside(tenant, values)
        answer = idempotency.once(tenant=tenant, key=key, do=lambda: _store(tenant, [values], batch=False))
        [receipt] = answer.kept
        body = serializers.as_stored(receipt, values)
        if wanted is not None:
            found = context.build_beside(
                tenant=tenant,
                message_id=receipt["id"],
                content=values["content"],
                conversation_id=values["conversation_id"],
                wanted=wanted,
            )
            body["context"] = found and as_context(
                found, explain=values["context"]["explain"], placed=values["context"]["include_archived"]
            )
            body["context_error"] = None if found else NO_CONTEXT
            recalls.note(tenant_id=tenant.id, message_ids=found.ids if found else [])
        replayed = answer.replayed or receipt["replayed"]
        return HttpResponse(
            rendered(body),
            status=answer.status,
            headers=idempotency.headers(replayed=replayed),
            content_type="application/json",
        )

    @extend_schema(
        operation_id="v1_messages_list",
        parameters=[serializers.ListIn, METADATA_PARAMETER],
        responses=serializers.MessagePage,
    )
    def get(self, request: Request) -> Response:
        """Messages, newest first."""
        values, metadata = valid_query(serializers.ListIn, request.query_params.dict())
        tenant = tenant_of(caller_of(request), values.get("tenant_id"))
        condition = all_of(serializers.as_filters(values, metadata_text=metadata).parts())
        condition &= _after(values.get("cursor"))
        placed, limit = values["include_archived"], values["limit"]
        where = tables(include_archived=placed)
        with isolation.together():
            page = where.newest(tenant.id, where_sql(condition), limit=limit + 1)
            messages = where.whole(tenant.id, [str(message_id) for message_id, _ in page[:limit]])
        following = cursors.encode(page[limit - 1][1], page[limit - 1][0]) if len(page) > limit else None
        # One that went away between the two looks is left out.
        bodies = [
            _as_message(messages[str(message_id)], placed=placed)
            for message_id, _ in page
            if str(message_id) in messages
        ]
        return Response({"messages": bodies, "next": following})


class MessageBatchView(APIView):
    """Store many messages."""

    counts_items = True

    @extend_schema(
        parameters=[KEY_PARAMETER], request=serializers.BatchIn, responses={201: serializers.BatchOut}
    )
    def post(self, request: Request) -> Response:
        """Store up to 1,000 messages in one transaction: all or nothing."""
        values, key = valid(serializers.BatchIn, request.data), idempotency.key_of(request)
        names = {row.get("tenant_id", values.get("tenant_id")) for row in values["messages"]}
        if len(names) > 1:
            raise ValidationError({"messages": ["All messages of a batch must be of one tenant."]})
        tenant = tenant_of(caller_of(request), names.pop(), may_create=True, units=len(values["messages"]))
        rows = values["messages"]
        answer = idempotency.once(tenant=tenant, key=key, do=lambda: _store(tenant, rows, batch=True))
        body = {"messages": list(map(serializers.as_stored, answer.kept, rows))}
        return Response(body, status=answer.status, headers=idempotency.headers(replayed=answer.replayed))


@extend_schema(parameters=[TENANT_PARAMETER])
class MessageView(APIView):
    """One message."""

    @extend_schema(parameters=[serializers.PlaceIn], responses=serializers.PlacedMessageOut)
    def get(self, request: Request, message_id: UUID) -> Response:
        """Read a message."""
        values = valid(serializers.ReadIn, request.query_params.dict())
        tenant = tenant_of(caller_of(request), values.get("tenant_id"))
        placed = values["include_archived"]
        message = _message(tenant, message_id, tables(include_archived=placed))
        return Response(_as_message(message, placed=placed))

    @extend_schema(request=serializers.MessagePatch, responses=serializers.MessageOut)
    def patch(self, request: Request, message_id: UUID) -> Response:
        """Edit a message; an edited text is scored and embedded again.

        Another text or other metadata is refused (409) while a legal hold is on the message.
        """
        tenant = _tenant(request)
        values = valid(serializers.MessagePatch, request.data)
        if not values:
            raise ValidationError("Nothing to change: give content, metadata, importance or pinned.")
        try:
            ingest.edit(tenant=tenant, message_id=message_id, changes=values)
        except Message.DoesNotExist as error:
            raise NotFound(NO_MESSAGE) from error
        except quotas.QuotaExceeded as error:
            raise QuotaExceeded(str(error)) from error
        except legal_holds.Held as error:
            raise Conflict(str(error)) from error
        return Response(_as_message(_message(tenant, message_id, LIVE), placed=False))

    @extend_schema(responses={204: None, **HELD})
    def delete(self, request: Request, message_id: UUID) -> Response:
        """Delete a message with its embedding. Refused (409) while a legal hold is on it."""
        try:
            if not ingest.delete(tenant=_tenant(request), message_id=message_id):
                raise NotFound(NO_MESSAGE)
        except legal_holds.Held as error:
            raise Conflict(str(error)) from error
        return Response(status=204)


def _store(tenant: Tenant, rows: list[dict[str, Any]], *, batch: bool) -> tuple[int, list[dict[str, Any]]]:
    """The status and a receipt for each, as idempotency.once() takes them."""
    try:
        stored = ingest.store(tenant=tenant, messages=[serializers.as_new_message(row) for row in rows])
    except ingest.ExternalIdConflict as error:
        where = (
            ", ".join(f"messages[{index}].external_id" for index in error.indexes) if batch else "external_id"
        )
        raise Conflict(
            f"{where}: taken by a message that says something else. Nothing was stored."
        ) from error
    except ingest.Erased as error:
        places = [
            f"messages[{index}].{field}" if batch else field
            for index, (field, _) in list(error.refused.items())[:ERASED_NAMED]
        ]
        raise Conflict(f"{error.sentence(places)} Nothing was stored.") from error
    except quotas.QuotaExceeded as error:
        raise QuotaExceeded(str(error)) from error
    return 201, [serializers.as_receipt(each.message) | {"replayed": each.replayed} for each in stored]


def _tenant(request: Request) -> Tenant:
    values = valid(serializers.TenantIn, request.query_params.dict())
    return tenant_of(caller_of(request), values.get("tenant_id"))


def _message(tenant: Tenant, message_id: UUID, where: Tables) -> WholeMessage:
    found = where.whole(tenant.id, [str(message_id)])
    if not found:
        raise NotFound(NO_MESSAGE)
    return found[str(message_id)]


def _as_message(message: WholeMessage, *, placed: bool) -> dict[str, Any]:
    body = shown(serializers.MessageOut, message)
    return body | as_placed(message) if placed else body


def _after(cursor: str | None) -> Q:
    if cursor is None:
        return Q()
    with reading_cursor():
        created_at, message_id = cursors.decode(cursor)
    return Q(created_at__lt=created_at) | Q(created_at=created_at, id__lt=message_id)
