"""check_recall: what the buckets find of what is nearest, printed, refused below a minimum, exported as a metric."""

from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db.models import F

from memories import recall, tasks
from memories.embeddings import Identity
from memories.models import EmbeddingSpace, MessageEmbedding, VectorRecall
from memories.reembedding import fill, space_for, switch
from tests.factories import remember
from tests.large_tenants import chat, probing


@pytest.fixture(autouse=True)
def small(settings):
    settings.ENV = settings.ENV.model_copy(update={"exact_search_vectors": 50, "probes": 4096})


def run(*arguments: str) -> str:
    out = StringIO()
    call_command("check_recall", *arguments, stdout=out)
    return out.getvalue()


def gauge(api) -> dict[str, float]:
    lines = api.get("/metrics").content.decode().splitlines()
    found = [line for line in lines if line.startswith("memory_vector_recall{")]
    return {line.split('"')[1]: float(line.split()[-1]) for line in found}


def spoil(tenant) -> None:
    """Every vector in a bucket where nobody looks for it."""
    numbers = sorted(set(MessageEmbedding.objects.filter(tenant=tenant).values_list("bucket", flat=True)))
    MessageEmbedding.objects.filter(tenant=tenant).update(
        bucket=numbers[0] + (F("bucket") - numbers[0] + len(numbers) // 2) % len(numbers)
    )


def test_it_works(acme, globex, operator):
    chat(acme)
    chat(globex, 10)
    tasks.train_codebooks()
    assert gauge(operator) == {}
    said = run().splitlines()
    assert said[0].startswith("acme: recall@10 1.000 over 100 queries, 44 of 44 buckets, ")
    assert said[1:] == ["globex: searched exactly"]
    assert gauge(operator) == {"minimum": 1.0, "mean": 1.0}


def test_below_the_minimum_it_fails_and_the_metric_tells(acme, globex, operator):
    """Answers stay full: with 1,200 messages, one bucket holds less than a hundred, so all are compared."""
    chat(acme, 1200)
    chat(globex)
    tasks.train_codebooks()
    probing(20)
    spoil(acme)
    with pytest.raises(CommandError, match=r"Below 0\.9: acme\."):
        run("--minimum", "0.9")
    measured = gauge(operator)
    assert measured["minimum"] < 0.9
    assert measured["mean"] == pytest.approx((measured["minimum"] + 1) / 2)
    assert run("--minimum", "0").startswith("acme: recall@10 0.")
    assert run("--tenant", "globex").startswith("globex: recall@10 1.000")


def test_equally_near_messages_are_as_good_as_each_other(acme):
    remember(acme, *["the same words"] * 300)
    tasks.drain()
    tasks.train_codebooks()
    assert run("--queries", "5", "--k", "99").startswith("acme: recall@99 1.000 over 5 queries")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--k", "0"], "--k must be between 1 and 99"),
        (["--k", "100"], "--k must be between 1 and 99"),
        (["--queries", "0"], "--queries must be at least 1"),
        (["--minimum", "1.5"], "--minimum must be between 0 and 1"),
        (["--minimum", "nan"], "--minimum must be between 0 and 1"),
        (["--tenant", "nobody"], "There is no tenant 'nobody'"),
    ],
)
def test_what_cannot_be_is_refused(acme, arguments, sentence):
    chat(acme, 5)
    with pytest.raises(CommandError, match=sentence):
        run(*arguments)


def test_nothing_stored_is_nothing_to_say(acme):
    assert run() == ""


def test_beat_measures_each_large_tenant_once_a_day(acme, globex, operator):
    chat(acme)
    chat(globex, 10)
    tasks.train_codebooks()
    space = EmbeddingSpace.objects.get()
    assert recall.due_tenants(space) == [acme.id]
    tasks.measure_recall()
    [row] = VectorRecall.objects.all()
    assert (row.tenant_id, row.recall, row.k, row.queries) == (acme.id, 1.0, 10, 100)
    assert recall.due_tenants(space) == []
    VectorRecall.objects.update(measured_at=row.measured_at - timedelta(days=2))
    assert recall.due_tenants(space) == [acme.id]
    assert gauge(operator) == {"minimum": 1.0, "mean": 1.0}


def test_only_the_space_that_is_searched_counts(acme, operator):
    chat(acme)
    tasks.train_codebooks()
    tasks.measure_recall()
    space = space_for(Identity("mock", "hashed-words", 64))
    list(fill(space))
    tasks.drain()
    switch(space)
    assert gauge(operator) == {}
