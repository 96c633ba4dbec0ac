"""Every operation of the OpenAPI document, called by the outsider with acme's ids: nothing seen, nothing changed.

Generated, so that an endpoint added later is in it without anybody thinking of it.
"""

import json
from typing import Any

import pytest

from memories.models import EmbeddingJob, Message
from tests.factories import remember

MARKER = "xylophone-7391"
METHODS = ("get", "post", "put", "patch", "delete")
PUBLIC = {"/openapi.json", "/docs", "/health/live", "/health/ready"}
BODIES: dict[str, Any] = {
    "/v1/messages": {"conversation_id": "acme-conv", "role": "user", "content": "x", "external_id": "acme-1"},
    "/v1/messages/{message_id}": {"content": "overwritten"},
    "/v1/memory/search": {"query": MARKER, "filters": {"external_id": "acme-1"}},
    "/v1/memory/explain": {"query": MARKER, "message_id": "{message_id}"},
    "/v1/memory/context": {"query": MARKER, "conversation_id": "acme-conv"},
    "/v1/admin/jobs/replay": {},
}
BODIES["/v1/messages/batch"] = {"messages": [BODIES["/v1/messages"]]}


@pytest.fixture
def secret(acme) -> Message:
    """What acme would not want anybody to see."""
    [message] = remember(
        acme,
        f"The code is {MARKER}",
        conversation="acme-conv",
        user_id="acme-user",
        external_id="acme-1",
        metadata={"secret": MARKER},
    )
    return message


@pytest.fixture
def document(operator) -> dict[str, Any]:
    return operator.get("/openapi.json").json()


def operations(document: dict[str, Any]) -> list[tuple[str, str]]:
    return [
        (path, method) for path, item in document["paths"].items() for method in METHODS if method in item
    ]


def snapshot() -> list[Any]:
    return [list(Message.objects.order_by("id").values()), list(EmbeddingJob.objects.order_by("id").values())]


def filled(path: str, message: Message) -> str:
    names = {"message_id": message.id, "user_id": message.user_id, "conversation_id": message.conversation_id}
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
        if "{message_id}" in json.dumps([path, BODIES.get(path)]):
            assert answer.status_code == 404, f"{method} {path}: {answer.status_code}"
        assert MARKER.encode() not in answer.content, f"{method} {path}"
        assert str(secret.id).encode() not in answer.content, f"{method} {path}"
    secret.refresh_from_db()
    assert secret.content == f"The code is {MARKER}"
    assert EmbeddingJob.objects.filter(tenant_id=secret.tenant_id).count() == 1


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
