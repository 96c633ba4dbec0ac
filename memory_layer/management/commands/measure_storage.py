"""`manage.py measure_storage`: what a stored message takes on disk, by table and index, and what many would take."""

from typing import Any

from django.apps import apps
from django.core.management.base import BaseCommand, CommandError
from django.db import connection

APPS = ("memories", "retention", "tenants")
# What a search reads of every message that it compares; the rest is read for the hits alone.
HOT = (
    "embedding_search",
    "message_terms",
    "memories_message_pkey",
    "message_conversation",
    "memories_messageembedding_pkey",
)
AT = (10_000_000, 100_000_000, 1_000_000_000)
_RELATIONS = """
SELECT tab.relname, tab.relname, 'table', pg_table_size(tab.oid) FROM pg_class tab
WHERE tab.relnamespace = current_schema()::regnamespace AND tab.relname = ANY(%(tables)s)
UNION ALL
SELECT tab.relname, ind.relname, 'index', pg_table_size(ind.oid)
FROM pg_class tab JOIN pg_index ON indrelid = tab.oid JOIN pg_class ind ON ind.oid = indexrelid
WHERE tab.relnamespace = current_schema()::regnamespace AND tab.relname = ANY(%(tables)s)
"""


class Command(BaseCommand):
    help = "Print what one stored message takes, by table and index, and what 10M, 100M and 1B would take."

    def handle(self, *args: Any, **options: Any) -> None:
        messages, vectors = _counts()
        if not messages:
            raise CommandError("No message is stored: there is nothing to measure.")
        relations = sorted(_relations(), key=lambda row: -row[3])
        total = sum(row[3] for row in relations)
        hot = sum(size for _, name, _, size in relations if name in HOT)
        self.stdout.write(f"{messages:,} messages, {vectors:,} vectors\n\nbytes a message")
        shown = [row for row in relations if row[3] >= messages]
        for table, name, kind, size in shown:
            self.stdout.write(
                f"{size / messages:10,.0f}  {kind} {name}{'' if kind == 'table' else f' of {table}'}"
            )
        others = total - sum(row[3] for row in shown)
        self.stdout.write(f"{others / messages:10,.0f}  {len(relations) - len(shown)} others")
        self.stdout.write(
            f"{total / messages:10,.0f}  on disk, of which {hot / messages:,.0f} should be in memory\n"
        )
        for count in AT:
            self.stdout.write(
                f"{count:13,} messages: {_size(total * count / messages)} on disk, "
                f"{_size(hot * count / messages)} in memory if all tenants are searched"
            )


def _counts() -> tuple[int, int]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT (SELECT count(*) FROM memories_message), (SELECT count(*) FROM memories_messageembedding)"
        )
        messages, vectors = cursor.fetchone()
    return messages, vectors


def _relations() -> list[tuple[str, str, str, int]]:
    """(table, relation, kind, bytes): with the maps that vacuum makes, and a table's with its TOAST."""
    tables = [model._meta.db_table for app in APPS for model in apps.get_app_config(app).get_models()]
    with connection.cursor() as cursor:
        cursor.execute(_RELATIONS, {"tables": tables})
        rows: list[tuple[str, str, str, int]] = cursor.fetchall()
    return rows


def _size(count: float) -> str:
    """In GB of 10^9 bytes, as disks are sold; below 10 with a digit more."""
    gigabytes = count / 1e9
    return f"{gigabytes:,.1f} GB" if gigabytes < 10 else f"{gigabytes:,.0f} GB"
