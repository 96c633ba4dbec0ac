"""The API of conversations: list and read. Their messages are GET /v1/messages?conversation_id=."""

from typing import Any

from django.core.exceptions import ValidationError as InvalidIdentifier
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from memories import conversations
from memories.fields import IdentifierField
from memories.serializers import StrictSerializer
from memories.views import TENANT_PARAMETER, caller_of, valid
from tenants import cursors
from tenants.auth import tenant_of
from tenants.identifiers import validate_identifier
from tenants.requests import reading_cursor

NO_CONVERSATION = "There is no such conversation."


class ConversationsIn(StrictSerializer):
    """A page of conversations."""

    tenant_id = IdentifierField(required=False)
    user_id = IdentifierField(required=False, help_text="Only those with messages of this user.")
    limit = serializers.IntegerField(min_value=1, max_value=100, default=50)
    cursor = serializers.CharField(required=False)


class ConversationIn(StrictSerializer):
    """One conversation."""

    tenant_id = IdentifierField(required=False)
    conversation_id = IdentifierField()


class ConversationOut(serializers.Serializer[Any]):
    """What of a conversation is in the memory."""

    conversation_id = serializers.CharField()
    messages = serializers.IntegerField(help_text="All of them, whoever's.")
    first_message_at = serializers.DateTimeField()
    last_message_at = serializers.DateTimeField()


class ConversationPage(serializers.Serializer[Any]):
    """A page of conversations; `next` is the cursor of the following one, null at the end."""

    conversations = ConversationOut(many=True)
    next = serializers.CharField(allow_null=True)


class WholeConversationOut(ConversationOut):
    """One conversation with its archive, which the times include."""

    archived = serializers.IntegerField()
    users = serializers.ListField(
        child=serializers.CharField(), help_text=f"Up to {conversations.USERS_NAMED}, by user_id."
    )
    more_users = serializers.BooleanField()


class ConversationsView(APIView):
    """Conversations of a tenant."""

    @extend_schema(
        operation_id="v1_conversations_list", parameters=[ConversationsIn], responses=ConversationPage
    )
    def get(self, request: Request) -> Response:
        """Conversations with messages in the memory, by conversation_id."""
        values = valid(ConversationsIn, request.query_params.dict())
        tenant = tenant_of(caller_of(request), values.get("tenant_id"))
        rows = conversations.page(
            tenant=tenant,
            limit=values["limit"] + 1,
            after=_decoded(values["cursor"]) if "cursor" in values else "",
            user_id=values.get("user_id"),
        )
        page = rows[: values["limit"]]
        following = _encoded(page[-1].conversation_id) if len(rows) > len(page) else None
        return Response(ConversationPage({"conversations": page, "next": following}).data)


class ConversationView(APIView):
    """One conversation."""

    @extend_schema(parameters=[TENANT_PARAMETER], responses=WholeConversationOut)
    def get(self, request: Request, conversation_id: str) -> Response:
        """Read a conversation: how many messages, whose, from when to when."""
        values = valid(ConversationIn, {**request.query_params.dict(), "conversation_id": conversation_id})
        tenant = tenant_of(caller_of(request), values.get("tenant_id"))
        found = conversations.one(tenant=tenant, conversation_id=conversation_id)
        if found is None:
            raise NotFound(NO_CONVERSATION)
        return Response(WholeConversationOut(found).data)


def _encoded(conversation_id: str) -> str:
    """In hex: an id may have the sign that parts a cursor."""
    return cursors.pack(conversation_id.encode().hex())


def _decoded(cursor: str) -> str:
    with reading_cursor():
        [place] = cursors.unpack(cursor, 1)
        conversation_id = bytes.fromhex(place).decode()
        try:
            validate_identifier(conversation_id)
        except InvalidIdentifier as error:
            raise ValueError("no conversation") from error
    return conversation_id
