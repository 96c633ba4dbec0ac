"""A tenant's own settings of search: set in the admin or by command, impossible to set wrong, and used."""

import io

import pytest
from django.core.management import CommandError, call_command
from django.db import IntegrityError, transaction
from django.urls import reverse

from memories import tasks
from tenants.models import Tenant
from tests.factories import remember

ADD = "admin:tenants_tenant_add"
CHANGE = "admin:tenants_tenant_change"
FORM = {"name": "acme", "language": "english", "search_mode": ""}


def save(root, tenant, **fields):
    answer = root.post(reverse(CHANGE, args=[tenant.pk]), FORM | fields)
    tenant.refresh_from_db()
    return answer


def explained(api, **params) -> dict:
    return api.get("/v1/memory/search", query="green tea", explain="true", **params).json()["explain"]


def test_what_the_admin_sets_is_what_a_search_uses(root, reader, acme):
    remember(acme, "green tea")
    tasks.drain()
    assert explained(reader)["weights"] == {"similarity": 0.6, "importance": 0.3, "decay": 0.1}
    fields = {
        "search_mode": "text",
        "similarity_weight": "0.5",
        "importance_weight": "0.5",
        "decay_weight": "0",
    }
    answer = save(root, acme, **fields, language="german", half_life_days="7")
    assert answer.status_code == 302
    said = explained(reader)
    assert (said["mode"], said["half_life_days"]) == ("text", 7)
    assert said["weights"] == {"similarity": 0.5, "importance": 0.5, "decay": 0}
    assert "german" in said["languages"]


def test_a_search_that_names_a_mode_gets_it(reader, acme):
    remember(acme, "green tea")
    assert explained(reader)["mode"] == "hybrid"
    Tenant.objects.update(search_mode="vector")
    acme.refresh_from_db()
    acme.save()
    assert explained(reader)["mode"] == "vector"
    assert explained(reader, mode="text")["mode"] == "text"


def test_the_page_says_what_counts_where_a_field_is_empty(root, acme, settings):
    settings.ENV = settings.ENV.model_copy(update={"weight_importance": 0.25, "half_life_days": 90})
    page = root.get(reverse(CHANGE, args=[acme.pk])).content.decode()
    assert "which is 0.25." in page
    assert "which is 90." in page
    assert "german" in page


def test_limits_are_set_in_the_admin_and_count_at_once(root, reader, acme):
    save(root, acme, reads_per_minute="1", burst_seconds="60")
    assert [reader.get("/v1/messages").status_code for _ in range(2)] == [200, 429]
    page = root.get(reverse(CHANGE, args=[acme.pk])).content.decode()
    assert "which is 60." in page
    assert "0: no limit." in page


def test_the_list_shows_the_language_and_filters_by_it(root, acme, globex):
    Tenant.objects.filter(name="globex").update(language="german")
    page = root.get(reverse("admin:tenants_tenant_changelist"), {"language": "german"}).content.decode()
    assert "globex" in page
    assert "acme" not in page


WRONG = [
    ({"similarity_weight": "1.5"}, "less than or equal to 1.0"),
    ({"decay_weight": "-0.1"}, "greater than or equal to 0.0"),
    ({"importance_weight": "nan"}, "Enter a number"),
    ({"half_life_days": "0"}, "greater than or equal to 0.001"),
    ({"half_life_days": "40000"}, "less than or equal to 36500"),
    ({"similarity_weight": "0", "importance_weight": "0", "decay_weight": "0"}, "must not all be 0"),
    ({"reads_per_minute": "-1"}, "greater than or equal to 0"),
    ({"writes_per_minute": "1000001"}, "less than or equal to 1000000"),
    ({"burst_seconds": "0"}, "greater than or equal to 1"),
    ({"message_quota": "many"}, "Enter a whole number"),
    ({"language": "klingon"}, "klingon is not one of the available choices"),
    ({"search_mode": "psychic"}, "psychic is not one of the available choices"),
]


@pytest.mark.parametrize(("fields", "said"), WRONG, ids=str)
def test_wrong_settings_are_refused_with_a_sentence(root, acme, fields, said):
    before = Tenant.objects.values().get()
    answer = save(root, acme, **fields)
    page = answer.content.decode()
    assert answer.status_code == 200
    assert said in page
    assert "Constraint" not in page
    assert Tenant.objects.values().get() == before


def test_weights_that_are_nothing_together_with_the_installations_are_refused(root, acme, settings):
    settings.ENV = settings.ENV.model_copy(update={"weight_decay": 0.0})
    answer = save(root, acme, similarity_weight="0", importance_weight="0")
    assert "must not all be 0" in answer.content.decode()


def test_weights_that_became_nothing_leave_search_to_the_installations(reader, acme, settings):
    acme.similarity_weight = acme.importance_weight = 0.0
    acme.save()
    settings.ENV = settings.ENV.model_copy(update={"weight_decay": 0.0})
    remember(acme, "green tea")
    assert explained(reader)["weights"]["similarity"] == pytest.approx(2 / 3)


IMPOSSIBLE = [
    {"similarity_weight": 1.5},
    {"decay_weight": float("nan")},
    {"similarity_weight": 0, "importance_weight": 0, "decay_weight": 0},
    {"half_life_days": 0},
    {"half_life_days": float("nan")},
    {"half_life_days": float("inf")},
    {"search_mode": "psychic"},
    {"language": "klingon"},
    {"language": ""},
]


@pytest.mark.parametrize("fields", IMPOSSIBLE, ids=str)
def test_the_database_takes_no_wrong_settings_from_anybody(acme, fields):
    with pytest.raises(IntegrityError), transaction.atomic():
        Tenant.objects.update(**fields)


def test_a_tenant_is_created_with_a_language(db):
    call_command("create_tenant", "acme", "--language", "german", stdout=io.StringIO())
    assert Tenant.objects.get().language == "german"
    call_command("create_tenant", "globex", stdout=io.StringIO())
    assert Tenant.objects.get(name="globex").language == "english"
    with pytest.raises(CommandError):
        call_command("create_tenant", "initech", "--language", "klingon")


def test_a_tenant_is_added_in_the_admin(root):
    assert root.post(reverse(ADD), FORM | {"name": "new", "language": "simple"}).status_code == 302
    assert Tenant.objects.get().language == "simple"
