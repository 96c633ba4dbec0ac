"""manage.py measure_storage."""

import re
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from memories import tasks
from memory_layer.management.commands import measure_storage
from tests.factories import remember

OURS = ("memories_", "retention_", "tenants_")


def measured() -> str:
    out = StringIO()
    call_command("measure_storage", stdout=out)
    return out.getvalue()


def test_it_tells_bytes_a_message_and_what_many_would_take(acme):
    remember(acme, *(f"message number {n} about the weather" for n in range(50)))
    tasks.drain()
    text = measured()
    assert text.startswith("50 messages, 50 vectors\n")
    assert "  index embedding_search of memories_messageembedding\n" in text
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT sum(pg_total_relation_size(to_regclass(name))) FROM unnest(%s::text[]) AS name",
            [[table for table in connection.introspection.django_table_names() if table.startswith(OURS)]],
        )
        [total] = cursor.fetchone()
    assert f"{total / 50:10,.0f}  on disk" in text
    parts = [
        int(number.replace(",", ""))
        for number in re.findall(r"^ *([\d,]+)  (?:table|index|\d+ others)", text, re.M)
    ]
    assert sum(parts) == pytest.approx(total / 50, abs=len(parts))
    assert re.search(r"1,000,000,000 messages: [\d,]+ GB on disk, [\d,]+ GB in memory", text)


def test_nothing_stored_is_said(db):
    with pytest.raises(CommandError, match="No message is stored"):
        measured()


def test_what_should_be_in_memory_exists(db):
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_class WHERE relname = ANY(%s)", [list(measure_storage.HOT)])
        assert cursor.fetchone() == (len(measure_storage.HOT),)
