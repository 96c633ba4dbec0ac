"""API keys: make, parse, digest. Pure.

A key reads `mlk_<prefix>_<secret>`. The prefix finds the row and may be shown; the secret has 256 random bits,
so a plain SHA-256 is enough to store it safely (a slow hash would only be a way to exhaust the server), and it may be
looked for in the database: how long that takes says nothing about the secret.

What is offered is digested before anything else is done with it, so that no error report, which shows the variables of
the functions it went through, can hold a key.
"""

import hashlib
import hmac
import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field

_KEY = re.compile(r"mlk_(?P<prefix>[a-z0-9]{12})_(?P<secret>[A-Za-z0-9_-]{43})")
_NAMED = re.compile(r"(mlk_)?(?P<prefix>[a-z0-9]{12})(_(…|[A-Za-z0-9_-]*))?")
_ALPHABET = "abcdefghijklmnopqrstuvwxyz0123456789"


@dataclass(frozen=True, kw_only=True)
class NewKey:
    """A fresh key: `plain` is shown once, `prefix` and `digest` are stored."""

    plain: str = field(repr=False)
    prefix: str
    digest: bytes


@dataclass(frozen=True, slots=True)
class OfferedKey:
    """What is left of a key that somebody sent. `prefix` is empty if it is malformed."""

    digest: bytes
    prefix: str


def make() -> NewKey:
    """A new random key."""
    prefix = "".join(secrets.choice(_ALPHABET) for _ in range(12))
    plain = f"mlk_{prefix}_{secrets.token_urlsafe(32)}"
    return NewKey(plain=plain, prefix=prefix, digest=digest(plain))


def offered(plain: str) -> OfferedKey:
    """Whatever was sent as a key."""
    match = _KEY.fullmatch(plain)
    return OfferedKey(digest(plain), match["prefix"] if match else "")


def offered_in(api_key: str | None, authorization: str | None) -> OfferedKey | None:
    """The key in the headers `X-API-Key` or, without that, `Authorization: Bearer`; None if there is none."""
    if api_key:
        return offered(api_key)
    scheme, _, value = (authorization or "").partition(" ")
    return offered(value.strip()) if scheme.lower() == "bearer" and value.strip() else None


def is_one_of(sent: OfferedKey, plain: Iterable[str]) -> bool:
    """Whether it is one of these keys. Every one is compared, so that time does not tell which came close."""
    same = [hmac.compare_digest(sent.digest, digest(each)) for each in plain]
    return any(same)


def prefix_in(text: str) -> str:
    """The prefix in what a person gives to name a key: itself, `mlk_<prefix>_…` as lists show it, or a whole key.

    Empty if there is none.
    """
    match = _NAMED.fullmatch(text)
    return match["prefix"] if match else ""


def digest(plain: str) -> bytes:
    """SHA-256 of the whole key, 32 bytes."""
    return hashlib.sha256(plain.encode("utf-8", "surrogatepass")).digest()
