"""What is let go, by which rule, under whose hold, and what became of it.

Like all tables of tenants, their primary keys start with tenant_id; the migration sees to it.
"""

from django.core.exceptions import ValidationError
from django.core.serializers.json import DjangoJSONEncoder
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django_celery_beat.models import CrontabSchedule, IntervalSchedule
from uuid_utils.compat import uuid7

from memories.models import Role
from tenants.identifiers import validate_identifier, validate_prefix
from tenants.models import Tenant

_DAYS = [MinValueValidator(0.0), MaxValueValidator(36500.0)]
RULES = ("older_than_days", "importance_below", "not_recalled_for_days", "keep_newest")


class Action(models.TextChoices):
    """What a policy does with the messages that it governs."""

    KEEP = "keep"
    ARCHIVE = "archive"
    DELETE = "delete"


class RetentionPolicy(models.Model):
    """A rule on a tenant's messages. The first enabled one that fits a message, by priority and then id, governs it.

    It fits if the message is in its scope and meets all of its rules. An empty scope is everything.
    """

    id = models.BigAutoField(primary_key=True)
    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE, db_index=False)
    name = models.TextField(
        validators=[validate_identifier], help_text="Stands in the reason of everything that it does."
    )
    enabled = models.BooleanField(default=True)
    priority = models.IntegerField(default=100, help_text="The lowest is asked first.")

    conversation_prefix = models.TextField(
        blank=True, default="", validators=[validate_prefix], help_text="Of the conversation_id."
    )
    role = models.TextField(blank=True, default="", choices=Role.choices)
    user_id = models.TextField(blank=True, default="", validators=[validate_identifier])
    agent_id = models.TextField(blank=True, default="", validators=[validate_identifier])
    metadata = models.JSONField(
        default=dict, blank=True, help_text="Keys and values that the message's metadata must contain."
    )

    older_than_days = models.FloatField(
        null=True, blank=True, validators=_DAYS, help_text="Since it was said (created_at)."
    )
    importance_below = models.FloatField(
        null=True, blank=True, validators=[MinValueValidator(0.0), MaxValueValidator(1.0)]
    )
    not_recalled_for_days = models.FloatField(
        null=True,
        blank=True,
        validators=_DAYS,
        help_text="Since it was last in an answer; since it was stored if it never was.",
    )
    keep_newest = models.PositiveIntegerField(
        null=True,
        blank=True,
        validators=[MinValueValidator(1)],
        help_text="Of each conversation: only older messages than so many fit.",
    )

    action = models.TextField(choices=Action.choices, default=Action.ARCHIVE)
    delete_archived_after_days = models.FloatField(
        null=True,
        blank=True,
        validators=_DAYS,
        help_text="Archived messages in scope are deleted after so long in the archive. Empty: never.",
    )

    interval = models.ForeignKey(
        IntervalSchedule, null=True, blank=True, on_delete=models.PROTECT, db_index=False, related_name="+"
    )
    crontab = models.ForeignKey(
        CrontabSchedule, null=True, blank=True, on_delete=models.PROTECT, db_index=False, related_name="+"
    )
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    updated_at = models.DateTimeField(auto_now=True)
    previewed_at = models.DateTimeField(
        null=True, editable=False, help_text="When somebody first saw what it would do."
    )

    class Meta:
        verbose_name_plural = "retention policies"
        ordering = ["tenant_id", "priority", "id"]
        constraints = [
            models.UniqueConstraint(fields=["tenant", "name"], name="policy_name"),
            models.CheckConstraint(condition=Q(action__in=Action.values), name="policy_action"),
            models.CheckConstraint(condition=Q(role__in=["", *Role.values]), name="policy_role"),
            models.CheckConstraint(
                condition=Q(interval__isnull=True) | Q(crontab__isnull=True), name="policy_one_schedule"
            ),
            models.CheckConstraint(
                name="policy_has_a_rule",
                condition=Q(action=Action.KEEP)
                | Q(older_than_days__isnull=False)
                | Q(importance_below__isnull=False)
                | Q(not_recalled_for_days__isnull=False)
                | Q(keep_newest__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        """Says in words what the constraints refuse."""
        if not isinstance(self.metadata, dict):
            raise ValidationError({"metadata": 'Must be an object, such as {"channel": "web"}.'})
        if self.action != Action.KEEP and all(getattr(self, rule) is None for rule in RULES):
            message = f"A policy that archives or deletes needs a rule: {', '.join(RULES)}."
            raise ValidationError({"action": message})
        if self.interval_id and self.crontab_id:
            raise ValidationError({"crontab": "Give an interval or a crontab, not both."})


class RetentionSlot(models.Model):
    """When a policy is due next. Whoever starts its run moves it on, by compare and set: each slot is taken once.

    Policy 0 is what the installation does for every tenant: its default policy where there are none, and the purge.
    """

    pk = models.CompositePrimaryKey("tenant_id", "policy_id")
    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE, db_index=False)
    policy_id = models.BigIntegerField()
    schedule = models.TextField(help_text="What `next_at` follows. Another one begins anew.")
    next_at = models.DateTimeField(null=True, help_text="Empty: never.")

    def __str__(self) -> str:
        return f"{self.schedule}: {self.next_at}"


class HoldKind(models.TextChoices):
    """What a legal hold holds."""

    TENANT = "tenant"
    USER = "user"
    CONVERSATION = "conversation"


class LegalHold(models.Model):
    """Nothing that it holds is archived, written over, deleted, purged or erased. Released, not removed."""

    id = models.BigAutoField(primary_key=True)
    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE, db_index=False)
    kind = models.TextField(choices=HoldKind.choices)
    subject = models.TextField(
        blank=True, default="", help_text="The user_id or conversation_id; empty for the whole tenant."
    )
    reason = models.TextField(help_text="Such as the matter's number. No personal data.")
    placed_by = models.TextField(editable=False)
    placed_at = models.DateTimeField(db_default=Now(), editable=False)
    released_by = models.TextField(blank=True, default="", editable=False)
    released_at = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        ordering = ["-placed_at"]
        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "kind", "subject"], name="hold_once", condition=Q(released_at=None)
            ),
            models.CheckConstraint(condition=Q(kind__in=HoldKind.values), name="hold_kind"),
            models.CheckConstraint(
                condition=Q(kind=HoldKind.TENANT, subject="") | (~Q(kind=HoldKind.TENANT) & ~Q(subject="")),
                name="hold_subject",
            ),
        ]

    def __str__(self) -> str:
        return f"hold on {self.kind} {self.subject}".rstrip()

    def clean(self) -> None:
        """A tenant's hold names nobody, the others somebody."""
        if (self.kind == HoldKind.TENANT) != (self.subject == ""):
            raise ValidationError(
                {"subject": "Name the user or conversation; leave it empty for the tenant."}
            )


class RunStatus(models.TextChoices):
    """How far a run has come."""

    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


class RetentionRun(models.Model):
    """One enforcement of a tenant's policies, or one restore of what others did.

    Written before its first row moves and brought up to date in every chunk's transaction, so that it can go on after
    a crash: with the same policies (`policies`, as they were) and the same clock (`decided_at`).
    """

    class Kind(models.TextChoices):
        """Which way the rows go."""

        ENFORCE = "enforce"
        RESTORE = "restore"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE, db_index=False)
    kind = models.TextField(choices=Kind.choices, default=Kind.ENFORCE)
    status = models.TextField(choices=RunStatus.choices, default=RunStatus.RUNNING)
    trigger = models.TextField(help_text="api, admin, command or schedule.")
    started_by = models.TextField(help_text="The key's prefix, the admin's name, or the policy.")
    restores = models.UUIDField(null=True, blank=True, help_text="The run that this one undoes.")
    restored_by = models.UUIDField(null=True, blank=True, help_text="The run that has undone this one.")
    policies = models.JSONField(default=list, encoder=DjangoJSONEncoder)
    decided_at = models.DateTimeField(help_text="The moment from which ages count.")
    planned = models.BigIntegerField(null=True, help_text="Rows to move. Empty: not planned yet.")
    archived = models.BigIntegerField(default=0)
    deleted = models.BigIntegerField(default=0)
    purged = models.BigIntegerField(default=0)
    restored = models.BigIntegerField(default=0)
    kept = models.BigIntegerField(default=0)
    skipped = models.BigIntegerField(default=0, help_text="Planned, and changed or gone before their turn.")
    reasons = models.JSONField(default=list, help_text="Counts by action, policy and reason.")
    started_at = models.DateTimeField(db_default=Now())
    finished_at = models.DateTimeField(null=True, blank=True)
    error = models.TextField(blank=True, default="")
    # Whoever works on it holds it until then; a dead worker's runs are taken over.
    lease_token = models.UUIDField(null=True, editable=False)
    lease_until = models.DateTimeField(null=True, editable=False)
    attempts = models.PositiveSmallIntegerField(
        default=0, editable=False, help_text="Times it was taken up since its last chunk."
    )

    class Meta:
        ordering = ["-started_at"]
        indexes = [models.Index(fields=["tenant", "-started_at"], name="run_started")]
        constraints = [
            models.UniqueConstraint(
                fields=["tenant"], name="run_one_at_a_time", condition=Q(status=RunStatus.RUNNING)
            ),
            models.CheckConstraint(condition=Q(status__in=RunStatus.values), name="run_status"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.id}"


class PlannedMove(models.Model):
    """A row that a run is going to move: its whole plan is written before the first one moves, and used up."""

    pk = models.CompositePrimaryKey("tenant_id", "run_id", "message_id")
    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE, db_index=False, db_constraint=False)
    run_id = models.UUIDField()
    message_id = models.UUIDField()
    policy = models.SmallIntegerField(help_text="Its place in the run's policies.")
    step = models.SmallIntegerField(help_text="What is done with it: `selection.Step`.")
    newer = models.BigIntegerField(
        null=True, help_text="Messages of its conversation that were newer at the plan, where a policy asks."
    )

    def __str__(self) -> str:
        return f"step {self.step} of {self.message_id}"


class ErasureReceipt(models.Model):
    """That somebody was erased, without saying who or what: counts, times and hashes. It outlives its tenant."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    tenant_id = models.BigIntegerField()
    kind = models.TextField(help_text="user, conversation or tenant.")
    subject_digest = models.TextField(help_text="SHA-256 of tenant, kind and subject, in hex.")
    counts = models.JSONField(help_text="Rows removed, by table.")
    digest = models.TextField(help_text="SHA-256 over the ids of the erased messages, sorted, in hex.")
    requested_by = models.TextField()
    started_at = models.DateTimeField()
    finished_at = models.DateTimeField()
    verified = models.BooleanField(help_text="Looked for again everywhere, and nothing was found.")

    class Meta:
        ordering = ["-finished_at"]
        indexes = [models.Index(fields=["tenant_id", "-finished_at"], name="receipt_finished")]

    def __str__(self) -> str:
        return f"receipt {self.id}"
