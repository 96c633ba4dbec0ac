"""The playground: a person searches as a client would, moves the weights, asks why, and saves them."""

import json
from uuid import uuid4

import pytest
from django.contrib.auth.models import User
from django.test import Client

from memories import recalls, tasks
from memories.models import MessageRecall
from memories.search import weights_of
from tenants.audit_event import AuditEvent
from tenants.models import Tenant
from tests.factories import remember
from tests.integration.test_admin import SCRIPT
from tests.integration.test_archive import archive_all
from tests.integration.test_people import enter as enter

PAGE, SEARCH = "/admin/playground/", "/admin/playground/search/"
WHY, WEIGHTS = "/admin/playground/why/", "/admin/playground/weights/"
ONE = {"similarity": 0.2, "importance": 0.7, "decay": 0.1, "half_life_days": 7}


def send(browser, path: str, **body):
    return browser.post(path, json.dumps(body), "application/json")


def ask(browser, query: str = "green tea", **more):
    return send(browser, SEARCH, tenant_id="acme", query=query, **more)


def fields_of(answer) -> list[str]:
    assert answer.status_code == 400, answer.content
    return [fault["field"] for fault in answer.json()["errors"]]


@pytest.fixture
def tea(acme):
    made = remember(
        acme, "I drink green tea", "The weather is fine", "Green tea is sold here", importance=0.4
    )
    tasks.drain()
    return made


def test_it_works(root, acme, tea):
    page = root.get(PAGE).content.decode()
    assert 'value="acme"' in page
    assert "<script>" not in page
    answer = ask(root).json()
    best = answer["results"][0]
    terms = [best["explain"][name] for name in ("similarity", "importance", "decay", "redundancy")]
    assert sum(term["weight"] * term["value"] for term in terms) == pytest.approx(best["score"])
    assert answer["explain"]["candidates"]["total"] == 3
    assert answer["explain"]["milliseconds"]["total"] > 0
    assert root.get(best["links"]["message"]).status_code == 200
    assert root.get(best["links"]["conversation"]).status_code == 200


def test_it_answers_as_the_api_does(root, bot, tea):
    body = {"query": "green tea", "weights": ONE, "explain": True}
    theirs = bot.post("/v1/memory/search", body).json()["results"]
    ours = ask(root, weights=ONE).json()["results"]
    assert [(hit["id"], round(hit["score"], 4)) for hit in ours] == [
        (hit["id"], round(hit["score"], 4)) for hit in theirs
    ]


def test_weights_rank_anew_and_change_nothing(root, acme, tea):
    remember(acme, "Remember: my flight is at nine", importance=1.0)
    plain = [hit["content"] for hit in ask(root).json()["results"]]
    assert "flight" not in plain[0]
    heavy = {"similarity": 0, "importance": 1, "decay": 0}
    assert "flight" in ask(root, weights=heavy).json()["results"][0]["content"]
    acme.refresh_from_db()
    assert acme.importance_weight is None


def test_filters_and_the_archive(root, acme, tea):
    archive_all(acme, *remember(acme, "green tea of old", conversation="old"))
    assert len(ask(root, include_archived=True, conversation_id="old").json()["results"]) == 1
    [hit] = ask(root, include_archived=True, conversation_id="old").json()["results"]
    assert hit["archived"]
    assert root.get(hit["links"]["message"]).status_code == 200
    assert ask(root, conversation_id="old").json()["results"] == []
    assert ask(root, metadata={"channel": "web"}).json()["results"] == []


def test_a_provider_that_is_down_is_told(root, tea, monkeypatch):
    from memories import search
    from memories.embeddings import EmbeddingError, Fault

    def down(*args, **options):
        raise EmbeddingError("no answer", fault=Fault.PROVIDER)

    monkeypatch.setattr(search, "embed", down)
    answer = ask(root).json()
    assert answer["degraded"]
    assert "did not answer" in answer["degraded_reason"]
    assert answer["results"]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"query": ""}, "query"),
        ({"top_k": 0}, "top_k"),
        ({"mode": "magic"}, "mode"),
        ({"since": "yesterday"}, "since"),
        ({"metadata": []}, "metadata"),
        ({"role": "nobody"}, "role"),
        ({"weights": {"decay": 2}}, "weights.decay"),
        ({"weights": {"similarity": 0, "importance": 0, "decay": 0}}, "weights"),
        ({"tenant_id": "nowhere"}, "tenant_id"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_bad_input_gets_a_sentence(root, acme, tea, body, field):
    answer = send(root, SEARCH, **{"tenant_id": "acme", "query": "tea"} | body)
    assert fields_of(answer) == [field]
    assert answer.json()["detail"].endswith(".")


@pytest.mark.parametrize("body", ["", "{", "[]", "7", '{"query": "\\ud800", "tenant_id": "acme"}'])
@pytest.mark.parametrize("path", [SEARCH, WHY, WEIGHTS])
def test_what_is_no_search_is_refused(root, acme, path, body):
    assert root.post(path, body, "application/json").status_code == 400


def test_why_a_message_is_not_in_the_answer(root, acme, tea):
    said = send(root, WHY, tenant_id="acme", query="green tea", top_k=1, message_id=str(tea[1].id)).json()
    assert said["verdict"] == "ranked_below"
    assert said["standing"]["rank"] > 1
    unknown = send(root, WHY, tenant_id="acme", query="tea", message_id=str(uuid4()))
    assert unknown.status_code == 404
    assert "no such message" in unknown.json()["detail"]
    assert fields_of(send(root, WHY, tenant_id="acme", query="tea", message_id="7")) == ["message_id"]


def test_weights_are_saved_and_noted(root, acme):
    assert send(root, WEIGHTS, tenant_id="acme", **ONE).json() == ONE
    assert vars(weights_of(Tenant.objects.get(name="acme"))) == ONE
    assert root.get(WEIGHTS, {"tenant_id": "acme"}).json() == ONE
    event = AuditEvent.objects.get(action="tenant.update")
    assert (event.actor_kind, event.actor, event.tenant_id) == ("admin", "root", acme.id)
    assert "similarity_weight" in event.changes["fields"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"similarity": 1.5},
        {"decay": None},
        {"half_life_days": 0},
        {"similarity": 0, "importance": 0, "decay": 0},
        {"importance": "much"},
    ],
)
def test_weights_that_are_none_are_refused(root, acme, wrong):
    answer = send(root, WEIGHTS, tenant_id="acme", **ONE | wrong)
    assert answer.status_code == 400
    acme.refresh_from_db()
    assert acme.similarity_weight is None


@pytest.mark.parametrize("name", ["nowhere", "a\0b", ""], ids=ascii)
def test_weights_of_nobody_are_refused(root, acme, name):
    answer = root.get(WEIGHTS, {"tenant_id": name})
    assert (answer.status_code, fields_of(answer)) == (400, ["tenant_id"])


def test_every_look_is_noted_and_none_is_a_recall(root, acme, tea):
    ask(root)
    event = AuditEvent.objects.get(action="content.view")
    assert (event.object_kind, event.changes, event.actor) == ("playground", {"rows": 3}, "root")
    send(root, WHY, tenant_id="acme", query="tea", message_id=str(tea[0].id))
    assert AuditEvent.objects.filter(object_id=str(tea[0].id)).count() == 1
    recalls.flush()
    assert not MessageRecall.objects.exists()


def test_support_searches_its_tenants_only(enter, acme, globex, tea):
    browser = enter("support", tenants=[acme])
    page = browser.get(PAGE).content.decode()
    assert "acme" in page
    assert "globex" not in page
    assert ask(browser).status_code == 200
    assert fields_of(send(browser, SEARCH, tenant_id="globex", query="tea")) == ["tenant_id"]
    assert send(browser, WEIGHTS, tenant_id="acme", **ONE).status_code == 403


def test_an_auditor_looks_and_does_not_save(enter, acme, tea):
    browser = enter("auditor")
    assert 'data-may-save="no"' in browser.get(PAGE).content.decode()
    assert ask(browser).status_code == 200
    refused = send(browser, WEIGHTS, tenant_id="acme", **ONE)
    assert refused.status_code == 403
    assert "permission" in refused.json()["detail"]


def test_who_may_not_see_messages_gets_nothing(client, acme, tea):
    client.force_login(User.objects.create(username="clerk", is_staff=True))
    assert client.get(PAGE).status_code == 403
    assert ask(client).status_code == 403


def test_strangers_and_keys_are_asked_to_log_in(bot, client, tea):
    assert client.get(PAGE).status_code == 302
    assert ask(client).status_code == 302
    assert bot.post(SEARCH, {"tenant_id": "acme", "query": "tea"}).status_code == 302


def test_a_page_from_elsewhere_cannot_ask(root, acme, tea):
    """A forged request has the session's cookie and no token."""
    strict = Client(enforce_csrf_checks=True)
    strict.cookies = root.cookies
    for path, body in ((SEARCH, {"query": "tea"}), (WEIGHTS, ONE)):
        answer = send(strict, path, tenant_id="acme", **body)
        assert answer.status_code == 403
        assert "CSRF" in answer.json()["detail"]


def test_texts_come_as_data_and_never_as_markup(root, acme):
    remember(acme, SCRIPT)
    answer = ask(root, "xylophone")
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.json()["results"][0]["content"] == SCRIPT


def test_a_search_asks_few_queries(root, acme, tea, django_assert_max_num_queries):
    ask(root)
    with django_assert_max_num_queries(16):
        ask(root)
