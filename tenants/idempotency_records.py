"""The record of a request that was sent with an Idempotency-Key."""

from django.db import models
from django.db.models.functions import Now


class IdempotencyRecord(models.Model):
    """What was answered, written in the transaction of what was done. Kept for a day; `tenants.idempotency` uses it.

    Nothing that people said or chose is in it: digests that need the key to be compared, and an answer without text.
    """

    pk = models.CompositePrimaryKey("tenant_id", "key_digest")
    tenant = models.ForeignKey("tenants.Tenant", on_delete=models.CASCADE, db_index=False)
    key_digest = models.BinaryField(max_length=32, help_text="SHA-256 of the key.")
    request_digest = models.BinaryField(
        max_length=32,
        help_text="SHA-256 of key, method, path and body: without the key no text can be tried on it.",
    )
    status = models.PositiveSmallIntegerField()
    answer = models.JSONField(help_text="Ids, numbers and times; never text, and no id that a client chose.")
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        indexes = [models.Index(fields=["created_at"], name="idempotency_created")]

    def __str__(self) -> str:
        return f"answer {self.status} of {self.created_at.isoformat()}"
