"""Reading the messages of an answer: by look-ups, whatever the sizes of tenants say of an average one."""

import pytest
from django.db import connection

from memories import prepared, whole_messages
from memories.models import Message
from tests.conftest import TenantFactory
from tests.factories import remember


@pytest.fixture
def uneven(acme):
    """A large tenant beside many small ones, as PostgreSQL's statistics know them."""
    remember(acme, *(f"message {number}" for number in range(1500)))
    for _ in range(30):
        remember(TenantFactory(), "one", "two")
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE memories_message")
    return acme


def test_a_plan_for_all_tenants_looks_each_up(uneven):
    text, names = prepared.numbered(whole_messages._LIVE)
    ids = [str(each) for each in Message.objects.values_list("id", flat=True)[:10]]
    given = {"tenant": str(uneven.id), "ids": f"'{{{','.join(ids)}}}'"}
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL plan_cache_mode = force_generic_plan")
        cursor.execute(f"PREPARE whole_messages AS {text.replace('%', '%%')}")
        cursor.execute(f"EXPLAIN EXECUTE whole_messages ({', '.join(given[name] for name in names)})")
        plan = "\n".join(line for (line,) in cursor.fetchall())
        cursor.execute("DEALLOCATE whole_messages")
    assert "Index Scan using memories_message_pkey" in plan
    assert "= ANY" not in plan
