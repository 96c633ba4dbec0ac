"""No table is forgotten: each model is classed by what it holds of a person, and a new one stops everything."""

import pytest
from django.apps import apps
from django.core.exceptions import ImproperlyConfigured
from django.core.management import call_command
from django.core.management.base import SystemCheckError
from django.db import models

from retention import personal_data
from retention.personal_data import faults, tables


@pytest.fixture
def new_model():
    """new_model(field=...): a model that somebody has just added to `memories`."""

    def make(**fields: models.Field) -> type[models.Model]:
        meta = type("Meta", (), {"app_label": "memories"})
        return type("Leaflet", (models.Model,), {**fields, "Meta": meta, "__module__": "memories.models"})

    yield make
    apps.all_models["memories"].pop("leaflet", None)
    apps.clear_cache()


def names(found: tuple[type[models.Model], ...]) -> set[str]:
    return {model._meta.label for model in found}


def test_it_works():
    assert list(faults()) == []
    assert names(tables().holders) == {"memories.Message", "memories.ArchivedMessage"}
    assert names(tables().hanging) == {
        "memories.ArchivedEmbedding",
        "memories.EmbeddingJob",
        "memories.MessageEmbedding",
        "memories.MessageRecall",
        "retention.PlannedMove",
    }
    assert "tenants.ApiKey" in names(tables().owned)
    assert "retention.ErasureReceipt" not in names(tables().owned)


def test_a_new_table_fails_the_check_and_stops_erasures(new_model):
    new_model(note=models.TextField())
    with pytest.raises(SystemCheckError, match=r"memories\.Leaflet is in 0 classes"):
        call_command("check")
    with pytest.raises(ImproperlyConfigured, match=r"memories\.Leaflet"):
        tables()


def test_a_new_table_that_hangs_on_messages_is_erased_without_a_word(new_model):
    new_model(tenant=models.ForeignKey("tenants.Tenant", models.CASCADE), message_id=models.UUIDField())
    assert "memories.Leaflet" in names(tables().hanging)


def test_a_new_holder_of_messages_is_erased_too(new_model):
    texts = {"conversation_id": models.TextField(), "user_id": models.TextField()}
    new_model(tenant=models.ForeignKey("tenants.Tenant", models.CASCADE), **texts)
    assert "memories.Leaflet" in names(tables().holders)


def test_an_app_that_nobody_has_thought_of_is_seen(monkeypatch):
    monkeypatch.delitem(personal_data.NOTHING_PERSONAL, "sessions")
    assert any("sessions.Session is in 0 classes" in fault for fault in faults())


def test_a_table_is_in_one_class_only_and_exists(monkeypatch):
    monkeypatch.setitem(personal_data.NOTHING_PERSONAL, "memories.Message", "surely nothing")
    monkeypatch.setitem(personal_data.NOTHING_PERSONAL, "memories.Gone", "was there once")
    assert [fault.split(" ")[0] for fault in faults()] == ["memories.Message", "memories.Gone"]
