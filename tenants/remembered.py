"""What each process remembers of keys and tenants: asking the database would take a third of a search's Python time.

A revoked key, a suspended tenant and changed settings count after SECONDS everywhere, and at once in the process that
changed them through save() or delete(). A new key or tenant counts at once: only what was found is remembered.
"""

from typing import TYPE_CHECKING

from tenants import refusals
from tenants.ttl_cache import TtlCache

if TYPE_CHECKING:
    from tenants.models import ApiKey, Tenant  # which forget what is here

SECONDS = 5.0
SIZE = 10_000

# By the SHA-256 of the whole key: the key itself is kept nowhere.
KEYS: "TtlCache[bytes, ApiKey | None]" = TtlCache(seconds=SECONDS, size=SIZE)
TENANTS: "TtlCache[str, Tenant | None]" = TtlCache(seconds=SECONDS, size=SIZE)


def forget() -> None:
    """A key or a tenant has changed."""
    KEYS.forget()
    TENANTS.forget()
    refusals.forget()
