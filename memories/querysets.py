"""Steps on messages and jobs that read aloud; every query of a tenant's rows starts with for_tenant."""

import json
from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, cast
from uuid import UUID

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from memories import statements

if TYPE_CHECKING:
    from memories.models import EmbeddingJob, Message  # noqa: F401 - names for the type checker

PENDING, READY, FAILED = "pending", "ready", "failed"


class MessageQuerySet(models.QuerySet["Message"]):
    """Messages of one tenant."""

    def for_tenant(self, tenant_id: int) -> "MessageQuerySet":
        """Where every query starts: no index serves one that does not."""
        return self.filter(tenant_id=tenant_id)

    def whole(self, tenant_id: int, ids: Sequence[UUID | str]) -> "list[Message]":
        """These messages with their `job_state` in the active space (buried, open or none left), in no order.

        Every search ends here. The ORM takes 2 ms to write this statement and raw() half a millisecond to read it.
        """
        sql, names = _whole(self.model)
        messages = []
        for *values, job_state in statements.rows(sql, [tenant_id, list(ids)]):
            message = self.model.from_db(self.db, names, values)
            message.metadata = json.loads(cast(str, message.metadata))
            message.__dict__["job_state"] = job_state
            messages.append(message)
        return messages


class EmbeddingJobQuerySet(models.QuerySet["EmbeddingJob"]):
    """The outbox, seen from outside; claiming and finishing are in `memories.jobs`."""

    def open(self) -> "EmbeddingJobQuerySet":
        """Not buried: waiting, backing off or being worked on."""
        return self.filter(buried_at=None)

    def buried(self) -> "EmbeddingJobQuerySet":
        """Given up, with a reason in `last_error`."""
        return self.filter(buried_at__isnull=False)

    def due(self) -> "EmbeddingJobQuerySet":
        """Open, and neither backing off nor leased, by the database's clock: hosts may disagree."""
        return self.open().filter(next_attempt_at__lte=Now())

    def for_tenant(self, tenant_id: int) -> "EmbeddingJobQuerySet":
        """Of one tenant."""
        return self.filter(tenant_id=tenant_id)

    def in_place_order(self) -> "EmbeddingJobQuerySet":
        """By tenant, and there the oldest first: the order of the primary key's index."""
        return self.order_by("tenant_id", "id")

    def after(self, tenant_id: int, job_id: int) -> "EmbeddingJobQuerySet":
        """Those that come after this place. The index serves tenant_id__gte."""
        return self.filter(Q(tenant_id__gt=tenant_id) | Q(id__gt=job_id), tenant_id__gte=tenant_id)

    def at(self, places: Sequence[tuple[int, int]]) -> "EmbeddingJobQuerySet":
        """Those with these tenant and job ids."""
        return self.filter(
            tenant_id__in={tenant_id for tenant_id, _ in places}, id__in=[job_id for _, job_id in places]
        )


@cache
def _whole(model: type["Message"]) -> tuple[str, list[str]]:
    """The statement, and the attributes that its columns fill, followed by the job's state."""
    unread = {"document", "language", "stored_at", "word_count"}
    # In the model's order, by which from_db() takes the values.
    names = [field.attname for field in model._meta.concrete_fields if field.attname not in unread]
    columns = ["m.metadata::text" if name == "metadata" else f"m.{name}" for name in names]
    sql = f"""SELECT {", ".join(columns)},
                     CASE WHEN j.state IS NULL THEN '{READY}' WHEN j.state THEN '{FAILED}' ELSE '{PENDING}' END
              FROM {model._meta.db_table} m LEFT JOIN LATERAL (
                  SELECT bool_or(job.buried_at IS NOT NULL) AS state FROM memories_embeddingjob job
                  JOIN memories_embeddingspace space ON space.id = job.space_id AND space.active
                  WHERE job.tenant_id = m.tenant_id AND job.message_id = m.id) AS j ON true
              WHERE m.tenant_id = %s AND m.id = ANY(%s::uuid[])"""  # noqa: S608 - made of the model's own names
    return sql, names
