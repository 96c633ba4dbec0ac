"""A migration keeps nobody waiting for long: what squawk and we object to, but for the exceptions with their reasons.

squawk reads the SQL of each migration. What it does not know: statements over whole tables, tables locked by hand, and
Python.
"""

import json
import re
import subprocess
import sys
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import call_command
from django.db import connection
from django.db.migrations.loader import MigrationLoader

APPS = ("tenants", "memories", "retention", "memory_layer")
# Of squawk's rules, what is no question of waiting or of the code that still runs while tables change.
OTHER_TASTES = (
    "prefer-bigint-over-int",
    "prefer-bigint-over-smallint",
    "prefer-identity",
    "prefer-robust-stmts",
    "prefer-text-field",
    "prefer-timestamptz",
    "ban-drop-default",  # Django's own default for the length of one statement
    "require-lock-timeout",  # the operator's, for all migrations: docs/upgrading.md
    "require-statement-timeout",  # would break off an index that is built beside the traffic
)
EMPTY = "the tables are made by the migration before it, or by itself: they have no rows"
FEW = "one row a tenant, a key or a person: milliseconds"
BEFORE_RELEASE = (
    "came before the first release; takes the message table for itself, docs/upgrading.md says how long"
)
EXCEPTIONS = {
    "memories.0002_layout": EMPTY,
    "memories.0004_vectors": BEFORE_RELEASE,
    "memories.0006_lexicon": BEFORE_RELEASE,
    "memories.0010_archive": EMPTY,
    "memories.0011_stored_bytes": "the indexed table has rows for seconds only",
    "memories.0012_count_bytes": BEFORE_RELEASE,
    "memory_layer.0001_groups": "three groups and their permissions",
    "retention.0001_initial": EMPTY,
    "tenants.0003_search_settings": FEW,
    "tenants.0004_key_rights": FEW,
    "tenants.0007_people": FEW,
    "tenants.0008_limits": FEW,
}
_WHOLE_TABLES = {
    "locks a table": r"^LOCK TABLE",
    "updates rows": r"^UPDATE ",
    "deletes rows": r"^DELETE ",
    "copies rows": r"^INSERT INTO [^;]*\bSELECT\b",
    "runs Python": r"CANNOT BE WRITTEN AS SQL",
}


@pytest.fixture(scope="module")
def texts(django_db_setup, django_db_blocker) -> dict[str, str]:
    """The SQL of every migration of ours, by app.name. Outside a transaction, in which some refuse to be."""
    found = {}
    with django_db_blocker.unblock():
        for app, name in MigrationLoader(connection).disk_migrations:
            if app in APPS:
                out = StringIO()
                call_command("sqlmigrate", app, name, stdout=out, no_color=True)
                found[f"{app}.{name}"] = out.getvalue()
    return found


def squawk(folder: Path, sql: dict[str, str]) -> dict[str, set[str]]:
    """The rules that each migration breaks."""
    for name, text in sql.items():
        (folder / f"{name}.sql").write_text(text, encoding="utf-8")
    program = Path(sys.executable).with_name("squawk")
    command = [program, "--pg-version=16", "--reporter=json", f"--exclude={','.join(OTHER_TASTES)}"]
    done = subprocess.run([*command, *sorted(folder.glob("*.sql"))], capture_output=True, text=True)
    assert done.returncode in (0, 1), done.stderr
    broken: dict[str, set[str]] = {}
    for fault in json.loads(done.stdout):
        broken.setdefault(Path(fault["file"]).stem, set()).add(fault["rule_name"])
    return broken


def whole_tables(text: str) -> set[str]:
    """What is done to rows or locks, outside the bodies of functions."""
    outside = re.sub(r"\$\$.*?\$\$", "", text, flags=re.DOTALL)
    return {
        what
        for what, pattern in _WHOLE_TABLES.items()
        if re.search(pattern, outside, re.MULTILINE | re.DOTALL)
    }


def objections(folder: Path, sql: dict[str, str]) -> dict[str, set[str]]:
    found = squawk(folder, sql)
    for name, text in sql.items():
        if faults := whole_tables(text):
            found.setdefault(name, set()).update(faults)
    return found


def test_no_migration_keeps_anybody_waiting(texts, tmp_path):
    found = objections(tmp_path, texts)
    assert set(found) - set(EXCEPTIONS) == set(), found


def test_no_exception_is_left_over(texts, tmp_path):
    assert set(EXCEPTIONS) - set(objections(tmp_path, texts)) == set()


@pytest.mark.parametrize(
    ("sql", "objection"),
    [
        ("CREATE INDEX i ON memories_message (user_id);", "require-concurrent-index-creation"),
        ("ALTER TABLE memories_message ADD COLUMN x int NOT NULL;", "adding-required-field"),
        ("ALTER TABLE memories_message ALTER COLUMN word_count TYPE bigint;", "changing-column-type"),
        ("ALTER TABLE memories_message DROP COLUMN name;", "ban-drop-column"),
        ("ALTER TABLE memories_message RENAME COLUMN name TO speaker;", "renaming-column"),
        ("ALTER TABLE memories_message ALTER COLUMN name SET NOT NULL;", "adding-not-nullable-field"),
        (
            "ALTER TABLE memories_message ADD CONSTRAINT c CHECK (word_count > 0);",
            "constraint-missing-not-valid",
        ),
        ("UPDATE memories_message SET pinned = false;", "updates rows"),
        ("LOCK TABLE memories_message IN SHARE MODE;", "locks a table"),
        ("INSERT INTO memories_corpus\nSELECT tenant_id FROM memories_message;", "copies rows"),
    ],
)
def test_what_would_keep_somebody_waiting_is_found(tmp_path, sql, objection):
    assert (
        objection
        in objections(tmp_path, {"memories.9999_next": f"BEGIN;\n{sql}\nCOMMIT;\n"})["memories.9999_next"]
    )
