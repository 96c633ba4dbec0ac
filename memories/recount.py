"""recount(): are the term statistics what the messages say?

Whoever writes a message writes its change with it, and folding moves changes into the statistics in one transaction.
So in every snapshot: statistics + changes that wait = messages. A single statement sees one snapshot, so checking
needs no lock and is exact beside any writing; repairing keeps folding off, for all tenants, as long as it takes.
"""

from dataclasses import dataclass

from django.db import connection

from memories import lexicon
from tenants.models import Tenant


@dataclass(frozen=True, kw_only=True)
class Recount:
    """How many of a tenant's statistics were not what its messages say."""

    terms: int
    corpora: int

    @property
    def wrong(self) -> bool:
        """Whether any was."""
        return bool(self.terms or self.corpora)


_TERMS = """
    WITH counted AS (
        SELECT term, sum(messages) AS messages FROM (
            SELECT unnest(tsvector_to_array(document)) AS term, 1 AS messages
            FROM memories_message WHERE tenant_id = %(tenant)s
            UNION ALL
            SELECT unnest(terms), -messages FROM memories_termchange WHERE tenant_id = %(tenant)s) AS each
        WHERE term <> '~t' || %(tenant)s GROUP BY term
    ), wrong AS MATERIALIZED (
        SELECT term, coalesce(counted.messages, 0) AS messages
        FROM counted FULL JOIN (SELECT term, messages FROM memories_termstatistic WHERE tenant_id = %(tenant)s) AS known
        USING (term) WHERE coalesce(counted.messages, 0) <> coalesce(known.messages, 0))
"""
_CORPORA = """
    WITH counted AS (
        SELECT language, sum(messages) AS messages, sum(messages * words) AS words, sum(messages * bytes) AS bytes
        FROM (
            SELECT language, 1 AS messages, word_count AS words, memories_bytes(content, metadata) AS bytes
            FROM memories_message WHERE tenant_id = %(tenant)s
            UNION ALL
            SELECT language, -messages, words, bytes FROM memories_termchange WHERE tenant_id = %(tenant)s) AS each
        GROUP BY language
    ), wrong AS MATERIALIZED (
        SELECT language, coalesce(counted.messages, 0) AS messages, coalesce(counted.words, 0) AS words,
               coalesce(counted.bytes, 0) AS bytes
        FROM counted FULL JOIN
            (SELECT language, messages, words, bytes FROM memories_corpus WHERE tenant_id = %(tenant)s) AS known
        USING (language)
        WHERE (coalesce(counted.messages, 0), coalesce(counted.words, 0), coalesce(counted.bytes, 0))
           <> (coalesce(known.messages, 0), coalesce(known.words, 0), coalesce(known.bytes, 0)))
"""
_CHECKED = " SELECT count(*) FROM wrong"
_TERMS_REPAIRED = """,
    gone AS (
        DELETE FROM memories_termstatistic
        WHERE tenant_id = %(tenant)s AND term IN (SELECT term FROM wrong WHERE messages = 0)
    ), put AS (
        INSERT INTO memories_termstatistic (tenant_id, term, messages)
        SELECT %(tenant)s, term, messages FROM wrong WHERE messages <> 0
        ON CONFLICT (tenant_id, term) DO UPDATE SET messages = excluded.messages)
    SELECT count(*) FROM wrong
"""
_CORPORA_REPAIRED = """,
    gone AS (
        DELETE FROM memories_corpus
        WHERE tenant_id = %(tenant)s AND language IN (SELECT language FROM wrong WHERE messages = 0)
    ), put AS (
        INSERT INTO memories_corpus (tenant_id, language, messages, words, bytes)
        SELECT %(tenant)s, language, messages, words, bytes FROM wrong WHERE messages <> 0
        ON CONFLICT (tenant_id, language)
        DO UPDATE SET messages = excluded.messages, words = excluded.words, bytes = excluded.bytes)
    SELECT count(*) FROM wrong
"""


def check(tenant: Tenant) -> Recount:
    """Compare. Reads all messages of the tenant: some seconds for a million."""
    return Recount(
        terms=_count(tenant, _TERMS + _CHECKED),
        corpora=_count(tenant, _CORPORA + _CHECKED),
    )


def repair(tenant: Tenant) -> Recount:
    """Compare, and put the statistics right in the same statement; how many were wrong. A tenant that is gone has none.

    Its row is locked as folding does it, so that its deletion waits.
    """
    with lexicon.unfolded():
        if Tenant.objects.select_for_update(no_key=True).filter(id=tenant.id).first() is None:
            return Recount(terms=0, corpora=0)
        return Recount(
            terms=_count(tenant, _TERMS + _TERMS_REPAIRED),
            corpora=_count(tenant, _CORPORA + _CORPORA_REPAIRED),
        )


def _count(tenant: Tenant, sql: str) -> int:
    with connection.cursor() as cursor:
        cursor.execute(sql, {"tenant": tenant.id})
        return int(cursor.fetchone()[0])
