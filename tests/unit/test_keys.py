"""API keys: make, parse, digest."""

import hashlib

import pytest

from tenants import keys

PREFIX, SECRET = "a1b2c3d4e5f6", "s" * 43


def test_it_works():
    key = keys.make()
    assert key.plain.startswith(f"mlk_{key.prefix}_")
    assert keys.offered(key.plain) == keys.OfferedKey(key.digest, key.prefix)


def test_no_two_keys_are_alike():
    made = [keys.make() for _ in range(100)]
    assert len({key.plain for key in made}) == len({key.prefix for key in made}) == 100


def test_the_digest_is_of_the_whole_key_and_does_not_hold_it():
    key = keys.make()
    assert key.digest == hashlib.sha256(key.plain.encode()).digest()
    assert keys.offered(key.plain[:-1] + ("a" if key.plain[-1] != "a" else "b")).digest != key.digest


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
    assert keys.offered(plain).prefix == ""


@pytest.mark.parametrize("plain", ["", "ключ", "\ud800", "x" * 100_000])
def test_anything_can_be_offered(plain):
    assert len(keys.offered(plain).digest) == 32


def test_neither_a_new_key_nor_an_offered_one_shows_its_secret():
    key = keys.make()
    secret = key.plain.removeprefix(f"mlk_{key.prefix}_")
    assert secret not in f"{key!r} {key} {keys.offered(key.plain)!r}"


@pytest.mark.parametrize("text", [PREFIX, f"mlk_{PREFIX}", f"mlk_{PREFIX}_…", f"mlk_{PREFIX}_{SECRET}"])
def test_a_key_is_named_by_its_prefix_as_shown_or_whole(text):
    assert keys.prefix_in(text) == PREFIX


@pytest.mark.parametrize(
    "text", ["", "mlk_", PREFIX[:-1], PREFIX.upper(), f" {PREFIX}", f"{PREFIX}\n", SECRET]
)
def test_what_names_no_key_has_no_prefix(text):
    assert keys.prefix_in(text) == ""
