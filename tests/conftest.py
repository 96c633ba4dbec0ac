"""The cast: acme's bot writes and reads, acme's reader only reads, acme's manager administers it, globex's bot is the
outsider, the operator runs the installation. Everybody knows them."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import hypothesis
import pytest
from django.contrib.auth import get_user_model
from django.core.cache import cache
from django.db import connection
from django.test import Client
from django.test.client import ClientHandler

from memories import activity, caching, later, query_costs, recalls, reembedding, spaces, tasks
from tenants import actors, isolation, remembered, shared_redis, ttl_cache
from tenants.lifecycle import create_key
from tenants.models import Tenant
from tests.factories import TenantFactory
from tests.stack import Stack, running_stack

# A deadline measures the machine: nothing here is judged by its time.
hypothesis.settings.register_profile("untimed", deadline=None)
hypothesis.settings.load_profile("untimed")

# One for all clients: WhiteNoise looks at every static file whenever the middleware is made anew.
HANDLER = ClientHandler(enforce_csrf_checks=False)


@dataclass
class Api:
    """A client that speaks JSON with somebody's key; no key: a stranger."""

    key: str | None = None

    def __post_init__(self) -> None:
        self.client = Client(raise_request_exception=False)
        self.client.handler = HANDLER

    def get(self, path: str, **params: Any):
        return self.client.get(path, params, **self._headers())

    def post(self, path: str, body: Any, **headers: str):
        return self._send("POST", path, body, **headers)

    def patch(self, path: str, body: Any):
        return self._send("PATCH", path, body)

    def delete(self, path: str):
        return self.client.delete(path, **self._headers())

    def _send(self, method: str, path: str, body: Any, **headers: str):
        data = body if isinstance(body, str | bytes) else json.dumps(body)
        return self.client.generic(
            method, path, data, "application/json", headers=headers or None, **self._headers()
        )

    def _headers(self) -> dict[str, str]:
        return {"HTTP_X_API_KEY": self.key} if self.key else {}


def secret_of(key: str) -> str:
    """The part of a key that nobody may see."""
    return key.split("_", 2)[-1]


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup):
    """Between tests that commit, Django empties all tables, which only their owner may, and the audit trail's not even
    that one: it is opened and closed again."""
    operations, flush = connection.ops, connection.ops.sql_flush
    trigger = "ALTER TABLE tenants_auditevent {} TRIGGER append_only"
    operations.sql_flush = lambda *args, **options: [
        "SET ROLE NONE",
        trigger.format("DISABLE"),
        *flush(*args, **options),
        trigger.format("ENABLE"),
        f"SET ROLE {isolation.WORKER_ROLE}",
    ]


@pytest.fixture(autouse=True)
def _fresh_cache():
    """Redis and this process's memory are shared by all tests; an outage that a test made must not outlast it."""
    cache.clear()
    remembered.forget()
    actors._ACTOR.set(None)
    spaces.forget_active_space()
    shared_redis.forget_outage()
    caching._missed.clear()
    tasks.forget_awake()


@pytest.fixture
def configure(settings) -> Callable[..., None]:
    """configure(embedding_provider="openai"): the environment with that in it."""

    def change(**values: Any) -> None:
        settings.ENV = settings.ENV.model_copy(update=values)

    return change


@pytest.fixture
def redis_client():
    """Redis as it is behind the cache."""
    return cache._cache.get_client()


@pytest.fixture
def let_pass(monkeypatch) -> Callable[[float], None]:
    """let_pass(5): for the process's memory, so many seconds later."""

    def shift(seconds: float) -> None:
        now = ttl_cache.monotonic
        monkeypatch.setattr(ttl_cache, "monotonic", lambda: now() + seconds)

    return shift


@pytest.fixture(autouse=True)
def _no_wait(monkeypatch):
    """The only process here forgets at once."""
    monkeypatch.setattr(reembedding, "REMEMBERED_SECONDS", 0.0)


@pytest.fixture(autouse=True)
def _no_threads(monkeypatch):
    """What requests leave for later is done when a test says so, not beside the next one."""
    monkeypatch.setattr(later.Later, "wake", lambda _: None)
    activity._pending.clear()
    recalls._pending.clear()
    query_costs._pending.clear()


@pytest.fixture(autouse=True)
def hints(monkeypatch):
    """The Celery messages that would have been sent: no worker runs here."""
    sent: list[dict[str, Any]] = []
    monkeypatch.setattr(tasks.embed_pending, "apply_async", lambda **options: sent.append(options))
    return sent


@pytest.fixture
def outage(settings, tmp_path):
    """with outage(): Redis cannot be reached; what it holds stays."""

    class Outage:
        def __enter__(self) -> None:
            self.before = settings.CACHES
            url = f"unix://{tmp_path}/closed.sock?db=0"
            settings.CACHES = {"default": {**self.before["default"], "LOCATION": [url]}}

        def __exit__(self, *_: object) -> None:
            settings.CACHES = self.before
            shared_redis.forget_outage()  # as if the quiet time was over

    return Outage


@pytest.fixture
def acme(db) -> Tenant:
    return TenantFactory(name="acme")


@pytest.fixture
def globex(db) -> Tenant:
    return TenantFactory(name="globex")


@pytest.fixture
def bot(acme) -> Api:
    return Api(create_key(tenant=acme, scopes=["read", "write"])[1])


@pytest.fixture
def reader(acme) -> Api:
    return Api(create_key(tenant=acme, scopes=["read"])[1])


@pytest.fixture
def outsider(globex) -> Api:
    return Api(create_key(tenant=globex, scopes=["read", "write"])[1])


@pytest.fixture
def manager(acme) -> Api:
    """Acme's own administrator."""
    return Api(create_key(tenant=acme, scopes=["read", "write", "admin"])[1])


@pytest.fixture
def operator(db) -> Api:
    return Api(create_key(tenant=None, scopes=["read", "write", "admin"])[1])


@pytest.fixture
def stranger(db) -> Api:
    return Api()


@pytest.fixture
def root(db) -> Client:
    """A browser in which the superuser is logged in."""
    client = Client()
    client.handler = HANDLER
    client.force_login(get_user_model().objects.create(username="root", is_staff=True, is_superuser=True))
    return client


@pytest.fixture(scope="session")
def stack() -> Iterator[Stack]:
    """A whole `make run` from nothing, shared: a start takes seconds. Each test asks for `up()` itself, so they
    run in any order.

    The short lease lets the jobs of a killed worker be taken over while a test waits.
    """
    with running_stack(first_start=True, MEMORY_EMBEDDING_LEASE_SECONDS="5") as stack:
        yield stack
