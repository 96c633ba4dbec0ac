"""`make drill`: a filled installation is dumped, lost, and restored on a new server, and answers as before.

python -m tests.drill [--messages 5000]

What docs/operations.md tells an operator to do, with the same commands: `pg_dump` of the database, `pg_dumpall` of the
roles, `pg_restore` into a server that knows neither. Redis is not backed up: nothing in it is missed.
"""

import argparse
import os
import secrets
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import psycopg

from memory_layer.embedded import postgres
from memory_layer.embedded.binaries import postgres_bin
from memory_layer.embedded.servers import Servers
from memory_layer.embedded.throwaway import throwaway_servers
from tests.benchmarks.chats import messages, questions
from tests.benchmarks.clients import KEY, Client, ingest
from tests.faults.kills import until_embedded
from tests.stack import Stack, running_stack

TENANTS = ("first", "second")
# How the database is made, beyond its rows: who owns and may do what, what is enforced. Without parentheses: a restored
# expression has others, and means the same.
SHAPE = {
    "constraints": "SELECT conrelid::regclass::text, conname, translate(pg_get_constraintdef(oid), '()', '') "
    "FROM pg_constraint WHERE connamespace = 'public'::regnamespace",
    "indexes": "SELECT translate(indexdef, '()', '') FROM pg_indexes WHERE schemaname = 'public'",
    "triggers": "SELECT pg_get_triggerdef(oid), tgenabled FROM pg_trigger WHERE NOT tgisinternal",
    "policies": "SELECT tablename, policyname, roles::text, cmd, translate(qual, '()', ''), "
    "translate(with_check, '()', '') FROM pg_policies",
    "owners": "SELECT relname, pg_get_userbyid(relowner), relrowsecurity, relforcerowsecurity, relacl::text, "
    "reloptions::text FROM pg_class WHERE relnamespace = 'public'::regnamespace",
    "roles": "SELECT rolname, rolsuper, rolbypassrls, rolcanlogin, rolcreatedb FROM pg_roles WHERE rolname !~ '^pg_'",
}


@dataclass(frozen=True)
class Found:
    """What an installation says about itself. `answers`: the bodies of searches, byte for byte."""

    counts: dict[str, int]
    shape: dict[str, list[Any]]
    answers: dict[str, str]


def run(count: int, asked: int) -> str:
    """Fill, dump, lose, restore, compare; answers what to print. AssertionError on any difference."""
    os.environ[KEY] = secrets.token_urlsafe(32)
    settings = {
        "MEMORY_API_KEYS": os.environ[KEY],
        "MEMORY_SECRET_KEY": secrets.token_urlsafe(50),
        "MEMORY_SEARCH_CACHE_SECONDS": "0",
        "MEMORY_WEB_WORKERS": "1",
    }
    with tempfile.TemporaryDirectory(prefix="drill-") as folder:
        dump, roles = Path(folder) / "memory.dump", Path(folder) / "roles.sql"
        with running_stack(**settings) as stack:
            _fill(stack, count)
            url = _superuser(stack.noted()["urls"]["MEMORY_DATABASE_URL"])
            moment = stack.sql("SELECT now()")[0][0].isoformat()
            answers = _answers(stack, asked, moment)
            # Beat and worker go on writing: the counts and the dump are of one snapshot.
            with psycopg.connect(url) as connection:
                connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
                before = Found(*_database(connection), answers)
                [(snapshot,)] = connection.execute("SELECT pg_export_snapshot()").fetchall()
                dumped = _timed(lambda: _dump(url, snapshot, dump, roles))
        with throwaway_servers() as servers:
            restored = _timed(lambda: _restore(servers, dump, roles))
            with psycopg.connect(_superuser(servers.database_url)) as connection:
                counts, shape = _database(connection)
            with running_stack(**settings, MEMORY_DATABASE_URL=servers.database_url) as stack:
                after = Found(counts, shape, _answers(stack, asked, moment))
        size = dump.stat().st_size
    _compare(before, after)
    return (
        f"{sum(before.counts.values())} rows of {len(before.counts)} tables: dumped in {dumped:.1f} s "
        f"({size / 1e6:.1f} MB), restored in {restored:.1f} s; "
        f"{len(answers)} searches answer byte for byte as before"
    )


def _fill(stack: Stack, count: int) -> None:
    for place, tenant in enumerate(TENANTS):
        ingest(stack.address(), tenant, list(messages(count, seed=place)), batch=100, clients=2)
    for tenant in TENANTS:
        until_embedded(stack, tenant)
    stack.wait(
        lambda: stack.sql("SELECT count(*) FROM memories_termchange") == [(0,)], "counted terms", seconds=60
    )


def _answers(stack: Stack, asked: int, moment: str) -> dict[str, str]:
    with Client(stack.address()) as client:
        return {
            f"{tenant} {question}": client.get_text(
                "/v1/memory/search?"
                + urlencode({"tenant_id": tenant, "query": question, "as_of": moment, "top_k": 20})
            )
            for tenant in TENANTS
            for question in questions(asked, seed=1)
        }


def _database(connection: psycopg.Connection[Any]) -> tuple[dict[str, int], dict[str, list[Any]]]:
    """Rows by table, and the shape."""
    tables = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
    counts = {
        table: connection.execute(f'SELECT count(*) FROM "{table}"').fetchall()[0][0] for (table,) in tables
    }
    return counts, {name: sorted(connection.execute(query), key=repr) for name, query in SHAPE.items()}


def _dump(url: str, snapshot: str, dump: Path, roles: Path) -> None:
    """As the superuser: row-level security hides rows from others, and pg_dump refuses rather than lose them."""
    _command("pg_dump", "--format=custom", f"--snapshot={snapshot}", "--file", str(dump), url)
    _command("pg_dumpall", "--roles-only", "--file", str(roles), "--dbname", url)


def _restore(servers: Servers, dump: Path, roles: Path) -> None:
    """Into a server that has neither the role nor the database."""
    url = _superuser(servers.database_url)
    system = url.replace(f"/{postgres.NAME}?", "/postgres?")
    with psycopg.connect(system, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {postgres.NAME}")
        connection.execute(f"DROP ROLE {postgres.NAME}")
    # The superuser is there already, which is all that psql may complain about.
    own = "\n".join(
        line
        for line in roles.read_text(encoding="utf-8").splitlines()
        if not line.startswith(f"CREATE ROLE {postgres.SUPERUSER};")
    )
    roles.write_text(own, encoding="utf-8")
    _command("psql", "--set=ON_ERROR_STOP=1", "--quiet", "--file", str(roles), system)
    _command("pg_restore", "--exit-on-error", "--create", "--dbname", system, str(dump))
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("VACUUM (ANALYZE)")


def _superuser(url: str) -> str:
    return url.replace(f"//{postgres.NAME}@", f"//{postgres.SUPERUSER}@", 1)


def _command(program: str, *words: str) -> None:
    done = subprocess.run(
        [postgres_bin() / program, *words], capture_output=True, text=True, env=postgres.plain_environ()
    )
    assert done.returncode == 0, f"{program}: {done.stderr}"


def _compare(before: Found, after: Found) -> None:
    assert before.counts == after.counts
    for name, rows in before.shape.items():
        changed = [row for row in rows if row not in after.shape[name]]
        assert rows == after.shape[name], f"{name}: {changed}"
    different = [query for query, answer in before.answers.items() if after.answers[query] != answer]
    assert not different, (
        f"{len(different)} of {len(before.answers)} answers differ, such as: {different[:3]}"
    )


def _timed(do: Any) -> float:
    started = time.perf_counter()
    do()
    return time.perf_counter() - started


def main() -> None:
    """Run the long form."""
    parser = argparse.ArgumentParser(prog="python -m tests.drill")
    parser.add_argument("--messages", type=int, default=5000, help="in each of two tenants")
    print(run(parser.parse_args().messages, asked=100))


if __name__ == "__main__":
    main()
