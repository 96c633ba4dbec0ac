"""PostgreSQL keeps samples of what stands in a table, texts and ids among them, to plan by: pg_statistic.

They would outlive erased rows until enough others change. So after an erasure beat has the tables sampled anew, however
many erasures there were: it takes two seconds at a million messages, too much to do in each of them. A table without
rows keeps its old samples whatever is done, until PostgreSQL 18, which can drop them.
"""

import structlog
from django.db import OperationalError, connection, transaction
from django.db.models import Model

from memories.models import TermChange, TermStatistic
from retention import mentions, personal_data

log = structlog.get_logger(__name__)

# Vacuum holds the lock; an automatic one lets go of it after a second. Else the next beat does it.
_LOCK_TIMEOUT = "5s"
_CAN_CLEAR = 18_00_00
# A sampling that ended later than this began after the erasure; so a table is sampled twice at most.
_SAMPLING_TAKES = "1 minute"
_STALE = """
    SELECT relname FROM pg_stat_user_tables WHERE schemaname = current_schema() AND relname = ANY(%s)
    AND (SELECT max(finished_at) FROM retention_erasurereceipt) + %s::interval
        > coalesce(greatest(last_analyze, last_autoanalyze), '-infinity')
    ORDER BY relname
"""
# An index on an expression has samples of its own. Which there are, pg_stats does not say under row-level security.
_CLEAR = """
    SELECT pg_clear_attribute_stats(current_schema()::text, attrelid::regclass::text, attname::text, false)
    FROM pg_attribute WHERE attnum > 0 AND NOT attisdropped AND attrelid IN (
        SELECT %s::regclass UNION SELECT indexrelid FROM pg_index WHERE indrelid = %s::regclass)
"""


def renew_after_erasures() -> int:
    """Sample the tables that held or named an erased subject anew, if they have not been since; how many."""
    tables = personal_data.tables()
    words: list[type[Model]] = [TermStatistic, TermChange]
    models = [*tables.holders, *tables.hanging, *mentions.MENTIONS, *words]
    with connection.cursor() as cursor:
        cursor.execute(_STALE, [[model._meta.db_table for model in models], _SAMPLING_TAKES])
        stale = [row[0] for row in cursor.fetchall()]
    return sum(_renew(table) for table in stale)


def _renew(table: str) -> bool:
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SELECT set_config('lock_timeout', %s, true)", [_LOCK_TIMEOUT])
            cursor.execute(f"ANALYZE {table}")
            cursor.execute(f"SELECT EXISTS (SELECT FROM {table})")
            if not cursor.fetchone()[0] and connection.connection.info.server_version >= _CAN_CLEAR:
                cursor.execute(_CLEAR, [table, table])
    except OperationalError as error:
        log.warning("planner_statistics_not_renewed", table=table, error=type(error).__name__)
        return False
    return True
