"""Rows for tests that are not about making rows. Messages go through ingest, as everybody's do."""

import factory
from factory.django import DjangoModelFactory

from memories import ingest
from tenants.models import Tenant


class TenantFactory(DjangoModelFactory):
    class Meta:
        model = Tenant

    name = factory.Sequence(lambda n: f"tenant-{n}")


def remember(tenant: Tenant, *contents: str, conversation: str = "conv-1", role: str = "user", **fields):
    """Store messages, one a content; the stored rows in order."""
    new = [
        ingest.NewMessage(conversation_id=conversation, role=role, content=content, **fields)
        for content in contents
    ]
    return [stored.message for stored in ingest.store(tenant=tenant, messages=new)]
