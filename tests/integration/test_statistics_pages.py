"""The admin's two pages that only show: what the search index is made of, and what embedding costs."""

import pytest
from django.utils import timezone

from memories import lexicon
from memories.models import EmbeddingUsage, VectorRecall
from memories.spaces import active_space
from tests.factories import remember
from tests.integration.test_people import enter as enter  # a fixture

INDEX, COSTS = "/admin/statistics/index/", "/admin/statistics/costs/"


@pytest.fixture
def rows(acme, globex) -> None:
    remember(acme, "black tea", "green tea", "a train")
    remember(globex, "teapots of others")
    lexicon.fold_all()
    space, today = active_space(), timezone.now().date()
    for tenant, cost in ((acme, 1_500_000), (globex, 7_250_000)):
        EmbeddingUsage.objects.create(
            tenant=tenant, space=space, day=today, tokens=1000, calls=2, cost_micro_usd=cost
        )
        VectorRecall.objects.create(tenant=tenant, space=space, recall=0.97, k=10, queries=100)


def shown(browser, path: str, **params) -> str:
    answer = browser.get(path, params)
    assert answer.status_code == 200, answer
    return answer.content.decode()


def test_it_works(root, rows):
    page = shown(root, INDEX, tenant="acme", word="te")
    assert "<td>tea</td>" in page
    assert "<td>train</td>" not in page
    assert "0.970" in page
    assert "1.50" in shown(root, COSTS)


@pytest.mark.parametrize(
    "params", [{"tenant": "nobody"}, {"tenant": "a\0"}, {"tenant": "acme", "word": "'%_\0"}, {}]
)
def test_whatever_is_asked_it_opens(root, rows, params):
    shown(root, INDEX, **params)


def test_who_is_bound_sees_its_own(enter, rows, acme):
    browser = enter("auditor", "support", tenants=[acme])
    pages = shown(browser, INDEX, tenant="globex") + shown(browser, COSTS)
    assert "acme" in pages
    assert "<td>teapot</td>" not in pages
    assert ">globex<" not in pages
    assert "7.25" not in pages


def test_support_alone_may_not_see_them(enter, rows, acme):
    browser = enter("support", tenants=[acme])
    assert [browser.get(path).status_code for path in (INDEX, COSTS)] == [403, 403]


def test_a_stranger_is_asked_to_log_in(client, db):
    assert [client.get(path).status_code for path in (INDEX, COSTS)] == [302, 302]
