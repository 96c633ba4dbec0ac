"""Term statistics: what BM25 weighs words by. `memories.lexicon` keeps them."""

from django.contrib.postgres.fields import ArrayField
from django.db import models

from tenants.models import Tenant


class Corpus(models.Model):
    """What a tenant's messages in one index language are together, for BM25 and quotas; `memories.lexicon` keeps it.

    There is one language, the tenant's, but while messages are being indexed anew: so the rows tell what is left to do.
    `bytes` are those of text and metadata, for quotas.
    """

    pk = models.CompositePrimaryKey("tenant_id", "language")
    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE, db_index=False)
    language = models.TextField()
    messages = models.BigIntegerField()
    words = models.BigIntegerField()
    bytes = models.BigIntegerField(db_default=0)

    def __str__(self) -> str:
        return f"{self.messages} messages in {self.language}"


class TermStatistic(models.Model):
    """How many messages of a tenant hold a term (an index word); `memories.lexicon` keeps it."""

    pk = models.CompositePrimaryKey("tenant_id", "term")
    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE, db_index=False)
    term = models.TextField()
    messages = models.BigIntegerField()

    def __str__(self) -> str:
        return f"{self.messages} messages with {self.term}"


class TermChange(models.Model):
    """A message that came (+1) or went (-1) and is not counted yet: written by a trigger, in its transaction."""

    id = models.BigAutoField(primary_key=True)
    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE, db_index=False, db_constraint=False)
    messages = models.SmallIntegerField()
    words = models.IntegerField()
    bytes = models.IntegerField(db_default=0)
    language = models.TextField()
    terms = ArrayField(models.TextField())

    class Meta:
        # For quotas, which ask at every write what of a tenant is not counted yet.
        indexes = [models.Index(fields=["tenant"], name="termchange_tenant")]

    def __str__(self) -> str:
        return f"{self.messages:+d} message with {len(self.terms)} terms"
