"""The Django admin: every page opens, text is shown as text, and what the API rules is not edited here."""

import re

import pytest
from django.urls import reverse

from memories.admin import MessageAdmin
from memories.admin_addresses import erasing
from memories.embeddings import configured
from memories.jobs import run_batch
from memories.models import EmbeddingJob, EmbeddingSpace, Message, MessageEmbedding
from tenants.lifecycle import create_key
from tenants.models import ApiKey, Tenant
from tests.factories import remember
from tests.integration.test_tenant_settings import FORM

SCRIPT = "<script>alert('xylophone')</script>"


@pytest.fixture
def message(acme) -> Message:
    create_key(tenant=acme, scopes=["read"], name=SCRIPT)
    [message] = remember(acme, SCRIPT, conversation=SCRIPT, name=SCRIPT, metadata={"a": SCRIPT})
    EmbeddingJob.objects.update(last_error=SCRIPT)
    return message


def url(model, page: str = "changelist", *args) -> str:
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_{page}", args=args)


MODELS = [Tenant, ApiKey, Message, EmbeddingJob, EmbeddingSpace]


def test_it_works(root):
    page = root.get("/admin/")
    assert page.status_code == 200
    assert all(url(model) in page.content.decode() for model in MODELS)


def test_a_stranger_is_asked_to_log_in_and_no_api_key_helps(bot, message):
    for path in ("/admin/", url(Message), url(Message, "change", message.pk)):
        answer = bot.get(path)
        assert answer.status_code == 302
        assert "/admin/login/" in answer["Location"]


@pytest.mark.parametrize("model", MODELS)
def test_every_list_and_page_opens_and_shows_text_as_text(root, message, model):
    for path in (url(model), url(model, "change", model.objects.first().pk)):
        page = root.get(path)
        assert page.status_code == 200, path
        assert "<script>alert" not in page.content.decode(), path
    assert root.get(url(model, "history", model.objects.first().pk)).status_code == 200


@pytest.mark.parametrize("model", [Tenant, Message, EmbeddingJob])
@pytest.mark.parametrize(
    "text", ["xylophone", "01932c07-2f1c-7c3e-8f00-000000000001", "'\"%_\\", "é 🧠", "7"]
)
def test_any_text_can_be_searched_for(root, message, model, text):
    assert root.get(url(model), {"q": text}).status_code == 200


def test_a_message_is_found_by_its_id(root, acme, message):
    remember(acme, "other")
    page = root.get(url(Message), {"q": str(message.id)}).content.decode()
    assert url(Message, "change", message.pk) in page
    assert "1 message" in page


def test_pages_ask_nothing_from_elsewhere(root, message):
    for path in ("/admin/", url(Message), url(Message, "change", message.pk)):
        text = root.get(path).content.decode()
        assert not re.search(r"(?:src|href)=[\"'](?:https?:)?//", text), path


def test_only_what_the_api_changes_too_is_changed_here(root, message):
    page = root.get(url(Message, "change", message.pk)).content.decode()
    names = set(re.findall(r'<(?:input|textarea|select)[^>]* name="([a-z_0-9]+)"', page))
    assert names >= {"content", "metadata", "importance", "pinned"}
    assert not names & {"tenant", "conversation_id", "role", "created_at", "external_id"}
    form = {"metadata": "{}", "importance": "0.5", "pinned": "on", "role": "tool"}
    assert root.post(url(Message, "change", message.pk), form).status_code == 302
    message.refresh_from_db()
    assert (message.content, message.importance, message.pinned) == (SCRIPT, 0.5, True)
    assert message.role == "user"


def test_an_edit_writes_only_what_was_changed(root, message, monkeypatch):
    """What the API wrote while the page was being saved stays."""

    def edited_meanwhile(form):
        Message.objects.update(content="edited meanwhile", pinned=True)

    monkeypatch.setattr(MessageAdmin.form, "clean", edited_meanwhile)
    root.post(url(Message, "change", message.pk), {"metadata": '{"a": 1}', "importance": message.importance})
    message.refresh_from_db()
    assert (message.content, message.pinned, message.metadata) == ("edited meanwhile", True, {"a": 1})


def test_an_importance_given_here_is_explicit(root, bot, message):
    root.post(url(Message, "change", message.pk), {"metadata": "{}", "importance": "0.9"})
    answer = bot.patch(f"/v1/messages/{message.id}", {"content": "short?"})
    assert answer.json()["importance"] == 0.9


@pytest.mark.parametrize("importance", ["1.5", "-1", "nan", "x"])
def test_an_importance_that_is_none_is_refused(root, message, importance):
    form = {"metadata": "{}", "importance": importance}
    assert root.post(url(Message, "change", message.pk), form).status_code == 200
    message.refresh_from_db()
    assert 0 <= message.importance <= 1


@pytest.mark.parametrize("metadata", ["[]", "7", '{"a": NaN}', '{"a": "\\u0000"}', "{"])
def test_metadata_that_the_api_would_refuse_is_refused(root, message, metadata):
    form = {"metadata": metadata, "importance": "0.5"}
    assert root.post(url(Message, "change", message.pk), form).status_code == 200
    message.refresh_from_db()
    assert message.metadata == {"a": SCRIPT}


def test_messages_jobs_and_spaces_are_not_added_by_hand(root, message):
    for model in (Message, EmbeddingJob, EmbeddingSpace):
        assert root.get(url(model, "add")).status_code == 403
    assert root.get(url(Tenant, "add")).status_code == 200


def test_jobs_and_spaces_are_not_changed_by_hand(root, message):
    for model in (EmbeddingJob, EmbeddingSpace):
        row = model.objects.get()
        assert root.post(url(model, "change", row.pk), {"attempts": 9}).status_code == 403
    assert root.post(url(EmbeddingSpace, "delete", row.pk), {"post": "yes"}).status_code == 403
    assert EmbeddingSpace.objects.get().model == configured().model


def test_a_deleted_message_takes_its_vector_and_jobs_along(root, acme, message):
    run_batch()
    remember(acme, "kept")
    assert MessageEmbedding.objects.count() == 1
    page = url(Message, "delete", message.pk)
    assert root.get(page).status_code == 200
    assert root.post(page, {"post": "yes"}).status_code == 302
    assert not MessageEmbedding.objects.exists()
    assert Message.objects.get().content == "kept"


def test_a_tenant_is_never_deleted_but_erased(root, acme, globex):
    page = url(Tenant, "delete", acme.pk)
    for answer in (root.get(page), root.post(page, {"post": "yes"})):
        assert answer.headers["Location"] == erasing(acme.pk, "tenant", "acme")
    assert "delete_selected" not in root.get(url(Tenant)).content.decode()
    chosen = {"action": "delete_selected", "_selected_action": [acme.pk, globex.pk], "post": "yes"}
    root.post(url(Tenant), chosen)
    assert Tenant.objects.count() == 2


@pytest.mark.parametrize("name", ["", "a\x1bb", "x" * 256, "acme"])
def test_a_tenant_with_a_wrong_or_taken_name_is_refused(root, acme, name):
    assert root.post(url(Tenant, "add"), FORM | {"name": name}).status_code == 200
    assert Tenant.objects.count() == 1


def test_lists_ask_few_queries(root, acme, django_assert_max_num_queries):
    remember(acme, *(f"message {n}" for n in range(100)))
    for model in (Message, EmbeddingJob):
        with django_assert_max_num_queries(10):
            root.get(url(model))
