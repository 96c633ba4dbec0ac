"""Every operation of the OpenAPI document, called by the outsider with acme's ids: nothing seen, nothing changed.

Generated, so that an endpoint added later is in it without anybody thinking of it.
"""

import json
from typing import Any
from uuid import UUID

import pytest
from django.utils import timezone

from memories.models import EmbeddingJob, Message
from retention.models import LegalHold, RetentionPolicy, RetentionRun
from tenants.lifecycle import create_key
from tenants.models import ApiKey, Scope, Tenant
from tests.conftest import Api
from tests.factories import remember

MARKER = "xylophone-7391"
POLICY_ID, HOLD_ID, RUN_ID = 7391, 7392, UUID("01932c07-2f1c-7c3e-8f00-000000007391")
OWNED = (Message, EmbeddingJob, RetentionPolicy, LegalHold, RetentionRun)
METHODS = ("get", "post", "put", "patch", "delete")
# Safe to repeat, so it answers for a name of nobody too.
ERASURE = ("/v1/conversations/{conversation_id}", "delete")
PUBLIC = {"/openapi.json", "/docs", "/health/live", "/health/ready"}
BODIES: dict[str, Any] = {
    "/v1/messages": {"conversation_id": "acme-conv", "role": "user", "content": "x", "external_id": "acme-1"},
    "/v1/messages/{message_id}": {"content": "overwritten"},
    "/v1/memory/search": {"query": MARKER, "filters": {"external_id": "acme-1"}},
    "/v1/memory/explain": {"query": MARKER, "message_id": "{message_id}"},
    "/v1/memory/context": {"query": MARKER, "conversation_id": "acme-conv"},
    "/v1/admin/jobs/replay": {},
    "/v1/admin/retention/run": {},
    "/v1/admin/retention/preview": {},
    "/v1/admin/retention/explain": {"message_id": "{message_id}"},
    "/v1/admin/retention/restore": {"message_ids": ["{message_id}"]},
    "/v1/admin/retention/runs/{run_id}/restore": {},
    "/v1/admin/policies": {"name": "mine", "older_than_days": 1},
    "/v1/admin/policies/{policy_id}": {"enabled": False},
    "/v1/admin/holds": {"kind": "tenant", "reason": "none"},
    "/v1/admin/holds/{hold_id}/release": {},
    "/v1/admin/tenants": {"search_mode": "text"},
    "/v1/admin/tenants/{name}": {"search_mode": "text"},
    "/v1/admin/keys": {"scopes": ["read"]},
    "/v1/admin/keys/{prefix}/rotate": {},
}
BODIES["/v1/messages/batch"] = {"messages": [BODIES["/v1/messages"]]}


@pytest.fixture
def secret(acme, bot) -> Message:
    """What acme would not want anybody to see."""
    [message] = remember(
        acme,
        f"The code is {MARKER}",
        conversation="acme-conv",
        user_id="acme-user",
        external_id="acme-1",
        metadata={"secret": MARKER},
    )
    RetentionPolicy.objects.create(id=POLICY_ID, tenant=acme, name=MARKER, action="keep")
    begun = timezone.now()
    RetentionRun.objects.create(id=RUN_ID, tenant=acme, status="done", trigger=MARKER, decided_at=begun)
    LegalHold.objects.create(id=HOLD_ID, tenant=acme, kind="tenant", reason=MARKER, placed_by="x")
    return message


@pytest.fixture
def document(operator) -> dict[str, Any]:
    return operator.get("/openapi.json").json()


def operations(document: dict[str, Any]) -> list[tuple[str, str]]:
    return [
        (path, method) for path, item in document["paths"].items() for method in METHODS if method in item
    ]


def snapshot() -> list[Any]:
    rows = [*(model.objects.all() for model in OWNED), Tenant.objects.all()]
    keys = ApiKey.objects.filter(tenant__name="acme")  # the outsider's notes its use
    return [list(each.order_by("id").values()) for each in (*rows, keys)]


def filled(path: str, message: Message) -> str:
    names = {
        "message_id": message.id,
        "user_id": message.user_id,
        "conversation_id": message.conversation_id,
        "policy_id": POLICY_ID,
        "hold_id": HOLD_ID,
        "run_id": RUN_ID,
        "name": message.tenant.name,
        "prefix": ApiKey.objects.filter(tenant=message.tenant).values_list("prefix", flat=True)[0],
    }
    for name, value in names.items():
        path = path.replace("{" + name + "}", str(value))
    return path


def call(api, method: str, path: str, message: Message, tenant_id: str | None):
    """The operation with everything about the message in it, in its query string and, if it writes, its body."""
    params = {"query": MARKER} if path.endswith("/search") else {}
    if method == "get":
        return api.get(filled(path, message), **params, **({"tenant_id": tenant_id} if tenant_id else {}))
    url = filled(path, message) + (f"?tenant_id={tenant_id}" if tenant_id and "{" in path else "")
    if method == "delete":
        return api.delete(url)
    body = json.loads(filled(json.dumps(BODIES.get(path, {})), message)) | (
        {"tenant_id": tenant_id} if tenant_id and "{" not in path else {}
    )
    return api._send(method.upper(), url, body)


def content_of(answer) -> bytes:
    """Of a stream too."""
    return b"".join(answer.streaming_content) if answer.streaming else answer.content


def test_it_works(document):
    found = operations(document)
    assert ("/v1/messages/{message_id}", "delete") in found
    assert len(found) >= 8
    unknown = {path for path, method in found if method in ("post", "put", "patch")} - BODIES.keys()
    assert not unknown, f"give these paths a body in BODIES: {unknown}"


def test_an_outsider_naming_acme_is_refused_everywhere(outsider, secret, document):
    before = snapshot()
    for path, method in operations(document):
        answer = call(outsider, method, path, secret, "acme")
        if path not in PUBLIC:
            assert answer.status_code in (403, 404), (
                f"{method} {path}: {answer.status_code} {answer.content!r}"
            )
        assert MARKER.encode() not in answer.content, f"{method} {path}"
    assert snapshot() == before


def test_an_outsider_with_acmes_ids_reaches_nothing_of_acme(outsider, globex, secret, document):
    for path, method in operations(document):
        answer = call(outsider, method, path, secret, None)
        if (path, method) == ERASURE:
            assert (answer.status_code, answer.json()["counts"]) == (200, {}), (
                "nothing of that name was there"
            )
        elif "_id}" in json.dumps([path, BODIES.get(path)]):
            refusals = (403, 404) if path.startswith(("/v1/admin/", "/v1/users/")) else (404,)
            assert answer.status_code in refusals, f"{method} {path}: {answer.status_code}"
        assert MARKER.encode() not in answer.content, f"{method} {path}"
        assert str(secret.id).encode() not in answer.content, f"{method} {path}"
    secret.refresh_from_db()
    assert secret.content == f"The code is {MARKER}"
    assert EmbeddingJob.objects.filter(tenant_id=secret.tenant_id).count() == 1


def test_another_tenants_administrator_reaches_nothing_of_acme(globex, secret, document):
    administrator = Api(create_key(tenant=globex, scopes=Scope.values)[1])
    models = [*OWNED, ApiKey]
    before = [list(model.objects.filter(tenant=secret.tenant).values()) for model in models]
    for path, method in operations(document):
        for tenant_id in ("acme", None):
            answer = call(administrator, method, path, secret, tenant_id)
            if "{name}" in path or "{prefix}" in path:
                # What only operators may do tells nobody else what there is.
                refused = (403,) if (path, method) == ("/v1/admin/tenants/{name}", "delete") else (404,)
                assert answer.status_code in refused, f"{method} {path}: {answer.status_code}"
            if path not in PUBLIC and tenant_id:
                assert 400 <= answer.status_code < 500, f"{method} {path}: {answer.status_code}"
            assert MARKER.encode() not in content_of(answer), f"{method} {path}"
    assert [list(model.objects.filter(tenant=secret.tenant).values()) for model in models] == before
    assert Tenant.objects.get(name="acme").search_mode == ""


def test_a_missing_and_a_foreign_message_get_the_same_answer(outsider, secret):
    for send in (
        lambda key: outsider.get(f"/v1/messages/{key}"),
        lambda key: outsider.delete(f"/v1/messages/{key}"),
        lambda key: outsider.patch(f"/v1/messages/{key}", {"pinned": True}),
        lambda key: outsider.post("/v1/memory/explain", {"query": "code", "message_id": key}),
    ):
        foreign, missing = (
            send(key).json() for key in (str(secret.id), "01932c07-2f1c-7c3e-8f00-000000000001")
        )
        assert foreign["status"] == 404
        assert foreign | {"request_id": ""} == missing | {"request_id": ""}


def test_an_outsiders_own_rows_never_hold_acmes(outsider, globex, secret):
    mine = remember(globex, f"I know nothing of {MARKER[:9]}", conversation="acme-conv", external_id="acme-1")
    listed = outsider.get("/v1/messages", conversation_id="acme-conv").json()["messages"]
    assert [row["id"] for row in listed] == [str(mine[0].id)]
    for mode in ("hybrid", "vector", "text"):
        answer = outsider.get("/v1/memory/search", query=f"code {MARKER}", mode=mode, explain="true")
        assert [hit["id"] for hit in answer.json()["results"]] in ([], [str(mine[0].id)])
        assert "The code is" not in answer.content.decode()


def test_a_cursor_of_acme_shows_an_outsider_only_its_own(bot, outsider, acme, globex):
    remember(acme, "one", "two", MARKER)
    remember(globex, "mine")
    cursor = bot.get("/v1/messages", limit=1).json()["next"]
    answer = outsider.get("/v1/messages", cursor=cursor)
    assert MARKER not in answer.content.decode()
    assert all(row["content"] == "mine" for row in answer.json()["messages"])


def test_one_external_id_in_two_tenants_is_two_messages(outsider, globex, secret):
    body = BODIES["/v1/messages"]
    first, again = outsider.post("/v1/messages", body), outsider.post("/v1/messages", body)
    assert first.status_code == again.status_code == 201
    assert first.json()["id"] == again.json()["id"] != str(secret.id)
    assert Message.objects.for_tenant(globex.id).count() == 1
