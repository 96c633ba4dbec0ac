"""What embedding costs: tokens counted or estimated, shared out by tenant, priced, added up by the day."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from decimal import Decimal

import pytest
from django.db import IntegrityError, connection, transaction

from memories import costs
from memories.models import EmbeddingSpace, EmbeddingUsage
from memories.reembedding import drop
from tenants.models import Tenant
from tests.at_once import at_once, somebody_waits, uncommitted, until


@pytest.fixture
def space(db) -> EmbeddingSpace:
    return EmbeddingSpace.objects.create(provider="openai", model="text-embedding-3-small", dimensions=1024)


def account() -> dict[str, tuple[int, int, int]]:
    rows = EmbeddingUsage.objects.select_related("tenant")
    return {row.tenant.name: (row.tokens, row.calls, row.cost_micro_usd) for row in rows}


@pytest.fixture
def priced(settings):
    """priced(2.5): USD per million tokens."""

    def change(price: float | None) -> None:
        settings.ENV = settings.ENV.model_copy(update={"embedding_price_per_million_tokens": price})

    return change


def test_it_works(acme, globex, space, priced):
    priced(1.0)
    rows = [(globex.id, "x" * 30), (acme.id, "x" * 31), (acme.id, "é")]
    costs.record(rows, space=space, calls=1)
    costs.record(rows[:1], space=space, calls=2)
    assert account() == {"acme": (12, 1, 12), "globex": (20, 3, 20)}


def test_the_providers_own_count_is_divided_and_nothing_of_it_lost(acme, globex, space):
    costs.record([(acme.id, "x" * 30), (globex.id, "x" * 60)], space=space, calls=1, tokens=100)
    assert {name: tokens for name, (tokens, _, _) in account().items()} == {"acme": 33, "globex": 67}


@pytest.mark.parametrize("total", [0, 1, 2, 7, 100, 300_000])
@pytest.mark.parametrize("estimates", [{1: 1}, {1: 1, 2: 1, 3: 1}, {1: 0, 2: 5}, {5: 1, 4: 1000, 3: 7}])
def test_shares_add_up_and_are_fair(estimates, total):
    shares = costs.divided(estimates, total)
    assert sum(shares.values()) == total
    for tenant_id, estimate in estimates.items():
        assert abs(shares[tenant_id] - total * estimate / sum(estimates.values())) < 1


def test_nothing_counted_for_nothing(acme, space):
    costs.record([], space=space, calls=0)
    costs.record([(acme.id, "")], space=space, calls=1, tokens=0)
    assert account() == {"acme": (0, 1, 0)}
    assert costs.divided({}, 5) == {}


def test_a_long_text_counts_as_far_as_it_is_sent(acme, space):
    costs.record([(acme.id, "x" * 65_536)], space=space, calls=1)
    assert account()["acme"][0] == 8192


@pytest.mark.parametrize(
    ("model", "own", "price"),
    [
        ("text-embedding-3-small", None, "0.02"),
        ("text-embedding-3-large", None, "0.13"),
        ("l2_supercat", None, "0"),
        ("l2_supercat", 0.5, "0.5"),
        ("text-embedding-3-large", 0.0, "0"),
    ],
)
def test_prices(priced, model, own, price):
    priced(own)
    assert costs.price_of(model) == Decimal(price)


def test_batches_worth_less_than_a_millionth_add_up(acme, space):
    """5 tokens at 0.02 are 0.1 micro-USD: rounded one by one, a thousand of them would be free."""
    for _ in range(1000):
        costs.record([(acme.id, "x" * 15)], space=space, calls=1)
    assert account() == {"acme": (5000, 1000, 100)}


def test_a_new_price_does_not_touch_what_was_counted(acme, space, priced):
    for price in (1.0, 3.0):
        priced(price)
        costs.record([(acme.id, "x" * 300)], space=space, calls=1)
    assert account()["acme"] == (200, 2, 400)


def test_each_day_and_each_space_has_its_own_row(acme, space):
    other = EmbeddingSpace.objects.create(provider="openai", model="text-embedding-3-large", dimensions=1024)
    for each in (space, other):
        costs.record([(acme.id, "one")], space=each, calls=1)
    EmbeddingUsage.objects.update(day=date(2026, 1, 1))
    costs.record([(acme.id, "one")], space=space, calls=1)
    assert EmbeddingUsage.objects.count() == 3


def test_a_deleted_tenant_is_passed_over_and_takes_its_account_along(acme, globex, space):
    rows = [(acme.id, "one"), (globex.id, "one")]
    costs.record(rows, space=space, calls=1)
    Tenant.objects.get(name="acme").delete()
    costs.record(rows, space=space, calls=1)
    assert account() == {"globex": (2, 2, 0)}


@pytest.mark.django_db(transaction=True)
def test_a_tenant_deleted_in_this_very_moment_breaks_no_worker(space, monkeypatch):
    """As if it was there when the statement looked: its foreign key is checked at the commit."""
    monkeypatch.setattr(
        costs, "_ADD", costs._ADD.replace("JOIN tenants_tenant ON tenants_tenant.id = new.tenant_id", "")
    )
    costs.record([(7_777_777, "one")], space=space, calls=1)
    assert account() == {}


@pytest.mark.django_db(transaction=True)
def test_a_tenant_deleted_at_the_commit_takes_nobody_elses_share_along(acme, globex, space):
    rows = [(acme.id, "one"), (globex.id, "one")]
    with uncommitted(acme.delete) as commit, ThreadPoolExecutor(1) as pool:
        recorded = pool.submit(at_once, lambda: costs.record(rows, space=space, calls=1))
        until(somebody_waits)
        commit()
        recorded.result()
    assert account() == {"globex": (1, 1, 0)}


def test_the_account_outlives_a_dropped_space(acme, space):
    costs.record([(acme.id, "one")], space=space, calls=1)
    drop(space)
    assert not EmbeddingSpace.objects.filter(id=space.id).exists()
    assert account()["acme"][0] == 1


@pytest.mark.parametrize("column", ["tokens", "calls", "cost_micro_usd"])
def test_the_database_refuses_a_negative_account(acme, space, column):
    costs.record([(acme.id, "one")], space=space, calls=1)
    with pytest.raises(IntegrityError), transaction.atomic():
        EmbeddingUsage.objects.update(**{column: -1})


@pytest.mark.django_db(transaction=True)
def test_workers_beside_each_other_lose_nothing(acme, globex, space):
    rows = [(acme.id, "one"), (globex.id, "one")]

    def work(mine: list[tuple[int, str]]) -> None:
        for _ in range(50):
            costs.record(mine, space=space, calls=1)
        connection.close()

    threads = [threading.Thread(target=work, args=[each]) for each in (rows, rows[::-1])]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {name: row[:2] for name, row in account().items()} == {"acme": (100, 100), "globex": (100, 100)}
