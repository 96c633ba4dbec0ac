"""Runs, previews and restores: what comes in and what goes out."""

from typing import Any

from rest_framework import serializers

from memories.fields import IdentifierField, StrictBooleanField
from memories.serializers import StrictSerializer
from retention.models import RetentionRun
from tenants import cursors

MESSAGES_AT_ONCE = 1000


class PolicyIds(serializers.ListField):
    """Ids of policies; 0 is the installation's default."""

    child = serializers.IntegerField(min_value=0, max_value=cursors.ID_MAX)

    def __init__(self, **options: Any) -> None:
        super().__init__(required=False, allow_empty=False, max_length=1000, **options)


class RunIn(StrictSerializer):
    """What to enforce."""

    tenant_id = IdentifierField(required=False, help_text="An operator who leaves it out means all tenants.")
    policy_ids = PolicyIds(help_text="Only these policies act; the others still stand before them.")
    dry_run = StrictBooleanField(
        default=False, help_text="Answers with a preview's counts and changes nothing."
    )


class PreviewIn(StrictSerializer):
    """What to look at."""

    tenant_id = IdentifierField(required=False)
    policy_ids = PolicyIds()
    at = serializers.DateTimeField(required=False, help_text="The clock that decides. Left out: now.")


class VerdictIn(StrictSerializer):
    """One message."""

    tenant_id = IdentifierField(required=False)
    message_id = serializers.UUIDField()
    at = serializers.DateTimeField(required=False, help_text="The clock that decides. Left out: now.")


class RunsIn(StrictSerializer):
    """A page of runs."""

    tenant_id = IdentifierField(required=False)
    limit = serializers.IntegerField(min_value=1, max_value=100, default=50)
    cursor = serializers.CharField(required=False)


class RestoreIn(StrictSerializer):
    """What to bring back: a conversation or messages."""

    tenant_id = IdentifierField(required=False)
    conversation_id = IdentifierField(required=False)
    message_ids = serializers.ListField(
        child=serializers.UUIDField(), required=False, allow_empty=False, max_length=MESSAGES_AT_ONCE
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Exactly one of both."""
        if ("conversation_id" in attrs) == ("message_ids" in attrs):
            raise serializers.ValidationError("Give either conversation_id or message_ids.")
        return attrs


class ReasonOut(serializers.Serializer[Any]):
    """Rows with which the same was done for the same reason."""

    action = serializers.CharField(
        help_text="archive, delete, delete_archived, purge, restore, undelete or keep."
    )
    policy = serializers.CharField(allow_blank=True, help_text="Empty: none, as for a purge.")
    reason = serializers.CharField()
    rows = serializers.IntegerField()


class RunOut(serializers.ModelSerializer[RetentionRun]):
    """One run."""

    run_id = serializers.UUIDField(source="id")
    tenant_id = serializers.CharField(source="tenant.name")
    reasons = ReasonOut(many=True)

    class Meta:
        model = RetentionRun
        fields = [
            "run_id",
            "tenant_id",
            "kind",
            "status",
            "trigger",
            "started_by",
            "planned",
            "archived",
            "deleted",
            "purged",
            "restored",
            "kept",
            "skipped",
            "reasons",
            "decided_at",
            "started_at",
            "finished_at",
            "error",
            "restores",
            "restored_by",
        ]


class RunsOut(serializers.Serializer[Any]):
    """A page of runs, the newest first."""

    runs = RunOut(many=True)
    next = serializers.CharField(allow_null=True)


class EnforcedOut(serializers.Serializer[Any]):
    """The sums over all tenants asked for; `run_id` where it was one. A dry run has no runs."""

    dry_run = serializers.BooleanField()
    run_id = serializers.UUIDField(allow_null=True)
    status = serializers.CharField(help_text="done; running: it goes on in the background.")
    archived = serializers.IntegerField()
    deleted = serializers.IntegerField()
    purged = serializers.IntegerField()
    kept = serializers.IntegerField()
    runs = RunOut(many=True)
    busy = serializers.ListField(
        child=serializers.CharField(), help_text="Tenants left out: another run of theirs is under way."
    )


class ExampleOut(serializers.Serializer[Any]):
    """One row of a group."""

    id = serializers.UUIDField()
    conversation_id = serializers.CharField()
    created_at = serializers.DateTimeField()
    importance = serializers.FloatField()
    excerpt = serializers.CharField()


class GroupOut(ReasonOut):
    """Rows with which the same would be done for the same reason."""

    policy_id = serializers.IntegerField(allow_null=True, help_text="Null: the default policy, or none.")
    oldest = serializers.DateTimeField()
    newest = serializers.DateTimeField()
    bytes = serializers.IntegerField(help_text="Of texts, metadata and index documents, as stored.")
    examples = ExampleOut(many=True)


class PreviewOut(serializers.Serializer[Any]):
    """What a run would count."""

    decided_at = serializers.DateTimeField()
    archived = serializers.IntegerField()
    deleted = serializers.IntegerField()
    purged = serializers.IntegerField()
    kept = serializers.IntegerField()
    groups = GroupOut(many=True)


class VerdictOut(serializers.Serializer[Any]):
    """What retention would do with a message."""

    action = serializers.CharField(help_text="keep, archive or delete.")
    reason = serializers.CharField()
    policy = serializers.CharField(source="policy.name", default=None, allow_null=True)
    policy_id = serializers.IntegerField(source="policy.id", default=None, allow_null=True)
