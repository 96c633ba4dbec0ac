"""What the audit trail tells of, and who can have done it."""

from django.db import models


class AuditAction(models.TextChoices):
    """What was done."""

    TENANT_CREATE = "tenant.create"
    TENANT_UPDATE = "tenant.update"
    TENANT_SUSPEND = "tenant.suspend"
    TENANT_RESUME = "tenant.resume"
    TENANT_DELETE = "tenant.delete"  # in trails of before: tenants are erased
    TENANT_ERASE = "tenant.erase"
    TENANT_EXPORT = "tenant.export"
    KEY_ISSUE = "key.issue"
    KEY_UPDATE = "key.update"
    KEY_ROTATE = "key.rotate"
    KEY_REVOKE = "key.revoke"
    KEY_DELETE = "key.delete"
    POLICY_CREATE = "policy.create"
    POLICY_UPDATE = "policy.update"
    POLICY_DELETE = "policy.delete"
    HOLD_PLACE = "hold.place"
    HOLD_RELEASE = "hold.release"
    MESSAGE_EDIT = "message.edit"
    MESSAGE_DELETE = "message.delete"
    CONVERSATION_ERASE = "conversation.erase"
    USER_ERASE = "user.erase"
    USER_EXPORT = "user.export"
    RETENTION_RUN = "retention.run"
    RETENTION_RESTORE = "retention.restore"
    CONTENT_VIEW = "content.view"
    CONTENT_READ = "content.read"
    PERSON_CREATE = "person.create"
    PERSON_UPDATE = "person.update"
    PERSON_DELETE = "person.delete"


class ActorKind(models.TextChoices):
    """Who acts in general; the name says who in particular."""

    KEY = "key"
    ADMIN = "admin"
    COMMAND = "command"
    SCHEDULE = "schedule"
