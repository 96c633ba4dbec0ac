"""Tenants and their API keys."""

from datetime import datetime
from functools import cached_property
from typing import Any

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models, transaction
from django.db.models import Q
from django.db.models.functions import Now

from tenants import addresses, remembered
from tenants.audit_event import AuditEvent as AuditEvent  # where Django looks for models
from tenants.cell_rate import PER_MINUTE_MAX
from tenants.idempotency_records import IdempotencyRecord as IdempotencyRecord
from tenants.identifiers import validate_identifier
from tenants.languages import ENGLISH, LANGUAGES
from tenants.support import SupportTenant as SupportTenant

WEIGHTS = ("similarity", "importance", "decay")
NETWORKS_MAX = 100
# Of a tenant; a key has the first two as well, besides its tenant's.
KEY_LIMITS = ("reads_per_minute", "writes_per_minute")
LIMITS = (*KEY_LIMITS, "burst_seconds", "message_quota", "byte_quota")
_UNIT = [MinValueValidator(0.0), MaxValueValidator(1.0)]
BURST_SECONDS_MAX = 24 * 60 * 60
QUOTA_MAX = 10**15


class SearchMode(models.TextChoices):
    """What a search goes by."""

    HYBRID = "hybrid"
    VECTOR = "vector"
    TEXT = "text"


class Remembered(models.Model):
    """Rows that processes remember for some seconds (`tenants.remembered`); a bulk update() goes past these hooks."""

    class Meta:
        abstract = True

    def save(self, *args: Any, **options: Any) -> None:
        """Store it; this process forgets how it was."""
        super().save(*args, **options)
        _forget()

    def delete(self, *args: Any, **options: Any) -> tuple[int, dict[str, int]]:
        """Remove it; this process forgets it."""
        removed = super().delete(*args, **options)
        _forget()
        return removed


def _forget() -> None:
    """Now for this transaction's own eyes, and again once others can see the change."""
    remembered.forget()
    transaction.on_commit(remembered.forget)


def _limit(most: int, help_text: str, *, least: int = 0) -> "models.BigIntegerField[int | None, int | None]":
    """A whole number that may be left empty."""
    return models.BigIntegerField(
        null=True,
        blank=True,
        validators=[MinValueValidator(least), MaxValueValidator(most)],
        help_text=help_text,
    )


class Tenant(Remembered):
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

    search_mode = models.TextField(
        blank=True,
        default="",
        choices=SearchMode.choices,
        help_text="For searches that name none. Empty: hybrid.",
    )
    language = models.TextField(
        default=ENGLISH,
        choices=[(name, name) for name in LANGUAGES],
        help_text="Whose rules cut texts into index words (simple: any language, no stems). A change indexes all "
        "messages anew in the background.",
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
    reads_per_minute = _limit(PER_MINUTE_MAX, "0: no limit. Empty: the installation's.")
    writes_per_minute = _limit(
        PER_MINUTE_MAX, "A batch counts its messages. 0: no limit. Empty: the installation's."
    )
    burst_seconds = _limit(
        BURST_SECONDS_MAX,
        "What grows back in so many seconds may be used at once. Empty: the installation's value.",
        least=1,
    )
    message_quota = _limit(
        QUOTA_MAX,
        "How many messages may be stored, archived ones not counted. 0: any. Empty: the installation's.",
    )
    byte_quota = _limit(
        QUOTA_MAX, "How many bytes of text and metadata they may have. 0: any. Empty: the installation's."
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
            models.CheckConstraint(
                name="tenant_half_life", condition=Q(half_life_days__range=(0.001, 36500))
            ),
            models.CheckConstraint(
                name="tenant_search_mode", condition=Q(search_mode__in=["", *SearchMode.values])
            ),
            models.CheckConstraint(name="tenant_language", condition=Q(language__in=LANGUAGES)),
            models.CheckConstraint(
                name="tenant_limits",
                condition=Q(reads_per_minute__range=(0, PER_MINUTE_MAX))
                & Q(writes_per_minute__range=(0, PER_MINUTE_MAX))
                & Q(burst_seconds__range=(1, BURST_SECONDS_MAX))
                & Q(message_quota__range=(0, QUOTA_MAX))
                & Q(byte_quota__range=(0, QUOTA_MAX)),
            ),
        ]

    def __str__(self) -> str:
        return self.name

    def effective_weights(self) -> dict[str, float]:
        """Of similarity, importance and decay: its own, or the installation's where it has none."""
        env, own = settings.ENV, {name: getattr(self, f"{name}_weight") for name in WEIGHTS}
        return {
            name: getattr(env, f"weight_{name}") if weight is None else weight for name, weight in own.items()
        }

    def clean(self) -> None:
        """Refuses weights that, with the installation's, leave nothing to rank by."""
        if not any(self.effective_weights().values()):
            message = "The weights must not all be 0; empty ones are the installation's."
            raise ValidationError({f"{name}_weight": message for name in WEIGHTS})

    def delete(self, *args: Any, **kwargs: Any) -> tuple[int, dict[str, int]]:
        """With everything that belongs to it. Its row is locked first, as by background work: no deadlock."""
        with transaction.atomic():
            Tenant.objects.select_for_update().filter(pk=self.pk).first()
            return super().delete(*args, **kwargs)


class Scope(models.TextChoices):
    """What a key may do."""

    READ = "read"
    WRITE = "write"
    ADMIN = "admin"


class KeyState(models.TextChoices):
    """Whether a key can be used."""

    ACTIVE = "active"
    REVOKED = "revoked"
    EXPIRED = "expired"


def validate_network(text: str) -> None:
    """ValidationError for what is neither an address nor a network."""
    try:
        addresses.network(text)
    except ValueError as error:
        raise ValidationError(str(error), code="invalid") from error


class ApiKeyQuerySet(models.QuerySet["ApiKey"]):
    """Steps that read aloud."""

    def usable(self, now: datetime) -> "ApiKeyQuerySet":
        """Neither revoked nor expired at `now`."""
        return self.filter(revoked_at=None).filter(Q(expires_at=None) | Q(expires_at__gt=now))

    def in_state(self, state: str, now: datetime) -> "ApiKeyQuerySet":
        """Those of which `ApiKey.state` says so."""
        if state == KeyState.ACTIVE:
            return self.usable(now)
        if state == KeyState.REVOKED:
            return self.exclude(revoked_at=None)
        return self.filter(revoked_at=None, expires_at__lte=now)


class ApiKey(Remembered):
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
    allowed_networks = ArrayField(
        models.TextField(validators=[validate_network]),
        default=list,
        blank=True,
        size=NETWORKS_MAX,
        help_text="Where it may be used from: addresses and networks, IPv4 and IPv6. Empty: anywhere.",
    )
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    expires_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, editable=False, help_text="Written at most once a minute.")
    reads_per_minute = _limit(
        PER_MINUTE_MAX, "Of this key, besides the tenant's limit. Empty: none.", least=1
    )
    writes_per_minute = _limit(
        PER_MINUTE_MAX, "Of this key, besides the tenant's limit. Empty: none.", least=1
    )
    # One successor at most: of two who rotate a key at the same time, one is refused.
    replaces = models.OneToOneField(
        "self", null=True, editable=False, on_delete=models.SET_NULL, related_name="replaced_by"
    )

    objects = ApiKeyQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at"]
        verbose_name = "API key"
        constraints = [
            models.CheckConstraint(
                name="key_limits",
                condition=Q(reads_per_minute__range=(1, PER_MINUTE_MAX))
                & Q(writes_per_minute__range=(1, PER_MINUTE_MAX)),
            )
        ]

    def __str__(self) -> str:
        return f"mlk_{self.prefix}_…"

    @cached_property
    def networks(self) -> tuple[addresses.Network, ...]:
        """`allowed_networks`, ready to compare with: parsed once for as long as the row is remembered."""
        return tuple(map(addresses.network, self.allowed_networks))

    def state(self, now: datetime) -> KeyState:
        """Whether it can be used at `now`, and if not, why."""
        if self.revoked_at is not None:
            return KeyState.REVOKED
        expired = self.expires_at is not None and self.expires_at <= now
        return KeyState.EXPIRED if expired else KeyState.ACTIVE
