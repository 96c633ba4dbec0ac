"""The OpenAPI document and its page."""

import re
from typing import Any

import pytest
from drf_spectacular.drainage import GENERATOR_STATS
from drf_spectacular.generators import SchemaGenerator

from tests.answers import KEYS

METHODS = {"get", "post", "put", "patch", "delete"}
DOCUMENTED = {
    ("/v1/messages", "get"),
    ("/v1/messages", "post"),
    ("/v1/messages/batch", "post"),
    ("/v1/messages/{message_id}", "get"),
    ("/v1/messages/{message_id}", "patch"),
    ("/v1/messages/{message_id}", "delete"),
    ("/v1/conversations", "get"),
    ("/v1/conversations/{conversation_id}", "get"),
    ("/v1/conversations/{conversation_id}", "delete"),
    ("/v1/users/{user_id}", "delete"),
    ("/v1/users/{user_id}/export", "get"),
    ("/v1/admin/receipts", "get"),
    ("/v1/memory/search", "get"),
    ("/v1/memory/search", "post"),
    ("/v1/memory/explain", "post"),
    ("/v1/memory/context", "post"),
    ("/v1/admin/health", "get"),
    ("/v1/admin/policies", "get"),
    ("/v1/admin/policies", "post"),
    ("/v1/admin/policies/{policy_id}", "get"),
    ("/v1/admin/policies/{policy_id}", "patch"),
    ("/v1/admin/policies/{policy_id}", "delete"),
    ("/v1/admin/holds", "get"),
    ("/v1/admin/holds", "post"),
    ("/v1/admin/holds/{hold_id}/release", "post"),
    ("/v1/admin/jobs", "get"),
    ("/v1/admin/jobs/replay", "post"),
    ("/v1/admin/tenants", "get"),
    ("/v1/admin/tenants", "post"),
    ("/v1/admin/tenants/{name}", "get"),
    ("/v1/admin/tenants/{name}", "patch"),
    ("/v1/admin/keys", "get"),
    ("/v1/admin/keys", "post"),
    ("/v1/admin/keys/{prefix}", "get"),
    ("/v1/admin/keys/{prefix}", "delete"),
    ("/v1/admin/keys/{prefix}/rotate", "post"),
}


@pytest.fixture
def document(stranger) -> dict[str, Any]:
    answer = stranger.get("/openapi.json")
    assert answer.status_code == 200
    return answer.json()


def operations(document: dict[str, Any]) -> dict[tuple[str, str], dict[str, Any]]:
    paths = document["paths"].items()
    return {(path, method): item[method] for path, item in paths for method in item if method in METHODS}


def test_it_works(document):
    assert document["openapi"].startswith("3.1")
    assert operations(document).keys() >= DOCUMENTED


def test_generating_it_warns_of_nothing_and_names_every_operation_once(document):
    generator = SchemaGenerator()
    again = generator.get_schema(request=None, public=True)
    assert not GENERATOR_STATS._warn_cache
    assert not GENERATOR_STATS._error_cache
    names = [operation["operationId"] for operation in operations(again).values()]
    assert len(set(names)) == len(names)
    assert not any(name.endswith(("_2", "_3")) for name in names)


def test_every_operation_documents_its_problems(document):
    for key, operation in operations(document).items():
        for status in ("400", "401", "403", "503") if key[0] != "/v1/admin/health" else ("401", "403"):
            content = operation["responses"][status]["content"]["application/problem+json"]
            assert set(content["schema"]["required"]) == KEYS, key
        if key[1] in ("post", "patch"):
            assert operation["responses"].keys() >= {"409", "413", "415"}, key


def test_every_operation_says_what_it_does_and_asks_for_a_key(document):
    schemes = document["components"]["securitySchemes"]
    assert schemes["apiKey"] == {"type": "apiKey", "in": "header", "name": "X-API-Key"}
    assert schemes["bearer"] == {"type": "http", "scheme": "bearer"}
    for key, operation in operations(document).items():
        assert operation["description"], key
        assert operation["security"], key


def test_limits_are_documented(document):
    store = operations(document)["/v1/messages", "post"]["requestBody"]["content"]["application/json"]
    message = document["components"]["schemas"][store["schema"]["$ref"].rpartition("/")[2]]
    assert message["properties"]["conversation_id"]["maxLength"] == 255
    assert set(message["required"]) == {"conversation_id", "role", "content"}
    search = operations(document)["/v1/memory/search", "get"]
    [top_k] = [each for each in search["parameters"] if each["name"] == "top_k"]
    assert (top_k["schema"]["minimum"], top_k["schema"]["maximum"], top_k["schema"]["default"]) == (1, 100, 5)


def test_the_page_needs_nothing_from_elsewhere(stranger):
    page = stranger.get("/docs")
    assert page.status_code == 200
    script = stranger.get("/docs", script="")
    for text in (page.content.decode(), script.content.decode()):
        assert not re.search(r"(?:src|href|url)\s*[=:]\s*[\"'](?:https?:)?//", text)
    files = re.findall(r"(?:src|href)=\"(/static/[^\"]+)\"", page.content.decode())
    assert len(files) >= 3
    for path in files:
        answer = stranger.get(path)
        answer.close()
        assert answer.status_code == 200, path


def test_the_root_leads_to_the_page(stranger):
    assert stranger.get("/").headers["Location"] == "/docs"


def test_what_can_be_sent_twice_says_so(document):
    found = operations(document)
    for key in (("/v1/messages", "post"), ("/v1/messages/batch", "post")):
        assert {each["name"]: each["in"] for each in found[key]["parameters"]} == {
            "Idempotency-Key": "header"
        }
        assert "422" in found[key]["responses"]
    assert "422" not in found["/v1/memory/search", "post"]["responses"]
    assert "429" in found["/v1/memory/search", "get"]["responses"]
