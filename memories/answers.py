"""Answers of searches as they are sent, remembered for a minute at most: see docs/caching.md.

What is made anew is noted as recalled.
"""

import json
from collections.abc import Callable, Mapping
from typing import Any

from django.conf import settings

from memories import activity, caching, metrics, recalls
from memories.embeddings import EmbeddingError
from memories.spaces import active_space
from tenants.models import Tenant
from tenants.requests import rendered


def remembered(*, tenant: Tenant, asked: Any, make: Callable[[], Mapping[str, Any]]) -> bytes:
    """The body for what was `asked` (JSON: which call, with all that was sent), as it was made before or is made now.

    Made anew for every tenant, after every write of the tenant, for other settings and another embedding space. A body
    that says `degraded` is not remembered; one with an `explain` says there whether it was. Raises what `make` raises.
    """
    seconds = settings.ENV.search_cache_seconds
    question = _question(tenant, asked) if seconds else None
    if question is None:
        return _made(tenant, make, "off")[0]
    kept = caching.kept_answer(tenant_id=tenant.id, question=question)
    if kept.body is not None:
        metrics.SEARCH_CACHE.labels("hit").inc()
        activity.note_cached()
        return kept.body
    sent, body = _made(tenant, make, "unavailable" if kept.version is None else "miss")
    if kept.version is not None and not body.get("degraded"):
        caching.keep_answer(
            tenant_id=tenant.id,
            question=question,
            version=kept.version,
            body=rendered(_said_to_be_cached(body)) if "explain" in body else sent,
            seconds=seconds,
        )
    return sent


def _question(tenant: Tenant, asked: Any) -> str | None:
    """Everything that shapes the answer; None where there is no embedding space to name.

    The whole row of the tenant: a setting added to it later must not be forgotten here.
    """
    env, fields = settings.ENV, tenant._meta.concrete_fields
    installation = [env.weight_similarity, env.weight_importance, env.weight_decay, env.half_life_days]
    try:
        space_id = active_space().id
    except EmbeddingError:
        return None
    own = [getattr(tenant, field.attname) for field in fields]
    return json.dumps([asked, own, installation, space_id], sort_keys=True, default=str)


def _made(
    tenant: Tenant, make: Callable[[], Mapping[str, Any]], result: str
) -> tuple[bytes, Mapping[str, Any]]:
    metrics.SEARCH_CACHE.labels(result).inc()
    body = make()
    recalls.note(tenant_id=tenant.id, message_ids=[hit["id"] for hit in body["results"]])
    return rendered(body), body


def _said_to_be_cached(body: Mapping[str, Any]) -> Mapping[str, Any]:
    return {**body, "explain": {**body["explain"], "cached": True}}
