"""Quotas of stored messages and bytes: exact, also under concurrency, and nothing that is stored is lost."""

import json
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.urls import reverse
from prometheus_client import REGISTRY

from memories import lexicon, quotas
from memories.models import Message
from tests.answers import problem_of
from tests.at_once import at_once
from tests.conftest import Api
from tests.factories import remember
from tests.integration.test_archive import archive_all, restore_all

PATH = "/v1/messages"
HELLO = {"conversation_id": "c", "role": "user", "content": "hello"}


def allow(tenant, **quota) -> None:
    for name, value in quota.items():
        setattr(tenant, name, value)
    tenant.save()


def batch(count: int) -> dict:
    return {"messages": [HELLO] * count}


def stored(tenant) -> int:
    return Message.objects.for_tenant(tenant.id).count()


@pytest.mark.parametrize("folded", [True, False], ids=["counted", "waiting"])
def test_it_works(bot, acme, folded):
    allow(acme, message_quota=10)
    assert bot.post(f"{PATH}/batch", batch(8)).status_code == 201
    if folded:
        lexicon.fold_all()
    before = REGISTRY.get_sample_value("memory_quota_refusals_total", {"quota": "messages"}) or 0.0
    said = problem_of(bot.post(f"{PATH}/batch", batch(3)), 403)
    assert said["type"].endswith("quota-exceeded")
    assert "quota is 10 messages and this would make it 11" in said["detail"]
    assert stored(acme) == 8
    assert bot.post(f"{PATH}/batch", batch(2)).status_code == 201
    problem_of(bot.post(PATH, HELLO), 403)
    assert stored(acme) == 10
    assert REGISTRY.get_sample_value("memory_quota_refusals_total", {"quota": "messages"}) == before + 2


def test_bytes_are_those_of_text_and_metadata(bot, acme):
    allow(acme, byte_quota=30)
    first = bot.post(PATH, HELLO | {"content": "é" * 10, "metadata": {"a": 1}})
    assert first.status_code == 201
    assert quotas.usage(acme.id) == quotas.Usage(messages=1, bytes=20 + len('{"a": 1}'))
    assert "30 bytes" in problem_of(bot.post(PATH, HELLO | {"content": "x"}), 403)["detail"]
    assert bot.delete(f"{PATH}/{first.json()['id']}").status_code == 204
    assert bot.post(PATH, HELLO | {"content": "x"}).status_code == 201


def test_what_goes_makes_room(bot, acme):
    allow(acme, message_quota=1)
    message_id = bot.post(PATH, HELLO).json()["id"]
    problem_of(bot.post(PATH, HELLO), 403)
    bot.delete(f"{PATH}/{message_id}")
    assert bot.post(PATH, HELLO).status_code == 201


def test_what_is_archived_makes_room_and_a_restore_may_go_past_the_quota(bot, acme):
    allow(acme, message_quota=1, byte_quota=7)
    bot.post(PATH, HELLO)
    before = quotas.usage(acme.id)
    archive_all(acme, *Message.objects.all())
    assert quotas.usage(acme.id) == quotas.Usage(messages=0, bytes=0)
    assert bot.post(PATH, HELLO).status_code == 201
    restore_all(acme)
    assert quotas.usage(acme.id) == quotas.Usage(messages=2, bytes=2 * before.bytes)
    problem_of(bot.post(PATH, HELLO), 403)
    assert stored(acme) == 2


def test_who_is_erased_makes_room(bot, manager, acme):
    allow(acme, message_quota=1)
    bot.post(PATH, HELLO | {"user_id": "mia"})
    assert manager.delete("/v1/users/mia").json()["verified"]
    assert quotas.usage(acme.id) == quotas.Usage(messages=0, bytes=0)
    assert bot.post(PATH, HELLO).status_code == 201


def test_a_full_tenant_still_reads_edits_and_repeats(bot, acme):
    allow(acme, message_quota=1, byte_quota=12)
    row = HELLO | {"external_id": "one", "content": "0123456789"}
    message_id = bot.post(PATH, row).json()["id"]
    assert bot.post(PATH, row)["Idempotent-Replayed"] == "true"
    assert len(bot.get(PATH).json()["messages"]) == 1
    assert bot.patch(f"{PATH}/{message_id}", {"pinned": True}).status_code == 200
    assert bot.patch(f"{PATH}/{message_id}", {"content": "12345"}).status_code == 200


@pytest.mark.parametrize("change", [{"content": "x" * 50}, {"metadata": {"a": "x" * 50}}], ids=str)
def test_an_edit_that_grows_past_the_quota_is_refused(bot, acme, change):
    allow(acme, byte_quota=20)
    message_id = bot.post(PATH, HELLO).json()["id"]
    problem_of(bot.patch(f"{PATH}/{message_id}", change), 403)
    assert bot.get(f"{PATH}/{message_id}").json()["content"] == "hello"


@pytest.mark.parametrize("name", ["content", "metadata"])
def test_the_admin_says_so_at_the_field_and_nothing_is_lost(root, bot, acme, name):
    allow(acme, byte_quota=20)
    message_id = bot.post(PATH, HELLO).json()["id"]
    page = reverse("admin:memories_message_change", args=[message_id])
    typed = {"content": "x" * 50} if name == "content" else {"metadata": json.dumps({"a": "x" * 50})}
    answer = root.post(page, {"metadata": "{}", "content": "hello", "importance": "0.5"} | typed)
    shown = answer.context["adminform"].form
    assert answer.status_code == 200
    assert "20 bytes" in shown.errors[name][0]
    assert "xxx" in str(shown[name])
    stored = bot.get(f"{PATH}/{message_id}").json()
    assert (stored["content"], stored["metadata"]) == ("hello", {})


def test_one_tenants_quota_is_not_anothers_and_the_installations_is_for_all(
    bot, outsider, acme, globex, settings
):
    settings.ENV = settings.ENV.model_copy(update={"message_quota": 1})
    allow(globex, message_quota=0)
    assert [bot.post(PATH, HELLO).status_code for _ in range(2)] == [201, 403]
    assert [outsider.post(PATH, HELLO).status_code for _ in range(3)] == [201] * 3


def test_an_import_stops_at_the_quota_and_says_what_is_stored(acme, tmp_path):
    allow(acme, message_quota=600)
    file = tmp_path / "many.jsonl"
    file.write_text("\n".join([json.dumps(HELLO)] * 1200))
    with pytest.raises(CommandError, match=r"quota is 600 messages .* 500 stored before"):
        call_command("import_messages", str(file), tenant="acme", stdout=StringIO())
    assert stored(acme) == 500


def test_who_has_no_quota_is_not_counted(acme, monkeypatch):
    monkeypatch.setattr(quotas, "usage", None)
    assert remember(acme, "hello")


@pytest.mark.django_db(transaction=True)
def test_writers_at_once_store_exactly_the_quota(acme, bot):
    allow(acme, message_quota=50)

    def work() -> set[int]:
        mine = Api(bot.key)
        return {mine.post(f"{PATH}/batch", batch(count)).status_code for count in (1, 3, 1, 2, 1, 1, 1, 1)}

    assert set().union(*at_once(*[work] * 8)) == {201, 403}
    assert stored(acme) == 50
