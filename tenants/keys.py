"""API keys: make, parse, digest, compare. Pure.

A key reads `mlk_<prefix>_<secret>`. The prefix finds the row and may be shown; the secret has 256 random bits,
so a plain SHA-256 is enough to store it safely (a slow hash would only be a way to exhaust the server).
"""

import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass

_KEY = re.compile(r"mlk_(?P<prefix>[a-z0-9]{12})_(?P<secret>[A-Za-z0-9_-]{43})")
_ALPHABET = "abcdefghijklmnopqrstuvwxyz0123456789"


@dataclass(frozen=True, kw_only=True)
class NewKey:
    """A fresh key: `plain` is shown once, `prefix` and `digest` are stored."""

    plain: str
    prefix: str
    digest: bytes


def make() -> NewKey:
    """A new random key."""
    prefix = "".join(secrets.choice(_ALPHABET) for _ in range(12))
    plain = f"mlk_{prefix}_{secrets.token_urlsafe(32)}"
    return NewKey(plain=plain, prefix=prefix, digest=digest(plain))


def prefix_of(plain: str) -> str | None:
    """The prefix of a well-formed key, None for anything else."""
    match = _KEY.fullmatch(plain)
    return match["prefix"] if match else None


def digest(plain: str) -> bytes:
    """SHA-256 of the whole key, 32 bytes."""
    return hashlib.sha256(plain.encode("utf-8", "surrogatepass")).digest()


def matches(plain: str, stored_digest: bytes) -> bool:
    """Whether the key has that digest, in time that does not depend on where they differ."""
    return hmac.compare_digest(digest(plain), stored_digest)
