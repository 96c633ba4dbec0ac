"""API keys: make, parse, digest, compare."""

import hashlib

import pytest

from tenants import keys

PREFIX, SECRET = "a1b2c3d4e5f6", "s" * 43


def test_it_works():
    key = keys.make()
    assert key.plain.startswith(f"mlk_{key.prefix}_")
    assert keys.prefix_of(key.plain) == key.prefix
    assert keys.matches(key.plain, key.digest)


def test_no_two_keys_are_alike():
    made = [keys.make() for _ in range(100)]
    assert len({key.plain for key in made}) == len({key.prefix for key in made}) == 100


def test_the_digest_is_of_the_whole_key_and_does_not_hold_it():
    key = keys.make()
    assert key.digest == hashlib.sha256(key.plain.encode()).digest()
    assert not keys.matches(key.plain[:-1] + ("a" if key.plain[-1] != "a" else "b"), key.digest)


@pytest.mark.parametrize(
    "plain",
    [
        "",
        "mlk",
        f"mlk_{PREFIX}",
        f"mlk_{PREFIX}_{SECRET[:-1]}",
        f"mlk_{PREFIX}_{SECRET}s",
        f"mlk_{PREFIX}_{SECRET}\n",
        f" mlk_{PREFIX}_{SECRET}",
        f"mlk_{PREFIX.upper()}_{SECRET}",
        f"key_{PREFIX}_{SECRET}",
        f"mlk_{PREFIX}_{'ß' * 43}",
    ],
)
def test_what_is_no_key_has_no_prefix(plain):
    assert keys.prefix_of(plain) is None


@pytest.mark.parametrize("plain", ["", "ключ", "\ud800", "x" * 100_000])
def test_anything_can_be_compared(plain):
    assert not keys.matches(plain, bytes(32))
