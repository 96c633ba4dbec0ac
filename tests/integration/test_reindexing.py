"""The language of a tenant's full text: what is found before, while and after it changes; nothing is left behind."""

import io
import threading

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, transaction

from memories import ingest, lexicon, recount, reindexing, tasks
from memories.models import Corpus, Message
from tenants import remembered
from tenants.lifecycle import create_key
from tenants.models import Tenant
from tests.conftest import Api
from tests.factories import TenantFactory, remember


def found(api, query: str) -> int:
    answer = api.get("/v1/memory/search", query=query, mode="text", top_k=50)
    assert answer.status_code == 200, answer.content
    return len(answer.json()["results"])


def languages(tenant: Tenant) -> set[str]:
    return set(Message.objects.for_tenant(tenant.id).values_list("language", flat=True))


def speak(tenant: Tenant, language: str) -> None:
    """As another process would: this one does not hear of it."""
    Tenant.objects.filter(id=tenant.id).update(language=language)


def run(*args: str) -> str:
    out = io.StringIO()
    call_command(*args, stdout=out)
    return out.getvalue()


def is_right(tenant: Tenant) -> bool:
    lexicon.fold_all()
    return not recount.check(tenant).wrong


def houses(tenant: Tenant, count: int, **fields) -> list[Message]:
    """Nobody's neighbours: each is found by its own words or not at all."""
    return [
        remember(tenant, f"Wir besichtigen Häuser Nummer {n}", conversation=f"conv-{n}", **fields)[0]
        for n in range(count)
    ]


@pytest.mark.parametrize(
    ("language", "query", "count"),
    [
        ("german", "Haus", 1),
        ("english", "Haus", 0),
        ("simple", "Haus", 0),
        ("simple", "Häuser", 1),
        ("german", "wir", 0),
        ("simple", "WIR", 1),
    ],
)
def test_inflected_words_and_stop_words_are_those_of_the_language(db, language, query, count):
    tenant = TenantFactory(language=language)
    houses(tenant, 1)
    assert found(Api(create_key(tenant=tenant, scopes=["read"])[1]), query) == count


def test_all_is_found_before_while_and_after_the_language_changes(reader, acme, monkeypatch):
    monkeypatch.setattr(reindexing, "CHUNK", 3)
    houses(acme, 10)
    tasks.drain()
    assert (found(reader, "Häuser"), found(reader, "Haus")) == (10, 0)
    speak(acme, "german")
    assert found(reader, "Häuser") == 10
    done = 0
    while more := reindexing.reindex(seconds=0):
        done += more
        assert found(reader, "Häuser") == 10
        assert found(reader, "Haus") == done
        assert is_right(acme)
    assert done == 10
    assert list(Corpus.objects.values_list("language", "messages")) == [("german", 10)]


def test_a_search_says_which_languages_it_looked_for(reader, acme):
    def said():
        return reader.get("/v1/memory/search", query="Häuser", explain="true").json()["explain"]["languages"]

    houses(acme, 2)
    tasks.drain()
    assert said() == ["english"]
    speak(acme, "german")
    assert said() == ["english", "german"]
    assert tasks.reindex() == 2
    assert said() == ["german"]


def test_what_is_stored_after_the_change_is_in_the_new_language(bot, acme):
    bot.post("/v1/messages", {"conversation_id": "c", "role": "user", "content": "Häuser"})
    speak(acme, "german")
    assert remembered.KEYS._entries, "this process remembers the tenant as it was"
    bot.post("/v1/messages", {"conversation_id": "d", "role": "user", "content": "Häuser"})
    assert languages(acme) == {"english", "german"}
    assert found(bot, "Haus") == 1


def test_a_change_there_and_back_leaves_nothing_behind(bot, acme):
    houses(acme, 2)
    speak(acme, "german")
    apart = [f"Häuser, die {n} Jahre alt sind" for n in range(3)]
    for text in apart:
        remember(acme, text, conversation=text)
    speak(acme, "english")
    tasks.drain()
    assert found(bot, "Häuser") == 5
    assert tasks.reindex() == 3
    assert languages(acme) == {"english"}
    assert is_right(acme)


def test_a_change_during_a_change_ends_in_the_last_language(bot, acme, monkeypatch):
    monkeypatch.setattr(reindexing, "CHUNK", 2)
    houses(acme, 6)
    tasks.drain()
    for language in ("german", "simple", "french"):
        speak(acme, language)
        reindexing.reindex(seconds=0)
    while reindexing.reindex():
        pass
    assert languages(acme) == {"french"}
    assert is_right(acme)


def test_a_run_that_was_killed_is_gone_on_with(acme, monkeypatch):
    monkeypatch.setattr(reindexing, "CHUNK", 2)
    houses(acme, 9)
    tasks.drain()
    speak(acme, "german")

    def killed(**_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(lexicon, "fold", killed)
        with pytest.raises(KeyboardInterrupt):
            reindexing.reindex()
    assert languages(acme) == {"english", "german"}
    assert is_right(acme)
    assert reindexing.reindex() == 7
    assert languages(acme) == {"german"}
    assert is_right(acme)


def test_an_edited_message_keeps_its_place_in_the_counts(acme):
    [message, *_] = houses(acme, 3)
    speak(acme, "german")
    tasks.drain()
    ingest.edit(tenant=acme, message_id=message.id, changes={"content": "Bäume"})
    assert tasks.reindex() == 3
    assert is_right(acme)
    assert set(lexicon.read_query(acme, text="Baum", names=()).terms) == {
        lexicon.Term(lexeme="baum", messages=1)
    }


def test_a_remembered_answer_ends_with_the_reindexing(
    reader, acme, settings, django_capture_on_commit_callbacks
):
    settings.ENV = settings.ENV.model_copy(update={"search_cache_seconds": 60})
    houses(acme, 3)
    tasks.drain()
    speak(acme, "german")
    assert found(reader, "Haus") == 0
    with django_capture_on_commit_callbacks(execute=True):
        tasks.reindex()
    assert found(reader, "Haus") == 3


def test_the_command_does_it_at_once_and_only_for_the_tenant_it_names(acme, globex):
    for tenant in (acme, globex):
        houses(tenant, 2)
        speak(tenant, "german")
    assert run("reindex", "--dry-run") == (
        "acme: 2 messages are in another language.\nglobex: 2 messages are in another language.\n"
    )
    assert run("reindex", "--tenant", "acme") == "2 messages were indexed anew.\n"
    assert (languages(acme), languages(globex)) == ({"german"}, {"english"})
    assert run("reindex") == "2 messages were indexed anew.\n"
    assert run("reindex") == "0 messages were indexed anew.\n"
    with pytest.raises(CommandError, match="nobody"):
        run("reindex", "--tenant", "nobody")


def test_a_message_that_is_being_edited_is_left_to_the_next_run(transactional_db):
    tenant = TenantFactory()
    [held, *_] = houses(tenant, 3)
    tasks.drain()
    speak(tenant, "german")
    locked, done = threading.Event(), threading.Event()

    def hold() -> None:
        with transaction.atomic():
            Message.objects.for_tenant(tenant.id).select_for_update().get(id=held.id)
            locked.set()
            done.wait(30)
        connection.close()

    editor = threading.Thread(target=hold)
    editor.start()
    locked.wait(30)
    try:
        assert (
            run("reindex")
            == f"2 messages were indexed anew.\n{tenant.name}: 1 messages are in another language.\n"
        )
    finally:
        done.set()
        editor.join()
    assert tasks.reindex() == 1
    assert is_right(tenant)


def test_messages_stored_and_deleted_meanwhile_are_counted_right(transactional_db, monkeypatch):
    monkeypatch.setattr(reindexing, "CHUNK", 5)
    tenant = TenantFactory()
    kept = houses(tenant, 40)
    tasks.drain()

    def write() -> None:
        for n, message in enumerate(kept[::2]):
            ingest.delete(tenant=tenant, message_id=message.id)
            remember(tenant, f"Neue Häuser {n}")
            ingest.edit(tenant=tenant, message_id=kept[2 * n + 1].id, changes={"content": f"Alte Bäume {n}"})
        connection.close()

    writer = threading.Thread(target=write)
    writer.start()
    for language in ("german", "simple", "english", "german"):
        speak(tenant, language)
        while reindexing.reindex():
            assert not recount.check(tenant).wrong
    writer.join()
    lexicon.fold_all()
    while reindexing.reindex():
        pass
    assert languages(tenant) == {"german"}
    assert is_right(tenant)
    tenant.delete()
    lexicon.fold_all()
    assert not Corpus.objects.exists()
