"""Is it well? `live`: the process answers. `ready`: it can serve. `/v1/admin/health`: one row a part."""

import time
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import redis
from django.conf import settings
from django.core.cache import cache
from django.core.checks import Error
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, JsonResponse
from django.utils import timezone
from django_celery_beat.models import PeriodicTask
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from memories import backlog, caching, costs
from memories.checks import check_database, check_provider
from memories.embeddings import EmbeddingError, breaker, stand_in
from memories.embeddings.registry import is_remote
from memories.spaces import active_space, identity_of
from memory_layer.celery_settings import LATE_SECONDS
from memory_layer.drain import draining
from tenants import shared_redis
from tenants.models import Scope

Part = dict[str, Any]
BACKLOG_LATE_SECONDS = 300
_migrated = False


def live(_: HttpRequest) -> JsonResponse:
    """200 as long as the process answers; asks nothing of the servers behind it."""
    return JsonResponse({"status": "ok"})


def ready(_: HttpRequest) -> JsonResponse:
    """200 if requests can be served: database reachable and migrated, no stop ahead. Redis is not needed to serve."""
    part = _guarded("database", _database) if not draining() else {"ok": False, "detail": "About to stop."}
    status = 200 if part["ok"] else 503
    headers = {} if part["ok"] else {"Retry-After": "2"}
    return JsonResponse(
        {"status": "ok" if part["ok"] else "unavailable", **part}, status=status, headers=headers
    )


class HealthView(APIView):
    """For operators."""

    scopes = {"GET": Scope.ADMIN}
    operators_only = True

    @extend_schema(responses={200: OpenApiTypes.OBJECT, 503: OpenApiTypes.OBJECT})
    def get(self, request: Request) -> Response:
        """One row a part; 503 if any of them is not well."""
        parts = look()
        well = all(part["ok"] for part in parts)
        return Response({"status": "ok" if well else "degraded", "parts": parts}, status=200 if well else 503)


def look() -> list[Part]:
    """Every part as it is now: `part`, `ok`, and what there is to say of it."""
    return [_guarded(name, probe) for name, probe in PARTS.items()]


def _guarded(name: str, probe: Callable[[], Part]) -> Part:
    try:
        return {"part": name} | probe()
    except DatabaseError as error:
        return {
            "part": name,
            "ok": False,
            "detail": f"The database does not answer ({type(error).__name__}).",
        }
    except EmbeddingError as error:
        return {"part": name, "ok": False, "detail": f"The embedding provider is not set up: {error}."}
    except redis.RedisError as error:
        return {"part": name, "ok": False, "detail": f"Redis does not answer ({type(error).__name__})."}


def _database() -> Part:
    with connection.cursor() as cursor:
        cursor.execute("SHOW server_version")
        version = cursor.fetchone()[0]
    return (
        {"ok": True, "version": version}
        if _is_migrated()
        else {"ok": False, "detail": "Run `manage.py migrate`."}
    )


def _is_migrated() -> bool:
    """Asked until it is so once: migrations do not go away under a running process."""
    global _migrated
    if not _migrated:
        executor = MigrationExecutor(connection)
        _migrated = not executor.migration_plan(executor.loader.graph.leaf_nodes())
    return _migrated


def _pgvector() -> Part:
    with connection.cursor() as cursor:
        cursor.execute("SELECT extversion FROM pg_extension WHERE extname = 'vector'")
        found = cursor.fetchone()
    return {"ok": found is not None, "version": found[0] if found else None}


def _redis() -> Part:
    with redis.Redis.from_url(settings.ENV.redis_url, socket_timeout=1, socket_connect_timeout=1) as client:
        return {"ok": True, "version": client.info("server")["redis_version"]}


def _rate_limits() -> Part:
    """Whether requests can be counted just now, and what becomes of them if not."""
    on_outage = settings.ENV.rate_limit_on_outage
    if shared_redis.ask(_counts):
        return {"ok": True, "on_outage": on_outage}
    what = "requests of limited tenants are refused" if on_outage == "closed" else "no limit is enforced"
    return {"ok": False, "on_outage": on_outage, "detail": f"Redis does not count: {what}."}


def _counts() -> bool:
    """A write: a replica, or a Redis that is full, still answers reads."""
    cache.set("rate-limits", 1, timeout=1)
    return True


def _worker() -> Part:
    pulse = caching.last_pulse()
    age = None if pulse is None else round(time.time() - pulse, 1)
    return {"ok": age is not None and age < LATE_SECONDS, "last_seen_seconds": age}


def _beat() -> Part:
    last = (
        PeriodicTask.objects.filter(task="memories.tasks.sweep").values_list("last_run_at", flat=True).first()
    )
    age = None if last is None else (timezone.now() - last).total_seconds()
    return {"ok": age is not None and age < LATE_SECONDS, "last_seen_seconds": age and round(age, 1)}


def _provider() -> Part:
    """The set-up, and what the last calls said: a call of its own would cost money at every probe."""
    faults = check_provider() + check_database(databases=["default"])
    circuits = [] if any(isinstance(fault, Error) for fault in faults) else breakers()
    return {
        "ok": not any(isinstance(fault, Error) for fault in faults)
        and all(circuit["state"] == "closed" for circuit in circuits),
        "provider": settings.ENV.embedding_provider,
        "breaker": circuits,
        **({"detail": " ".join(f"{fault.msg} {fault.hint}" for fault in faults)} if faults else {}),
    }


def breakers() -> list[Part]:
    """Of the provider that is used and of its stand-in; those that never leave the process have none."""
    used = identity_of(active_space())
    identities = [identity for identity in (used, stand_in(used)) if identity and is_remote(identity)]
    return [{"provider": identity.provider} | asdict(breaker.state(identity)) for identity in identities]


def _jobs() -> Part:
    state = backlog.measure()
    late = state.oldest_age_seconds > BACKLOG_LATE_SECONDS
    return {
        "ok": not late,
        "backlog": state.open_jobs,
        "oldest_age_seconds": round(state.oldest_age_seconds, 1),
        "buried": state.buried_jobs,
        "tenants_over_budget": len(costs.over_budget()),
    }


PARTS: dict[str, Callable[[], Part]] = {
    "database": _database,
    "pgvector": _pgvector,
    "redis": _redis,
    "rate_limits": _rate_limits,
    "worker": _worker,
    "beat": _beat,
    "provider": _provider,
    "jobs": _jobs,
}
