"""The audit trail: who changed or looked at what, and when. Names of fields, never what was or is in them."""

from django.core.serializers.json import DjangoJSONEncoder
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from tenants.audit_actions import ActorKind, AuditAction


class AuditEvent(models.Model):
    """One change, export or look. The database refuses to change or remove it, to the tables' owner too.

    It outlives its tenant, so `tenant_id` is a number and no foreign key; empty: of the installation. Nothing in it is
    of an end user: a user or conversation is named by the digest that its erasure receipt has.
    """

    id = models.BigAutoField(primary_key=True)
    at = models.DateTimeField(db_default=Now())
    action = models.TextField(choices=[(name, name) for name in AuditAction.values])
    tenant_id = models.BigIntegerField(null=True)
    actor_kind = models.TextField(choices=ActorKind.choices)
    actor = models.TextField(
        help_text="The key's prefix, the admin's user name, the user of the operating system, or the task."
    )
    request_id = models.TextField(blank=True, default="")
    object_kind = models.TextField(blank=True, default="")
    object_id = models.TextField(blank=True, default="")
    changes = models.JSONField(
        default=dict, encoder=DjangoJSONEncoder, help_text="Names of changed fields, and counts."
    )

    class Meta:
        ordering = ["-at", "-id"]
        # The place of a page is (at, id); each way of searching has an index that ends with it.
        indexes = [
            models.Index(fields=["-at", "-id"], name="audit_at"),
            models.Index(fields=["tenant_id", "-at", "-id"], name="audit_tenant"),
            models.Index(fields=["action", "-at", "-id"], name="audit_action"),
            models.Index(fields=["actor", "-at", "-id"], name="audit_actor"),
            models.Index(fields=["object_id", "-at", "-id"], name="audit_object"),
        ]
        constraints = [
            models.CheckConstraint(condition=Q(actor_kind__in=ActorKind.values), name="audit_actor_kind")
        ]

    def __str__(self) -> str:
        return f"{self.action} {self.object_kind} {self.object_id}".rstrip()
