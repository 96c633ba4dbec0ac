"""The environment, and what Django's system checks say of it."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from django.conf import settings
from django.core import checks as django_checks
from pydantic import SecretStr

from memory_layer.doctor.findings import Finding, error, ok, warning
from memory_layer.env import variable_names

HIDDEN = "***"
_LOCAL = {"localhost", "127.0.0.1", "[::1]"}


def settings_given() -> Iterator[Finding]:
    """What is set, secrets hidden. A wrong value stops every process before it comes here."""
    env = settings.ENV
    given = {
        variable: masked(getattr(env, field))
        for variable, field in variable_names().items()
        if field in env.model_fields_set
    }
    listed = ", ".join(f"{variable}={value}" for variable, value in given.items())
    yield ok("settings", listed or "Nothing is set: all is as .env.example shows it.")


def checks() -> Iterator[Finding]:
    """Django's, the database's and our own; in production those of `check --deploy` too."""
    found = django_checks.run_checks(databases=["default"], include_deployment_checks=settings.ENV.production)
    for message in found:
        if message.is_silenced():
            continue
        level = error if message.is_serious() else warning
        yield level(
            "checks", f"{message.msg} ({message.id})", message.hint or "See the check's documentation."
        )
    if not found:
        yield ok("checks", "`manage.py check` has nothing to say.")


def hosts() -> Iterator[Finding]:
    """Who can reach it under which name, and by whose word clients have their addresses."""
    env = settings.ENV
    if not env.production:
        yield ok("hosts", "MEMORY_ENV=development: plain HTTP is served, and cookies go over it.")
        return
    if set(env.allowed_hosts) <= _LOCAL:
        yield error(
            "hosts",
            f"Only {', '.join(env.allowed_hosts)} is served.",
            "Set MEMORY_ALLOWED_HOSTS to the names that clients use.",
        )
    else:
        yield ok("hosts", f"Served as {', '.join(env.allowed_hosts)}, by HTTPS alone, with secure cookies.")
    if not env.trusted_proxies:
        yield warning(
            "hosts",
            "No proxy is trusted: keys with an allow list and log-ins go by the address that connects.",
            "Behind a proxy set MEMORY_TRUSTED_PROXIES (docs/security.md).",
        )


def masked(value: Any) -> str:
    """As it may be shown: secrets and passwords of addresses hidden."""
    if isinstance(value, SecretStr):
        return HIDDEN
    if isinstance(value, list):
        return ",".join(masked(each) for each in value)
    text = str(value)
    parts = urlsplit(text) if "://" in text else None
    if parts is None:
        return text
    query = HIDDEN if "password" in parts.query else parts.query
    netloc = parts.netloc
    if "@" in netloc:
        who, _, where = netloc.rpartition("@")
        netloc = f"{who.partition(':')[0]}:{HIDDEN}@{where}" if ":" in who else netloc
    return urlunsplit(parts._replace(netloc=netloc, query=query))
