"""The admin's list of messages: newest first by place, filters that indexes serve, the product's own search."""

from datetime import timedelta
from urllib.parse import parse_qs

import pytest
from django.utils import timezone

from memories import browse, tasks
from memories.models import EmbeddingJob, Message
from tenants.audit_event import AuditEvent
from tests.factories import remember
from tests.integration.test_admin import url
from tests.integration.test_people import enter as enter  # a fixture

LIST = url(Message)


def said(browser, **params) -> list[str]:
    answer = browser.get(LIST, params)
    assert answer.status_code == 200, answer
    return [message.content for message in answer.context["cl"].result_list]


@pytest.fixture
def chat(acme, globex) -> None:
    """Of acme 120 messages, a minute apart, and one of globex between the newest two."""
    now = timezone.now()
    for n in range(120):
        remember(acme, f"turn {n}", created_at=now - timedelta(minutes=2 * (120 - n)), user_id="ann")
    remember(globex, "elsewhere", created_at=now - timedelta(minutes=3), conversation="other", role="tool")


def test_it_works(root, chat):
    assert said(root)[:3] == ["turn 119", "elsewhere", "turn 118"]


def test_every_message_is_on_one_page_and_both_ways_lead_there(root, chat):
    seen, way, params = [], [], {}
    while True:
        listed = root.get(LIST, params).context["cl"]
        seen.append([message.content for message in listed.result_list])
        way.append(listed.newer_url)
        if not listed.older_url:
            break
        params = {name: values[0] for name, values in parse_qs(listed.older_url[1:]).items()}
    assert list(map(len, seen)) == [50, 50, 21]
    assert len({content for page in seen for content in page}) == 121
    back = {name: values[0] for name, values in parse_qs(way[2][1:]).items()}
    assert said(root, **back) == seen[1]
    assert way[0] == ""
    assert (
        not root.get(LIST, {name: v[0] for name, v in parse_qs(way[1][1:]).items()}).context["cl"].newer_url
    )


def test_the_same_moment_loses_nobody_between_pages(root, acme):
    at = timezone.now()
    remember(acme, *map(str, range(70)), created_at=at)
    first = root.get(LIST).context["cl"]
    older = {name: values[0] for name, values in parse_qs(first.older_url[1:]).items()}
    assert len({*said(root), *said(root, **older)}) == 70


@pytest.mark.parametrize(
    ("params", "found"),
    [
        ({"conversation_id": "other"}, ["elsewhere"]),
        ({"conversation_id": "oth"}, []),
        ({"user_id": "ann", "role": "tool"}, []),
        ({"role": "tool"}, ["elsewhere"]),
        ({"state": "ready"}, []),
        ({"state": "failed"}, ["elsewhere"]),
        ({"pinned__exact": "1"}, ["elsewhere"]),
        ({"created_at_from": "2100-01-01"}, []),
        ({"created_at_to": "2000-01-01"}, []),
        ({"conversation_id": "other", "state": "pending"}, []),
    ],
)
def test_filters_leave_what_fits(root, chat, globex, params, found):
    Message.objects.filter(tenant=globex).update(pinned=True)
    EmbeddingJob.objects.filter(tenant=globex).update(buried_at=timezone.now())
    assert said(root, **params) == found


def test_a_day_holds_all_of_it(root, acme):
    for hour in (0, 23):
        remember(acme, f"hour {hour}", created_at=f"2026-03-05T{hour:02}:30:00Z")
    remember(acme, "next day", created_at="2026-03-06T00:00:00Z")
    assert said(root, created_at_from="2026-03-05", created_at_to="2026-03-05") == ["hour 23", "hour 0"]


def test_a_tenant_is_chosen(root, chat, globex):
    assert said(root, tenant=globex.pk) == ["elsewhere"]
    assert said(root, tenant=globex.pk, conversation_id="conv-1") == []
    assert said(root, tenant=987654321) == []


def test_with_a_tenant_the_box_is_the_products_own_search(root, acme, globex):
    remember(acme, "black tea is warm", "the train is late", "green tea and honey", conversation="c")
    remember(globex, "tea of others")
    tasks.drain()
    found = said(root, tenant=acme.pk, q="something about tea")
    assert set(found[:2]) == {"black tea is warm", "green tea and honey"}
    assert "tea of others" not in found
    assert said(root, tenant=acme.pk, q="tea", conversation_id="nowhere") == []
    assert "the best first" in root.get(LIST, {"tenant": acme.pk, "q": "tea"}).content.decode()


@pytest.mark.parametrize("column", ["id", "conversation_id", "user_id", "external_id"])
def test_without_a_tenant_the_box_finds_what_is_called_so(root, acme, globex, column):
    [message] = remember(acme, "this one", conversation="Conv-7", user_id="Ann", external_id="Ext-1")
    remember(globex, "another", conversation="conv-7", user_id="ann", external_id="ext-1")
    assert said(root, q=str(getattr(message, column))) == ["this one"]


def test_what_is_called_so_by_nobody_says_what_to_do(root, acme, globex):
    remember(acme, "tea")
    assert "Choose a tenant to search its texts" in root.get(LIST, {"q": "tea"}).content.decode()


@pytest.mark.parametrize(
    "params",
    [
        {"before": "x"},
        {"after": "bm8gcGxhY2U="},
        {"tenant": "x"},
        {"tenant": "-1"},
        {"tenant": "9" * 40},
        {"created_at_from": "yesterday"},
        {"conversation_id": "a\0b"},
        {"user_id": "\0"},
        {"q": "a\0b"},
        {"state": "burning"},
        {"role": "king"},
        {"pinned__exact": "maybe"},
        {"p": "7"},
        {"o": "1.-2"},
        {"all": ""},
    ],
)
def test_what_makes_no_sense_is_no_error_of_ours(root, acme, params):
    remember(acme, "one")
    assert root.get(LIST, params, follow=True).status_code == 200


def test_lookups_that_no_index_serves_are_refused(root, acme):
    assert root.get(LIST, {"content__contains": "a"}).status_code == 400


def test_who_is_bound_sees_its_own_whatever_is_asked(enter, chat, acme, globex):
    browser = enter("support", tenants=[globex])
    assert said(browser) == ["elsewhere"]
    assert said(browser, tenant=acme.pk) == []
    assert said(browser, conversation_id="conv-1") == []
    assert said(browser, tenant=acme.pk, q="turn") == []


def test_what_takes_too_long_is_stopped_and_says_what_to_do(root, acme, monkeypatch):
    remember(acme, "one")
    monkeypatch.setattr(browse, "SECONDS", 0.001)
    monkeypatch.setattr(browse, "_NEWEST", browse._NEWEST.replace("CROSS JOIN", ", pg_sleep(1) CROSS JOIN"))
    page = root.get(LIST)
    assert page.status_code == 200
    assert "was stopped" in page.content.decode()


def test_what_was_searched_for_can_be_chosen_and_deleted(root, acme):
    kept, gone = remember(acme, "the train is late", "green tea")
    tasks.drain()
    chosen = {"action": "delete_selected", "_selected_action": [str(gone.id)], "post": "yes"}
    assert root.post(f"{LIST}?tenant={acme.pk}&q=tea", chosen).status_code == 302
    assert list(Message.objects.all()) == [kept]


def test_a_page_is_noted_once_for_each_tenant_in_one_statement(root, chat, django_assert_max_num_queries):
    with django_assert_max_num_queries(15):
        root.get(LIST)
    events = AuditEvent.objects.filter(action="content.view", object_id="").order_by("tenant_id")
    assert [event.changes["rows"] for event in events] == [49, 1]


def test_a_search_asks_few_queries(root, acme, globex, django_assert_max_num_queries):
    remember(acme, *map(str, range(60)))
    tasks.drain()
    with django_assert_max_num_queries(15):
        root.get(LIST, {"q": "conv-1"})
    with django_assert_max_num_queries(20):
        root.get(LIST, {"tenant": acme.pk, "q": "seven"})
