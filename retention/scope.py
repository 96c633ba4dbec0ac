"""Who is erased, and which rows are theirs."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection
from django.db.models import Model

from memories import suppression
from memories.legal_holds import Held, Hold
from memories.models import Subject
from retention.models import HoldKind, LegalHold

TENANT = "tenant"


@dataclass(frozen=True, kw_only=True)
class Scope:
    """A user, a conversation or a whole tenant (then `subject` is its name).

    `until`: what was said or stored up to then. A message can be dated a day ahead, hence stored; what is said after
    the erasure is not its matter. None: everything.
    """

    tenant_id: int
    kind: str
    subject: str
    until: datetime | None = None

    @property
    def digest(self) -> bytes:
        """Of the subject, as receipts and suppressions name it."""
        return suppression.digest(tenant_id=self.tenant_id, kind=self.kind, subject=self.subject)

    def where(self) -> tuple[str, list[Any]]:
        """The condition on a table that holds messages."""
        parts = ["tenant_id = %s"]
        given: list[Any] = [self.tenant_id]
        if self.kind != TENANT:
            parts.append(f"{suppression.COLUMNS[Subject(self.kind)]} = %s")
            given.append(self.subject)
        if self.until is not None:
            parts.append("(created_at <= %s OR stored_at <= %s)")
            given += [self.until, self.until]
        return " AND ".join(parts), given

    def ids(self, holders: Sequence[type[Model]], *, limit: int) -> list[UUID]:
        """Some of its messages, wherever they are: one snapshot, so that none is moved past it."""
        where, given = self.where()
        select = " UNION ALL ".join(
            f"SELECT id FROM {model._meta.db_table} WHERE {where}" for model in holders
        )
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT id FROM ({select}) AS found LIMIT %s", [*given * len(holders), limit])
            return [row[0] for row in cursor.fetchall()]

    def counts(self, holders: Sequence[type[Model]]) -> dict[str, int]:
        """Messages by table, as of now."""
        where, given = self.where()
        found = {}
        with connection.cursor() as cursor:
            for table in (model._meta.db_table for model in holders):
                cursor.execute(f"SELECT count(*) FROM {table} WHERE {where}", given)
                found[table] = int(cursor.fetchone()[0])
        return found

    def refuse_if_held(self, holders: Sequence[type[Model]]) -> None:
        """Raises Held if an active legal hold is on the tenant, on the subject, or on one of its messages."""
        active = LegalHold.objects.filter(tenant_id=self.tenant_id, released_at__isnull=True)
        if self.kind != TENANT:
            ids = self._holds(holders)
            active = active.filter(id__in=ids)
        if hold := active.order_by("placed_at").first():
            raise Held([Hold(hold.id, hold.kind, hold.placed_at)])

    def _holds(self, holders: Sequence[type[Model]]) -> list[int]:
        mine = Subject(self.kind)
        other = Subject.CONVERSATION if mine is Subject.USER else Subject.USER
        shared = " OR ".join(
            f"EXISTS (SELECT FROM {model._meta.db_table} m WHERE m.tenant_id = h.tenant_id "
            f"AND m.{suppression.COLUMNS[mine]} = %s AND m.{suppression.COLUMNS[other]} = h.subject)"
            for model in holders
        )
        with connection.cursor() as cursor:
            cursor.execute(
                f"SELECT h.id FROM retention_legalhold h WHERE h.tenant_id = %s AND h.released_at IS NULL AND ("
                f"h.kind = %s OR (h.kind = %s AND h.subject = %s) OR (h.kind = %s AND ({shared})))",
                [
                    self.tenant_id,
                    str(HoldKind.TENANT),
                    str(mine),
                    self.subject,
                    str(other),
                    *[self.subject] * len(holders),
                ],
            )
            return [row[0] for row in cursor.fetchall()]
