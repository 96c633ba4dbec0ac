"""Rows of a tenant in any table, made from the models: for tests that go over all of them."""

import uuid
from typing import Any

from django.apps import apps
from django.contrib.auth import get_user_model
from django.db import models
from django.utils import timezone

from memories.models import EmbeddingSpace, Message
from tenants.isolation_checks import tables_of_tenants
from tenants.models import Tenant

TABLES = tables_of_tenants()
MODELS = {model._meta.db_table: model for model in apps.get_models() if model._meta.db_table in TABLES}
# By the name of the column, where its type alone does not say what may be in it.
GIVEN: dict[str, Any] = {
    "digest": b"x" * 32,
    "language": "english",
    "importance": 0.5,
    "kind": "tenant",
    "role": "user",
    "part": 7,
}
BY_TYPE: dict[str, Any] = {
    "TextField": "",
    "BooleanField": False,
    "JSONField": {},
    "BinaryField": b"x",
    "DateTimeField": timezone.now(),
    "DateField": timezone.now().date(),
    "FloatField": 1.0,
    "UUIDField": uuid.UUID(int=9),
    "SearchVectorField": "",
    "HalfVectorField": [1.0],
    "ArrayField": [],
}


def columns(table: str) -> str:
    return "id" if table == "tenants_tenant" else "tenant_id"


def row(table: str, tenant: Tenant, *, number: int = 1) -> models.Model:
    """A row of the tenant that the database would take, not stored."""
    model = MODELS[table]
    if model is Tenant:
        return Tenant(name=f"new-{number}", id=tenant.id + 1000 * number)
    values: dict[str, Any] = {"tenant_id": tenant.id}
    for field in model._meta.concrete_fields:
        name = field.attname
        if (
            name in values
            or field.generated
            or (field.primary_key and field.get_internal_type() != "UUIDField")
        ):
            continue
        values[name] = _value(field, tenant, number)
    return model(**values)


def _value(field: Any, tenant: Tenant, number: int) -> Any:
    kind = field.get_internal_type()
    if field.name in ("message_id", "id") and field.model is not Message and kind == "UUIDField":
        return Message.objects.filter(tenant=tenant).values_list("id", flat=True)[0]
    if field.attname == "space_id":
        return EmbeddingSpace.objects.get().id
    if field.attname == "user_id" and field.is_relation:
        return get_user_model().objects.get_or_create(username=f"{tenant.name}-{number}")[0].pk
    if field.null or field.attname == "replaces_id":
        return None
    if field.attname in GIVEN:
        return GIVEN[field.attname]
    if field.choices:
        return field.choices[0][0]
    if field.unique or field.attname in ("term", "name", "key_digest"):
        return {"UUIDField": uuid.uuid4(), "BinaryField": b"%d" % number}.get(kind, f"{tenant.name}-{number}")
    return number if kind.endswith("IntegerField") else BY_TYPE[kind]
