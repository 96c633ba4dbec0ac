"""Taking the rows of an erasure out of the tables, chunk by chunk, and looking whether any is left."""

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from uuid import UUID

from django.contrib.admin.models import LogEntry
from django.db import connection, transaction
from django.db.models import Model
from django.utils import timezone

from memories import caching, recalls
from retention import mentions
from retention.models import ErasureReceipt
from retention.personal_data import Tables
from retention.scope import Scope

# Rows of a transaction: whoever edits one of these very messages waits for so long.
CHUNK = 1000
FOUND_AT_ONCE = 50 * CHUNK
# More than one where rows are moved meanwhile, or planned to be: one that is moved while it is waited for is found by
# the next round.
ROUNDS = 10


@dataclass(kw_only=True)
class Removal:
    """The rows of a scope, and what has become of them: rows by table, ids of messages (57 bytes of memory each)."""

    scope: Scope
    tables: Tables
    counts: Counter[str] = field(default_factory=Counter)
    ids: list[bytes] = field(default_factory=list)
    started_at: datetime = field(default_factory=timezone.now)

    def remove(self) -> bool:
        """Remove them all; whether nothing was found at the end. Raises legal_holds.Held."""
        for _ in range(ROUNDS):
            self._remove_messages()
            leftovers = self._remove_hanging(UUID(bytes=each) for each in self.ids)
            if not leftovers and not self.scope.ids(self.tables.holders, limit=1):
                return True
        return False

    def count(self, rows: Mapping[str, int]) -> None:
        """Note rows that went otherwise."""
        self.counts.update({table: number for table, number in rows.items() if number})

    def receipt(self, *, requested_by: str, verified: bool) -> ErasureReceipt:
        """Written in the end, whatever came of it."""
        return ErasureReceipt.objects.create(
            tenant_id=self.scope.tenant_id,
            kind=self.scope.kind,
            subject_digest=self.scope.digest.hex(),
            counts=dict(sorted(self.counts.items())),
            digest=hashlib.sha256(b"".join(sorted(self.ids))).hexdigest(),
            requested_by=requested_by,
            started_at=self.started_at,
            finished_at=timezone.now(),
            verified=verified,
        )

    def _remove_messages(self) -> None:
        """Until none is found, or those that are found are moving."""
        gone = 1
        while gone and (found := self.scope.ids(self.tables.holders, limit=FOUND_AT_ONCE)):
            gone = sum(
                self._remove_chunk(model, chunk)
                for chunk in _chunks(sorted(found))
                for model in self.tables.holders
            )

    def _remove_chunk(self, model: type[Model], chunk: Sequence[UUID]) -> int:
        """Locked in the order of ids, as everybody locks messages; what hangs on them goes in a later statement, which
        sees what a worker stored until then."""
        with transaction.atomic():
            self.scope.refuse_if_held(self.tables.holders)
            ids = _locked(model, self.scope.tenant_id, chunk)
            if not ids:
                return 0
            counts = {
                each: _delete(each, "message_id", self.scope.tenant_id, ids) for each in self.tables.hanging
            }
            counts[model] = _delete(model, "id", self.scope.tenant_id, ids)
            titles = mentions.forget_titles([model], ids)
            caching.forget_answers([self.scope.tenant_id])
        self.count({each._meta.db_table: number for each, number in counts.items()})
        self.count({LogEntry._meta.db_table: titles})
        recalls.forget(tenant_id=self.scope.tenant_id, message_ids=ids)
        self.ids += [each.bytes for each in ids]
        return len(ids)

    def _remove_hanging(self, ids: Iterable[UUID]) -> int:
        """Rows that name an erased message without a foreign key, written by whoever had read it before; how many."""
        found = 0
        for chunk in _chunks(ids):
            for model in self.tables.hanging:
                number = _delete(model, "message_id", self.scope.tenant_id, chunk)
                self.count({model._meta.db_table: number})
                found += number
        return found


def _chunks(ids: Iterable[UUID]) -> Iterator[list[UUID]]:
    rest = iter(ids)
    while chunk := list(islice(rest, CHUNK)):
        yield chunk


def _locked(model: type[Model], tenant_id: int, ids: Sequence[UUID]) -> list[UUID]:
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT id FROM {model._meta.db_table} WHERE tenant_id = %s AND id = ANY(%s::uuid[]) "
            "ORDER BY id FOR UPDATE",
            [tenant_id, list(ids)],
        )
        return [row[0] for row in cursor.fetchall()]


def _delete(model: type[Model], column: str, tenant_id: int, ids: Sequence[UUID]) -> int:
    with connection.cursor() as cursor:
        cursor.execute(
            f"DELETE FROM {model._meta.db_table} WHERE tenant_id = %s AND {column} = ANY(%s::uuid[])",
            [tenant_id, list(ids)],
        )
        return int(cursor.rowcount)
