"""Made-up requests, right and wrong ones, to every operation of the OpenAPI document: it answers as the document says.

Here a few for each operation; `make fuzz` sends thousands. The same cases every time.
"""

import json
import os
from collections import Counter
from typing import Any

import pytest
import schemathesis
from django.core.wsgi import get_wsgi_application
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from retention.models import LegalHold, RetentionPolicy, RetentionRun
from tenants.lifecycle import create_key
from tenants.models import Scope
from tests.answers import KEYS
from tests.factories import remember

CASES = int(os.environ.get("FUZZ_CASES", "135"))
CHECKS = [status_code_conformance, content_type_conformance, response_schema_conformance]


@pytest.fixture
def callers(transactional_db, acme) -> list[str]:
    """Who may do everything in a tenant, and who may in all."""
    return [
        create_key(tenant=acme, scopes=Scope.values)[1],
        create_key(tenant=None, scopes=Scope.values)[1],
    ]


@pytest.fixture
def existing(acme, callers) -> dict[str, str]:
    """What the names in paths may stand for, so that requests get past "there is none"."""
    [message] = remember(acme, "The harbour opens at six", conversation="c-1", user_id="ann")
    run = RetentionRun.objects.create(
        tenant=acme, status="done", trigger="api", decided_at=message.created_at
    )
    policy = RetentionPolicy.objects.create(tenant=acme, name="old", action="archive", older_than_days=9)
    hold = LegalHold.objects.create(tenant=acme, kind="user", subject="bob", reason="case", placed_by="x")
    return {
        "message_id": str(message.id),
        "conversation_id": "c-1",
        "user_id": "ann",
        "run_id": str(run.id),
        "policy_id": str(policy.id),
        "hold_id": str(hold.id),
        "name": "acme",
        "prefix": create_key(tenant=acme, scopes=["read"])[0].prefix,
    }


def point(case: Any, existing: dict[str, str]) -> None:
    """Let the case speak of what there is."""
    for name in case.path_parameters or {}:
        case.path_parameters[name] = existing[name]
    if "tenant_id" in (case.query or {}):
        case.query["tenant_id"] = "acme"
    if isinstance(case.body, dict):
        case.body |= {
            name: [existing["message_id"]]
            if name == "message_ids"
            else {**existing, "tenant_id": "acme"}[name]
            for name in case.body.keys() & {*existing, "tenant_id", "message_ids"}
        }


def check(case: Any, answer: Any) -> None:
    unhealthy = case.path == "/v1/admin/health" and answer.status_code == 503  # no worker, no beat
    case.validate_response(answer, checks=CHECKS if unhealthy else [not_a_server_error, *CHECKS])
    if answer.status_code >= 400 and not unhealthy:
        assert answer.headers["content-type"] == ["application/problem+json"], answer.headers
        assert set(json.loads(answer.content)) - {"errors"} == KEYS, answer.content


def test_every_operation_answers_as_documented(callers, existing):
    document = schemathesis.openapi.from_wsgi("/openapi.json", get_wsgi_application())
    operations = [result.ok() for result in document.get_all_operations()]
    sent: Counter[int] = Counter()
    for operation in operations:

        @settings(
            max_examples=max(2, round(CASES / len(operations))),
            deadline=None,
            database=None,
            derandomize=True,
            suppress_health_check=list(HealthCheck),
        )
        @given(operation.as_strategy(), st.sampled_from(callers), st.booleans())
        def send(case: Any, key: str, pointed: bool) -> None:
            if pointed:
                point(case, existing)
            answer = case.call(headers={"X-API-Key": key})
            sent[answer.status_code] += 1
            check(case, answer)

        send()
    print(f"{sent.total()} requests to {len(operations)} operations: {dict(sorted(sent.items()))}")
    assert sent.total() >= CASES * 0.8
    assert {200, 201, 400, 403, 404} <= sent.keys(), "the made-up requests no longer get everywhere"
