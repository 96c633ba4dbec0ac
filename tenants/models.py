"""Tenants and their API keys."""

from datetime import datetime

from django.contrib.postgres.fields import ArrayField
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from tenants.identifiers import validate_identifier

_UNIT = [MinValueValidator(0.0), MaxValueValidator(1.0)]


class Tenant(models.Model):
    """One customer of this installation: nobody sees anything across tenants."""

    name = models.TextField(
        unique=True, validators=[validate_identifier], help_text="The tenant_id that callers of the API use."
    )
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    suspended_at = models.DateTimeField(
        null=True, blank=True, help_text="Set: every read and write is refused, and nothing is lost."
    )
    similarity_weight = models.FloatField(
        null=True, blank=True, validators=_UNIT, help_text="Empty: the installation's value (60 %)."
    )
    importance_weight = models.FloatField(
        null=True, blank=True, validators=_UNIT, help_text="Empty: the installation's value (30 %)."
    )
    decay_weight = models.FloatField(
        null=True, blank=True, validators=_UNIT, help_text="Empty: the installation's value (10 %)."
    )
    half_life_days = models.FloatField(
        null=True,
        blank=True,
        validators=[MinValueValidator(0.001), MaxValueValidator(36500)],
        help_text="Days until the decay of a message has halved. Empty: the installation's value.",
    )

    embedding_budget_usd = models.DecimalField(
        null=True,
        blank=True,
        max_digits=12,
        decimal_places=2,
        validators=[MinValueValidator(0)],
        help_text="A month (UTC). Once spent, new messages wait for their embedding and are found by their words. "
        "Empty: no limit.",
    )

    class Meta:
        ordering = ["name"]
        constraints = [
            models.CheckConstraint(
                name="tenant_weights_0_to_1",
                condition=Q(similarity_weight__range=(0, 1))
                & Q(importance_weight__range=(0, 1))
                & Q(decay_weight__range=(0, 1)),
            ),
            models.CheckConstraint(
                name="tenant_weights_not_all_0",
                condition=~Q(similarity_weight=0, importance_weight=0, decay_weight=0),
            ),
            models.CheckConstraint(name="tenant_half_life_positive", condition=Q(half_life_days__gt=0)),
        ]

    def __str__(self) -> str:
        return self.name


class Scope(models.TextChoices):
    """What a key may do."""

    READ = "read"
    WRITE = "write"
    ADMIN = "admin"


class ApiKeyQuerySet(models.QuerySet["ApiKey"]):
    """Steps that read aloud."""

    def usable(self, now: datetime) -> "ApiKeyQuerySet":
        """Neither revoked nor expired at `now`."""
        return self.filter(revoked_at=None).filter(Q(expires_at=None) | Q(expires_at__gt=now))


class ApiKey(models.Model):
    """A key of one tenant, or of the operator (no tenant: all of them). The secret itself is not kept."""

    tenant = models.ForeignKey(
        Tenant,
        null=True,
        blank=True,
        on_delete=models.CASCADE,
        help_text="Empty: an operator's key for all tenants.",
    )
    name = models.TextField(blank=True, default="", help_text="Whose key this is.")
    prefix = models.TextField(unique=True, editable=False)
    digest = models.BinaryField(editable=False, max_length=32)
    scopes = ArrayField(models.TextField(choices=Scope.choices), default=list)
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    expires_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, editable=False, help_text="Written at most once a minute.")

    objects = ApiKeyQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at"]
        verbose_name = "API key"

    def __str__(self) -> str:
        return f"mlk_{self.prefix}_…"
