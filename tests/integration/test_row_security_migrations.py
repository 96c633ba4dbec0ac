"""The roles and policies on servers where the login is nobody special, and the way back."""

import os
import secrets
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pytest

from tests.databases import rows_of, url_of
from tests.stack import ROOT

BEFORE = [("retention", "0001"), ("memories", "0012"), ("tenants", "0009")]
# The first one leaves the login without rights in the schema but to make tables.
GRANT_CREATE = "GRANT CREATE ON SCHEMA public TO {}"
MANAGE = """
import sys
from django.core.management import execute_from_command_line
for command in sys.argv[1:]:
    execute_from_command_line(["manage.py", *command.split()])
"""
CLOSED = "SELECT count(*) FROM pg_class WHERE relrowsecurity AND relforcerowsecurity"


@contextmanager
def database(*, owner: bool) -> Iterator[tuple[str, str]]:
    """An empty database, and a login that may log in: as the database's owner, or as a guest who may make tables."""
    name = f"login_{secrets.token_hex(4)}"
    with psycopg.connect(url_of("postgres", "postgres"), autocommit=True) as server:
        server.execute(f"CREATE ROLE {name} LOGIN NOSUPERUSER NOCREATEROLE")
        server.execute(f"CREATE DATABASE {name} OWNER {name if owner else 'postgres'}")
        try:
            administer(name, GRANT_CREATE.format(name))
            yield url_of(name, name), name
        finally:
            server.execute(f"DROP DATABASE {name} WITH (FORCE)")
            server.execute(f"DROP ROLE {name}")


def administer(name: str, *statements: str) -> None:
    """What the server's administrator does in the database."""
    with psycopg.connect(url_of(name, "postgres"), autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement)


def manage(url: str, *commands: str) -> str:
    """What management commands print, one after the other, whatever comes of them. A process starts in a second."""
    environ = os.environ | {"MEMORY_DATABASE_URL": url}
    done = subprocess.run(
        [sys.executable, "-c", MANAGE, *commands], cwd=ROOT, env=environ, capture_output=True, text=True
    )
    return done.stdout + done.stderr


def asked_for(output: str) -> list[str]:
    """The statements that a stopped migration asks for."""
    assert "Traceback" not in output, output
    return [line.strip().removesuffix(";") for line in output.splitlines() if line.startswith("    GRANT ")]


@pytest.mark.timeout(300)
def test_a_login_that_may_grant_nothing_is_told_what_it_needs(db):
    """The roles are there: every database of the server shares them. Nobody has made the login their member."""
    with database(owner=False) as (url, login):
        memberships = asked_for(manage(url, "migrate"))
        options = "WITH INHERIT FALSE, SET TRUE"
        assert memberships == [
            f"GRANT {role} TO {login} {options}" for role in ("memory_web", "memory_worker")
        ]
        assert rows_of(url, CLOSED) == [(0,)]
        administer(login, *memberships)
        views = asked_for(manage(url, "migrate"))
        assert views == ["GRANT CREATE ON SCHEMA public TO memory_worker"]
        administer(login, *views)
        said = manage(url, "migrate", "check --database default", "create_tenant acme")
        assert "retention.0002_isolation... OK" in said
        assert "no issues" in said
        assert "acme" in said
        assert rows_of(url, CLOSED)[0][0] >= 24
        assert rows_of(url, "SELECT name FROM tenants_tenant") == [("acme",)]
        with psycopg.connect(url) as connection:  # the owner of the tables
            assert connection.execute("SELECT name FROM tenants_tenant").fetchall() == []


@pytest.mark.timeout(300)
def test_there_and_back(db):
    with database(owner=True) as (url, login):
        administer(login, f"GRANT memory_web, memory_worker TO {login} WITH INHERIT FALSE, SET TRUE")
        manage(url, "migrate", "create_tenant acme")
        assert rows_of(url, CLOSED)[0][0] >= 24
        assert "Traceback" not in manage(url, *(f"migrate {app} {number}" for app, number in BEFORE))
        assert rows_of(url, CLOSED) == [(0,)]
        assert rows_of(url, "SELECT count(*) FROM pg_policies") == [(0,)]
        assert rows_of(url, "SELECT count(*) FROM pg_views WHERE schemaname = 'public'") == [(0,)]
        assert rows_of(url, "SELECT name FROM tenants_tenant") == [("acme",)]
        assert "no issues" in manage(url, "migrate", "check --database default")
        assert rows_of(url, CLOSED)[0][0] >= 24
        assert rows_of(url, "SELECT has_schema_privilege('memory_worker', 'public', 'CREATE')") == [(False,)]
