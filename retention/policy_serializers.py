"""Policies: what comes in and what goes out."""

from typing import Any

from django.utils import timezone
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from memories.fields import (
    ChoiceField,
    IdentifierField,
    ImportanceField,
    MetadataField,
    NumberField,
    OptionalTextField,
    StrictBooleanField,
)
from memories.models import Role
from memories.serializers import StrictSerializer
from retention import cron
from retention.effective import as_policy
from retention.models import Action, RetentionPolicy
from retention.schedule import next_of
from tenants.identifiers import MAX_LENGTH, validate_prefix

DAYS_MAX = 36_500
MINUTES_MAX = 366 * 24 * 60
INTEGER_MAX = 2**31 - 1
# What the narrowest of beat's columns holds.
CRONTAB_FIELD_MAX = 64
_SCHEDULE = {
    "oneOf": [
        {
            "type": "object",
            "required": ["every_minutes"],
            "properties": {"every_minutes": {"type": "number", "minimum": 1, "maximum": MINUTES_MAX}},
        },
        {
            "type": "object",
            "required": ["crontab"],
            "properties": {
                "crontab": {"type": "string", "examples": ["17 3 * * *"]},
                "timezone": {"type": "string", "default": "UTC", "examples": ["Europe/Berlin"]},
            },
        },
    ]
}


@extend_schema_field(_SCHEDULE)
class ScheduleField(serializers.Field[Any, Any, Any, Any]):
    """`{"every_minutes": 90}` or `{"crontab": "17 3 * * *", "timezone": "Europe/Berlin"}`; inside, a text of `cron`."""

    def to_internal_value(self, data: Any) -> str:
        """The text; a ValidationError says what is wrong with it."""
        if not isinstance(data, dict) or set(data) not in (
            {"every_minutes"},
            {"crontab"},
            {"crontab", "timezone"},
        ):
            raise serializers.ValidationError(
                'Must be {"every_minutes": n}, or {"crontab": "17 3 * * *", "timezone": "UTC"}.',
                code="invalid",
            )
        text = _every(data["every_minutes"]) if "every_minutes" in data else _crontab(data)
        if next_of(text, after=timezone.now(), anchor=timezone.now()) is None:
            raise serializers.ValidationError(
                {"crontab": ["It does not fire in the next eight years."]}, code="never"
            )
        return text

    def to_representation(self, row: RetentionPolicy) -> dict[str, Any] | None:
        """From a policy; None: the installation's."""
        if row.interval is not None:
            minutes = row.interval.schedule.run_every.total_seconds() / 60
            return {"every_minutes": int(minutes) if minutes.is_integer() else minutes}
        if row.crontab is not None:
            line, _, zone = cron.text_of(row.crontab).rpartition(" ")
            return {"crontab": line, "timezone": zone}
        return None

    def get_attribute(self, instance: RetentionPolicy) -> RetentionPolicy:
        """The whole policy: its schedule is one of two columns."""
        return instance


class PrefixField(serializers.CharField):
    """The beginning of an id: one that may end with a blank."""

    def __init__(self, **options: Any) -> None:
        super().__init__(max_length=MAX_LENGTH, trim_whitespace=False, **options)
        self.validators.append(validate_prefix)

    def to_internal_value(self, data: Any) -> str:
        """Text only, as for ids."""
        if not isinstance(data, str):
            self.fail("invalid")
        return str(super().to_internal_value(data))


def _days(help_text: str) -> NumberField:
    return NumberField(min_value=0, max_value=DAYS_MAX, required=False, allow_null=True, help_text=help_text)


class PolicyPatch(StrictSerializer):
    """What may change of a policy: all of it. Null takes a scope, a rule or a schedule away."""

    name = IdentifierField(
        required=False, help_text="Unique; stands in the reason of everything that it does."
    )
    enabled = StrictBooleanField(required=False)
    priority = serializers.IntegerField(
        min_value=-INTEGER_MAX, max_value=INTEGER_MAX, required=False, help_text="The lowest is asked first."
    )
    conversation_prefix = PrefixField(required=False, allow_null=True)
    role = ChoiceField(choices=Role.choices, required=False, allow_null=True)
    user_id = IdentifierField(required=False, allow_null=True)
    agent_id = IdentifierField(required=False, allow_null=True)
    metadata = MetadataField(required=False, help_text="What a message's metadata must contain.")
    older_than_days = _days("Since it was said (created_at).")
    importance_below = ImportanceField(required=False, allow_null=True)
    not_recalled_for_days = _days("Since it was last in an answer; since it was stored if it never was.")
    keep_newest = serializers.IntegerField(
        min_value=1,
        max_value=INTEGER_MAX,
        required=False,
        allow_null=True,
        help_text="Of each conversation: only older messages than so many fit.",
    )
    action = ChoiceField(choices=Action.choices, required=False)
    delete_archived_after_days = _days("In the archive. Null: never.")
    schedule = ScheduleField(required=False, allow_null=True, help_text="Null: the installation's.")


class PolicyIn(PolicyPatch):
    """A new policy."""

    tenant_id = IdentifierField(required=False)
    name = IdentifierField(help_text="Unique; stands in the reason of everything that it does.")


class PolicyOut(serializers.ModelSerializer[RetentionPolicy]):
    """A policy. `from` is settings for the installation's default, which has no id."""

    id = serializers.IntegerField(allow_null=True)
    tenant_id = serializers.CharField(source="tenant.name")
    conversation_prefix = OptionalTextField()
    role = OptionalTextField()
    user_id = OptionalTextField()
    agent_id = OptionalTextField()
    rules = serializers.SerializerMethodField(help_text="In words.")
    schedule = ScheduleField(allow_null=True, help_text="Null: the installation's.")
    next_run_at = serializers.DateTimeField(
        source="next_at", allow_null=True, default=None, help_text="Null: nothing is scheduled."
    )
    shadowed_by = serializers.CharField(
        allow_null=True,
        default=None,
        help_text="An earlier policy that takes every message that fits this one.",
    )
    created_at = serializers.DateTimeField(allow_null=True)
    updated_at = serializers.DateTimeField(allow_null=True)

    class Meta:
        model = RetentionPolicy
        fields = [
            "id",
            "tenant_id",
            "name",
            "enabled",
            "priority",
            "conversation_prefix",
            "role",
            "user_id",
            "agent_id",
            "metadata",
            "older_than_days",
            "importance_below",
            "not_recalled_for_days",
            "keep_newest",
            "rules",
            "action",
            "delete_archived_after_days",
            "schedule",
            "next_run_at",
            "shadowed_by",
            "created_at",
            "updated_at",
        ]

    def get_fields(self) -> dict[str, Any]:
        """With `from`, which is no name in Python."""
        return super().get_fields() | {"from": serializers.SerializerMethodField("get_origin")}

    def get_rules(self, row: RetentionPolicy) -> str:
        """As in the reasons of runs."""
        return as_policy(row).reason

    def get_origin(self, row: RetentionPolicy) -> str:
        """Who made it."""
        return "settings" if row.id is None else "tenant"


class PoliciesOut(serializers.Serializer[Any]):
    """In the order in which they are asked; disabled ones are not asked."""

    policies = PolicyOut(many=True)
    installation_schedule = serializers.CharField(
        allow_null=True, help_text="By UTC, for policies without one of their own. Null: off."
    )


def as_columns(values: dict[str, Any]) -> dict[str, Any]:
    """Validated input as the model has it: an empty scope is an empty text there."""
    texts = ("conversation_prefix", "role", "user_id", "agent_id")
    return {
        name: "" if value is None and name in texts else value
        for name, value in values.items()
        if name != "tenant_id"
    }


def _every(minutes: Any) -> str:
    if isinstance(minutes, bool) or not isinstance(minutes, int) or not 1 <= minutes <= MINUTES_MAX:
        raise serializers.ValidationError(
            {"every_minutes": [f"Must be a whole number from 1 to {MINUTES_MAX}."]}, code="invalid"
        )
    return f"every {minutes} minutes"


def _crontab(data: dict[str, Any]) -> str:
    line, zone = data["crontab"], data.get("timezone", "UTC")
    if not isinstance(zone, str) or not isinstance(line, str):
        raise serializers.ValidationError(
            {"crontab": ["Must be text, and so must timezone."]}, code="invalid"
        )
    if any(len(word) > CRONTAB_FIELD_MAX for word in (zone, *line.split())):
        raise serializers.ValidationError(
            {"crontab": [f"Each field must have at most {CRONTAB_FIELD_MAX} characters."]}, code="max_length"
        )
    try:
        cron.read_crontab(line, zone)
    except ValueError as error:
        name = "timezone" if isinstance(error, cron.NoSuchZone) else "crontab"
        raise serializers.ValidationError({name: [f"Is not possible: {error}."]}, code="invalid") from error
    return f"{' '.join(line.split())} {zone}"
