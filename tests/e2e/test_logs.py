"""What a whole installation logs when it says all it can: JSON, keys of docs/monitoring.md, and nobody's words."""

import json
import sys
import urllib.error
import urllib.parse
import urllib.request
from typing import Any

import psycopg
import pytest
from pytest_httpserver import HTTPServer

from tests.fake_provider import DIMENSIONS, MODEL, FakeProvider
from tests.log_lines import lines_of, listed_keys
from tests.stack import Stack, running_stack

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks at /proc")

KEY, PROVIDER_KEY = "an-operator-s-key-7391", "a-provider-s-key-7391"
MARK = "xylophone-7391"
# Celery's own lines have whatever Celery gives them, which is only an event.
CELERY = {"celery", "kombu", "py", "django_celery_beat", "django", "asyncio"}


def ask(stack: Stack, method: str, path: str, body: Any = None, key: str = KEY) -> int:
    data = None if body is None else json.dumps(body).encode()
    headers = {"Content-Type": "application/json", "X-API-Key": key, "X-Request-ID": "asked-by-the-test"}
    request = urllib.request.Request(stack.address() + path, data=data, headers=headers, method=method)
    try:
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=30) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code


def change(stack: Stack, statement: str) -> None:
    with psycopg.connect(stack.noted()["urls"]["MEMORY_DATABASE_URL"]) as connection:
        connection.execute(statement)


def embedded(stack: Stack) -> bool:
    return stack.sql("SELECT count(*) FROM memories_embeddingjob WHERE buried_at IS NULL") == [(0,)]


def test_all_of_it(httpserver: HTTPServer) -> None:
    fake = FakeProvider(httpserver)
    fake.orders = [500, "html"]
    fake.refused = "refused"
    settings = {
        "MEMORY_API_KEYS": KEY,
        "MEMORY_EMBEDDING_PROVIDER": "openai_compatible",
        "MEMORY_EMBEDDING_BASE_URL": f"{fake.url}/v1",
        "MEMORY_EMBEDDING_MODEL": MODEL,
        "MEMORY_EMBEDDING_DIMENSIONS": str(DIMENSIONS),
        "MEMORY_EMBEDDING_API_KEY": PROVIDER_KEY,
        "MEMORY_LOG_LEVEL": "DEBUG",
        "CELERY_QUIET": "true",
        "MEMORY_WEB_WORKERS": "1",
    }
    query = urllib.parse.urlencode({"tenant_id": "acme", "query": MARK})
    said = {"tenant_id": "acme", "conversation_id": MARK, "role": "user", "content": MARK}
    with running_stack(**settings) as stack:
        assert ask(stack, "POST", "/v1/messages", said) == 201
        assert ask(stack, "POST", "/v1/messages", said | {"content": f"{MARK} is refused"}) == 201
        stack.wait(lambda: embedded(stack), "embedding", seconds=60)
        assert ask(stack, "GET", f"/v1/memory/search?{query}") == 200
        assert ask(stack, "GET", f"/v1/memory/search?{query}&{MARK}={MARK}") == 400
        assert ask(stack, "GET", f"/v1/memory/search?{query}", key=f"mlk_{MARK}") == 401
        change(stack, "ALTER TABLE memories_message RENAME COLUMN content TO gone")
        assert ask(stack, "POST", "/v1/messages", said) == 500
        change(stack, "ALTER TABLE memories_message RENAME COLUMN gone TO content")
        stack.wait(lambda: caused(stack) >= {"task", "embedding_failed"}, "the request's task", seconds=90)
        logs = {name: log_of(stack, name) for name in ("web", "worker", "beat")}
    for text in logs.values():
        for secret in ("xylophone", KEY, PROVIDER_KEY, 'embedding": ['):
            assert secret not in text
    lines = {name: lines_of(text) for name, text in logs.items()}
    asked = [line for line in lines["web"] if line["event"] == "request" and line["level"] != "debug"]
    assert [line["status"] for line in asked] == [201, 201, 200, 400, 401, 500]
    assert {line["key"] for line in asked if line["status"] != 401} == {"operator"}
    keys = {
        key
        for name in lines
        for line in lines[name]
        for key in line
        if line["logger"].partition(".")[0] not in CELERY
    }
    assert keys <= listed_keys()


def caused(stack: Stack) -> set[str]:
    """The events in the worker's log that the test's requests caused."""
    lines = [line for line in log_of(stack, "worker").splitlines() if '"asked-by-the-test"' in line]
    return {json.loads(line)["event"] for line in lines}


def log_of(stack: Stack, name: str) -> str:
    return (stack.data_dir / "logs" / f"{name}.log").read_text(encoding="utf-8")
