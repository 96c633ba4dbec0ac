"""Which tables hold what of a person. Every model of every app is in here, or the app does not start.

Found from the models, so that a new table cannot be forgotten:
- holders of messages: they have a conversation_id and a user_id of their own;
- what hangs on a message: tables with a tenant and a message_id, whose rows go with the message;
- what mentions a subject by name without holding a message: `retention.mentions` replaces the name;
- all others are listed here with the reason why nothing in them is a person's. A model that is in none of these fails
  a system check (retention.E001), and nothing is erased until somebody has thought about it.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from django.apps import apps
from django.core.exceptions import ImproperlyConfigured
from django.db.models import Model

from retention.mentions import MENTIONS

# By model, or by app for those of others.
NOTHING_PERSONAL = {
    "tenants.Tenant": "a customer of the installation and its settings, not an end user",
    "tenants.ApiKey": "keys of programs, with a name that the operator gave",
    "tenants.IdempotencyRecord": "digests, ids, numbers and times: no text and no id that a client chose",
    "tenants.SupportTenant": "which tenants a person of the support may see in the admin",
    "tenants.AuditEvent": "who changed what, with digests for end users; it cannot be changed",
    "memories.EmbeddingSpace": "which models there are",
    "memories.EmbeddingUsage": "tokens and cost of a whole tenant, by day",
    "memories.Centroid": "means of a whole tenant's vectors, made anew by the next training",
    "memories.VectorRecall": "one measurement of a whole tenant",
    "memories.Corpus": "counts of a whole tenant",
    "memories.TermStatistic": "words with counts: those of an erased text are counted down, at 0 they go",
    "memories.TermChange": "counted and emptied at the end of each erasure (memories.lexicon)",
    "memories.Suppression": "digests of those who were erased: what keeps them erased",
    "retention.RetentionSlot": "when which policy is due next",
    "retention.ErasureReceipt": "counts, times and digests",
    "auth": "accounts of the admin's users",
    "axes": "failed log-ins to the admin",
    "contenttypes": "names of models",
    "sessions": "log-ins of the admin's users",
    "django_celery_beat": "when which task runs",
}


@dataclass(frozen=True, kw_only=True)
class Tables:
    """The models that an erasure goes through. `owned`: all with a tenant, for the erasure of one."""

    holders: tuple[type[Model], ...]
    hanging: tuple[type[Model], ...]
    owned: tuple[type[Model], ...]


def tables() -> Tables:
    """All of them; ImproperlyConfigured, with the faults, while a model is not classed."""
    if found := list(faults()):
        raise ImproperlyConfigured(" ".join(found))
    models = list(_models())
    return Tables(
        holders=tuple(model for model in models if _holds_messages(model)),
        hanging=tuple(model for model in models if _hangs_on_a_message(model)),
        owned=tuple(model for model in models if _has(model, "tenant_id") and model._meta.label not in _KEPT),
    )


def faults() -> Iterator[str]:
    """A sentence for each model that is in no class or in several, and for each class that nothing is in."""
    named = {label for label in NOTHING_PERSONAL if "." in label}
    models = {model._meta.label: model for model in _models()}
    for label, model in models.items():
        classes = [
            _holds_messages(model),
            _hangs_on_a_message(model),
            model in MENTIONS,
            bool({label, model._meta.app_label} & NOTHING_PERSONAL.keys()),
        ]
        if sum(classes) != 1:
            yield (
                f"{label} is in {sum(classes)} classes of retention.personal_data, not in one: say there what it "
                "holds of a person."
            )
    yield from (
        f"{label} is classed in retention.personal_data and does not exist."
        for label in named - models.keys()
    )


# What tells of a tenant outlives it, and holds nothing of anybody.
_KEPT = {"retention.ErasureReceipt", "tenants.AuditEvent"}


def _models() -> Iterator[type[Model]]:
    return (model for model in apps.get_models(include_auto_created=True) if not model._meta.proxy)


def _holds_messages(model: type[Model]) -> bool:
    return _has(model, "tenant_id", "conversation_id", "user_id")


def _hangs_on_a_message(model: type[Model]) -> bool:
    return _has(model, "tenant_id", "message_id")


def _has(model: type[Model], *columns: str) -> bool:
    return set(columns) <= {field.column for field in model._meta.local_concrete_fields}
