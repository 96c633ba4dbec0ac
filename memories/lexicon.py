"""Term statistics of a tenant: how many messages hold a word. BM25 weighs words by them.

Triggers on the messages' table (migration 0006) write one `TermChange` for every message that comes, goes or is indexed
anew, in its own transaction, whoever writes: the API, a cascade, a restore. `fold` adds the changes up. So the
statistics are exact but for the changes that wait, some seconds' worth; until then a new word counts as rare.

Invariants:
- A message's +1 has a smaller id than its -1, and was visible before; changes are folded in the order of ids by one
  folder at a time. So no count is ever negative, and a term whose count is 0 can go: nothing of an erased text stays.
- Changes of tenants that are gone are dropped. The tenants' rows are locked first, as `Tenant.delete` does.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from django.db import connection, transaction
from django.db.models import Max

from memories import statements
from memories.models import TermChange
from tenants.models import Tenant

CHUNK = 2000
# Any number, the same in every process: PostgreSQL's advisory lock of whoever folds.
_FOLDER_LOCK = 7_305_804_401

_FOLD = """
    WITH taken AS (
        DELETE FROM memories_termchange WHERE id IN (
            SELECT id FROM memories_termchange ORDER BY id LIMIT %(chunk)s)
        RETURNING tenant_id, messages, words, bytes, language, terms
    ), live AS MATERIALIZED (
        SELECT taken.* FROM taken JOIN tenants_tenant t ON t.id = taken.tenant_id FOR KEY SHARE OF t
    ), corpora AS (
        INSERT INTO memories_corpus AS known (tenant_id, language, messages, words, bytes)
        SELECT tenant_id, language, sum(messages), sum(messages * words), sum(messages * bytes) FROM live
        GROUP BY tenant_id, language ORDER BY tenant_id, language
        ON CONFLICT (tenant_id, language) DO UPDATE
        SET messages = known.messages + excluded.messages, words = known.words + excluded.words,
            bytes = known.bytes + excluded.bytes
        RETURNING tenant_id, messages
    ), counted AS (
        INSERT INTO memories_termstatistic AS known (tenant_id, term, messages)
        SELECT tenant_id, term, sum(messages) FROM live CROSS JOIN unnest(terms) AS term
        WHERE term <> '~t' || tenant_id GROUP BY tenant_id, term HAVING sum(messages) <> 0 ORDER BY tenant_id, term
        ON CONFLICT (tenant_id, term) DO UPDATE SET messages = known.messages + excluded.messages
        RETURNING tenant_id, term, messages)
    SELECT (SELECT count(*) FROM taken),
           (SELECT array_agg(tenant_id) FROM counted WHERE messages = 0),
           (SELECT array_agg(term) FROM counted WHERE messages = 0),
           (SELECT array_agg(tenant_id) FROM corpora WHERE messages = 0)
"""
_READ = """
    WITH corpus AS MATERIALIZED (
        SELECT language, messages, words FROM memories_corpus WHERE tenant_id = %(tenant)s::bigint
    ), spoken AS MATERIALIZED (
        SELECT n.name FROM unnest(%(names)s::text[]) AS n(name) WHERE EXISTS (
            SELECT FROM memories_messageforsearch m
            WHERE m.tenant_id = %(tenant)s::bigint AND lower(split_part(m.name, ' ', 1)) = n.name AND m.name <> '')
    ), configuration AS MATERIALIZED (
        SELECT language AS name FROM tenants_tenant WHERE id = %(tenant)s::bigint UNION SELECT language FROM corpus
    ), lexeme AS MATERIALIZED (
        SELECT DISTINCT word.term, word.term = ANY(
            tsvector_to_array(to_tsvector(c.name::regconfig,
                                          coalesce((SELECT string_agg(name, ' ') FROM spoken), '')))) AS is_name
        FROM configuration c
        CROSS JOIN LATERAL unnest(tsvector_to_array(to_tsvector(c.name::regconfig, %(text)s::text))) AS word(term)
    )
    SELECT ARRAY(SELECT term FROM lexeme ORDER BY term),
           ARRAY(SELECT coalesce((SELECT s.messages FROM memories_termstatistic s
                                  WHERE s.tenant_id = %(tenant)s::bigint AND s.term = lexeme.term), 0)
                 FROM lexeme ORDER BY term),
           ARRAY(SELECT is_name FROM lexeme ORDER BY term),
           ARRAY(SELECT name FROM spoken),
           (SELECT sum(messages)::bigint FROM corpus), (SELECT sum(words)::bigint FROM corpus),
           ARRAY(SELECT name FROM configuration ORDER BY name),
           (SELECT min(space_id) FROM memories_centroid WHERE tenant_id = %(tenant)s::bigint) IS NOT NULL
"""
# The last one is no EXISTS: hoping to meet a row soon, the planner reads all tenants' centroids for one that has none.
# A statement cannot delete what it has just updated; and an index on the counts would make every update of one dearer.
_FORGET = """
    DELETE FROM memories_termstatistic WHERE (tenant_id, term) IN (
        SELECT * FROM unnest(%s::bigint[], %s::text[])) AND messages = 0
"""
_FORGET_CORPORA = "DELETE FROM memories_corpus WHERE tenant_id = ANY(%s) AND messages = 0"


@dataclass(frozen=True, kw_only=True)
class Term:
    """An index word of the query, and how many of the tenant's messages hold it."""

    lexeme: str
    messages: int


@dataclass(frozen=True, kw_only=True)
class Words:
    """What of a query the database can look for: index words and the speakers it names; and what it looks in.

    `languages`: whose rules made the terms.
    """

    terms: tuple[Term, ...]
    speakers: frozenset[str]
    messages: int
    mean_words: float
    has_codebook: bool  # False: the tenant's vectors are searched exactly
    languages: tuple[str, ...] = ()

    @property
    def speaker(self) -> str | None:
        """The one person that the query names; None for nobody or several."""
        return next(iter(self.speakers)) if len(self.speakers) == 1 else None


NO_WORDS = Words(terms=(), speakers=frozenset(), messages=0, mean_words=1.0, has_codebook=False)


def read_query(tenant: Tenant, *, text: str, names: Sequence[str]) -> Words:
    """The terms of the text without those of `names` by which anybody of the tenant has spoken; one round trip.

    While a tenant is being indexed anew, the words of all languages that its messages have are looked for. The tenant's
    own is read here: a process may remember one that has just changed.
    """
    [(lexemes, counts, are_names, speakers, messages, total, languages, has_codebook)] = statements.rows_of(
        tenant.id, _READ, {"tenant": tenant.id, "names": statements.array(names), "text": text}
    )
    terms = [Term(lexeme=lexeme, messages=count) for lexeme, count in zip(lexemes, counts, strict=True)]
    telling = [term for term, is_name in zip(terms, are_names, strict=True) if not is_name]
    return Words(
        terms=tuple(telling or terms),
        speakers=frozenset(speakers),
        messages=messages or 0,
        mean_words=max(1.0, (total or 0) / (messages or 1)),
        languages=tuple(languages),
        has_codebook=has_codebook,
    )


@contextmanager
def unfolded() -> Iterator[None]:
    """A transaction in which nobody folds: waits for whoever does."""
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_FOLDER_LOCK])
        yield


def fold(*, chunk: int = CHUNK) -> int:
    """Count one chunk of changes; how many there were. 0 also while somebody else is at it."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [_FOLDER_LOCK])
        if not cursor.fetchone()[0]:
            return 0
        return _fold(chunk)


def fold_up_to_now() -> None:
    """Count what waits at this moment, after whoever else is at it: what is stored meanwhile is not waited for."""
    last = TermChange.objects.aggregate(last=Max("id"))["last"]
    while last is not None and TermChange.objects.filter(id__lte=last).exists():
        with unfolded():
            _fold(CHUNK)


def _fold(chunk: int) -> int:
    with connection.cursor() as cursor:
        cursor.execute(_FOLD, {"chunk": chunk})
        taken, tenants, terms, corpora = cursor.fetchone()
        if terms:
            cursor.execute(_FORGET, [tenants, terms])
        if corpora:
            cursor.execute(_FORGET_CORPORA, [corpora])
    return int(taken)


def fold_all() -> int:
    """Count all changes that wait; how many there were."""
    total = 0
    while taken := fold():
        total += taken
    return total
