"""manage.py recount_terms: the statistics of full text against the messages themselves."""

import io
import threading

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from memories import ingest, lexicon, recount
from memories.models import Corpus, TermChange, TermStatistic
from tests.factories import TenantFactory, remember


def run(*args: str) -> str:
    out = io.StringIO()
    call_command("recount_terms", *args, stdout=out)
    return out.getvalue()


@pytest.fixture
def counted(acme, globex):
    """Some of it counted, and some waiting."""
    messages = remember(acme, "green tea", "black tea", "green grass")
    remember(globex, "green tea")
    lexicon.fold_all()
    ingest.delete(tenant=acme, message_id=messages[0].id)
    remember(acme, "white tea")
    assert TermChange.objects.count() == 2


def counts(tenant) -> dict[str, int]:
    lexicon.fold_all()
    return dict(TermStatistic.objects.filter(tenant=tenant).values_list("term", "messages"))


def test_it_works(acme, counted):
    assert run() == run("--check") == "0 of 2 tenants had wrong counts.\n"
    assert counts(acme) == {"black": 1, "tea": 2, "green": 1, "grass": 1, "white": 1}


WRONG = [
    lambda terms: terms.filter(term="tea").update(messages=7),
    lambda terms: terms.filter(term="tea").delete(),
    lambda terms: terms.filter(term="tea").update(term="coffee"),
    lambda terms: terms.all().delete(),
]


@pytest.mark.parametrize("spoil", WRONG)
def test_wrong_counts_are_found_and_put_right_while_changes_wait(acme, globex, counted, spoil):
    spoil(TermStatistic.objects.filter(tenant=acme))
    with pytest.raises(CommandError, match="1 of 2 tenants had wrong counts"):
        run("--check")
    assert run("--tenant", "globex") == "0 of 1 tenants had wrong counts.\n"
    assert "acme: the counts of" in run()
    assert run("--check") == "0 of 2 tenants had wrong counts.\n"
    assert counts(acme) == {"black": 1, "tea": 2, "green": 1, "grass": 1, "white": 1}
    assert counts(globex) == {"green": 1, "tea": 1}


@pytest.mark.parametrize(
    "wrong", [{"messages": 9}, {"words": 9}, {"bytes": 9}, {"language": "german"}, None], ids=str
)
def test_a_wrong_corpus_is_put_right(acme, counted, wrong):
    corpora = Corpus.objects.filter(tenant=acme)
    corpora.update(**wrong) if wrong else corpora.delete()
    assert recount.check(acme).corpora
    assert recount.repair(acme).corpora
    lexicon.fold_all()
    assert list(corpora.values_list("language", "messages", "words", "bytes")) == [("english", 3, 6, 35)]


@pytest.mark.parametrize("metadata", [{"n": 1.0}, {"n": 1}, {"n": 10}, {}])
def test_every_edit_of_metadata_is_counted(acme, metadata):
    """1 and 1.0 are one number to jsonb, and not as long."""
    [message] = remember(acme, "tea", metadata={"n": 1})
    ingest.edit(tenant=acme, message_id=message.id, changes={"metadata": metadata})
    assert not recount.check(acme).wrong


def test_a_tenant_that_is_gone_has_nothing_wrong(acme, counted):
    gone = TenantFactory()
    gone_id = gone.id
    gone.delete()
    gone.id = gone_id
    assert not recount.repair(gone).wrong


def test_an_unknown_tenant_is_refused(db):
    with pytest.raises(CommandError, match="nobody"):
        run("--tenant", "nobody")


def test_it_is_exact_while_others_write_and_count(transactional_db):
    tenant = TenantFactory()
    stop = threading.Event()

    def write() -> None:
        n = 0
        while not stop.is_set():
            [first, second] = remember(tenant, f"tea number {n}", f"tea and milk {n}")
            ingest.edit(tenant=tenant, message_id=first.id, changes={"content": f"coffee {n}"})
            ingest.delete(tenant=tenant, message_id=second.id)
            n += 1
        connection.close()

    def count() -> None:
        while not stop.is_set():
            lexicon.fold(chunk=3)
        connection.close()

    threads = [threading.Thread(target=work) for work in (write, write, count)]
    for thread in threads:
        thread.start()
    try:
        found = [each for _ in range(40) for each in (recount.check(tenant), recount.repair(tenant))]
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert not [each for each in found if each.wrong]
    lexicon.fold_all()
    assert not recount.check(tenant).wrong
    assert TermStatistic.objects.get(tenant=tenant, term="coffe").messages > 0
    assert not TermStatistic.objects.filter(tenant=tenant, term="milk").exists()
