"""What every refusal must look like (RFC 9457), in one place."""

from typing import Any

KEYS = {"type", "title", "status", "detail", "request_id"}


def problem_of(answer: Any, status: int, *, field: str | None = None) -> dict[str, Any]:
    """The body of a refusal, after its shape was checked; `field`: its errors name this one."""
    assert answer.status_code == status, f"{answer.status_code}: {answer.content[:500]!r}"
    assert answer["Content-Type"] == "application/problem+json"
    body = answer.json()
    assert set(body) - {"errors"} == KEYS, body
    assert body["status"] == status
    assert body["type"].startswith("urn:ai-memory-layer:problem:")
    assert body["request_id"] == answer["X-Request-ID"]
    assert body["detail"].strip()
    assert len(answer.content) < 100_000, "a refusal repeats what was sent"
    for error in body.get("errors", []):
        assert set(error) == {"field", "message", "code"}, error
    if field is not None:
        assert field in [error["field"] for error in body["errors"]], body["errors"]
    return body
