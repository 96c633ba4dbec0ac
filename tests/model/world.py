"""Where the model's steps are done: two tenants with their keys, an installation emptied before each sequence."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from django.core.cache import cache
from django.db import connection

from memories import caching, spaces
from tenants import isolation, remembered
from tenants.lifecycle import create_key, create_tenant
from tests.conftest import Api
from tests.model.expected import Memory

ALL = ["read", "write", "admin"]
# What hangs on these by a foreign key goes with them.
_EMPTY = """
    TRUNCATE tenants_tenant, memories_embeddingspace, memories_termchange, memories_embeddingjob,
             retention_plannedmove, retention_erasurereceipt CASCADE
"""
SUSPENDED = "urn:ai-memory-layer:problem:tenant-suspended"


@dataclass(eq=False)
class Side:
    """A tenant: what must be true of it, and its administrator's key."""

    memory: Memory
    api: Api

    def ask(self, method: str, path: str, *args: Any, **headers: str) -> Any:
        """An answer, or None while the tenant is suspended: then whatever it asks must be refused."""
        answer = getattr(self.api, method)(path, *args, **headers)
        if not self.memory.suspended:
            return answer
        assert (answer.status_code, answer.json()["type"]) == (403, SUSPENDED), (path, answer.content)
        return None


@dataclass
class World:
    """Two tenants and the operator. `base`: when the sequence began; what is dated, is dated from here."""

    sides: list[Side] = field(default_factory=list)
    operator: Api = field(default_factory=Api)
    base: datetime = field(default_factory=lambda: datetime.now(UTC))

    @classmethod
    def emptied(cls) -> "World":
        """A new installation."""
        with isolation.reaching(isolation.LOGIN), connection.cursor() as cursor:  # its owner may TRUNCATE
            cursor.execute(_EMPTY)
        cache.clear()
        caching._missed.clear()
        remembered.forget()
        spaces.forget_active_space()
        world = cls()
        for name in ("acme", "globex"):
            tenant = create_tenant(name=name)
            world.sides.append(Side(Memory(name), Api(create_key(tenant=tenant, scopes=ALL)[1])))
        world.operator = Api(create_key(tenant=None, scopes=ALL)[1])
        return world

    def other(self, side: Side) -> Side:
        """The one that must see nothing of it."""
        return next(each for each in self.sides if each is not side)
