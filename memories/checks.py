"""System checks: a wrong set-up is said by name, with what would mend it."""

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register
from django.db import DatabaseError, connections
from pydantic import SecretStr

from memories.embeddings import PROVIDERS, configured
from memories.models import EmbeddingSpace

MINIMUM_PGVECTOR = (0, 7)


def register_checks() -> None:
    """Called by the app's ready()."""
    register(check_provider)
    register(check_database, Tags.database)


def check_provider(**_: Any) -> list[CheckMessage]:
    """memories.E001, E002: a provider (or its stand-in) lacks a setting, or cannot have the dimensions asked for."""
    env = settings.ENV
    messages: list[CheckMessage] = [
        Error(
            f"The embedding provider {name} has no {variable}.",
            hint=f"Set {variable} (or {variable}_FILE), or choose another provider: local needs nothing.",
            id="memories.E001",
        )
        for name in (env.embedding_provider, env.embedding_failover)
        if name
        for variable in PROVIDERS[name].needs
        if not _is_set(variable)
    ]
    dimensions = PROVIDERS[env.embedding_provider].dimensions
    if dimensions not in (None, env.embedding_dimensions):
        messages.append(
            Error(
                f"The {env.embedding_provider} model has {dimensions} dimensions, not {env.embedding_dimensions}.",
                hint=f"Set MEMORY_EMBEDDING_DIMENSIONS={dimensions}, or leave it unset.",
                id="memories.E002",
            )
        )
    return messages


def _is_set(variable: str) -> bool:
    value = getattr(settings.ENV, variable.removeprefix("MEMORY_").lower())
    return bool(value.get_secret_value() if isinstance(value, SecretStr) else value)


def check_database(*, databases: Any = None, **_: Any) -> list[CheckMessage]:
    """memories.E003, E004, W001 and W002; run by `migrate`, `check --database default` and health."""
    messages: list[CheckMessage] = []
    for alias in databases or []:
        try:
            messages += _check_extension(alias) or _check_space(alias)
        except DatabaseError as error:
            messages.append(Warning(f"The database {alias} could not be asked: {error}", id="memories.W001"))
    return messages


def _check_extension(alias: str) -> list[CheckMessage]:
    with connections[alias].cursor() as cursor:
        cursor.execute(
            "SELECT default_version, coalesce(installed_version, default_version) "
            "FROM pg_available_extensions WHERE name = 'vector'"
        )
        found = cursor.fetchone()
    if found is None:
        hint = "Install pgvector on the database server (package postgresql-NN-pgvector, or your provider's switch)."
        return [Error("The database server has no pgvector extension.", hint=hint, id="memories.E003")]
    version = tuple(int(part) for part in found[1].split(".")[:2])
    if version < MINIMUM_PGVECTOR:
        hint = "Half-precision vectors came with 0.7: upgrade pgvector, then ALTER EXTENSION vector UPDATE."
        return [Error(f"pgvector {found[1]} is too old.", hint=hint, id="memories.E004")]
    return []


def _check_space(alias: str) -> list[CheckMessage]:
    if EmbeddingSpace._meta.db_table not in connections[alias].introspection.table_names():
        return []
    space = EmbeddingSpace.objects.using(alias).filter(active=True).first()
    wanted = configured()
    if space is None or (space.provider, space.model, space.dimensions) == tuple(wanted):
        return []
    hint = "It stays in use. `manage.py reembed` fills a space with the new model's vectors beside it."
    asked = f"{wanted.provider}/{wanted.model} ({wanted.dimensions})"
    text = f"The stored vectors are of {space}, the settings ask for {asked}."
    return [Warning(text, hint=hint, id="memories.W002")]
