"""POST /v1/messages: store one message."""

import pytest

from memories.models import EmbeddingJob, Message
from tests.conftest import Api

HELLO = {"conversation_id": "conv-1", "role": "user", "content": "I love Python programming"}


def test_it_works(bot, acme):
    answer = bot.post("/v1/messages", HELLO)
    assert answer.status_code == 201
    body = answer.json()
    assert body["embedding_status"] == "pending"
    assert 0 <= body["importance"] <= 1
    message = Message.objects.for_tenant(acme.id).get(id=body["id"])
    assert message.content == HELLO["content"]
    assert EmbeddingJob.objects.filter(tenant=acme, message_id=message.id).count() == 1
