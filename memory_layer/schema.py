"""OpenAPI: what drf-spectacular cannot know by itself."""

from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.openapi import AutoSchema

from tenants import idempotency

PROBLEM = {
    "type": "object",
    "required": ["type", "title", "status", "detail", "request_id"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "request_id": {"type": "string"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["field", "message", "code"],
                "properties": {name: {"type": "string"} for name in ("field", "message", "code")},
            },
        },
    },
}
COMMON = {
    "400": "Bad input: `errors` names each field.",
    "401": "No valid API key.",
    "403": "The key lacks the scope, or belongs to another tenant; or a quota is used up.",
    "429": "A rate limit is reached; try again after `Retry-After` seconds.",
    "503": "The database cannot be reached; try again after `Retry-After` seconds.",
}
WRITING = {
    "409": "The request contradicts what is stored.",
    "413": "The body, or the batch, is larger than is allowed at once.",
    "415": "The body is not `application/json`.",
}
MISSING = {"404": "There is no such thing, or no such tenant."}


class ProblemAutoSchema(AutoSchema):
    """Documents the one shape of every error with every operation."""

    def get_summary(self) -> str | None:
        """The first line of the method's docstring, without its full stop."""
        return self.get_description().split("\n")[0].rstrip(".") or None

    def get_operation(self, *args: Any, **kwargs: Any) -> dict[str, Any] | None:
        """The operation with its problem responses."""
        operation = super().get_operation(*args, **kwargs)
        if operation:
            described = COMMON | MISSING | (WRITING if self.method in ("POST", "PATCH", "PUT") else {})
            parameters = operation.get("parameters", [])
            if any(parameter["name"] == idempotency.HEADER for parameter in parameters):
                described |= {"422": "The Idempotency-Key was used for another request."}
            for status, description in described.items():
                operation["responses"].setdefault(status, _problem(description))
        return operation


class KeyScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """The two ways to send a key."""

    target_class = "tenants.auth.KeyAuthentication"
    name = ["apiKey", "bearer"]

    def get_security_definition(self, auto_schema: Any) -> list[dict[str, Any]]:
        """X-API-Key, or Authorization: Bearer."""
        return [{"type": "apiKey", "in": "header", "name": "X-API-Key"}, {"type": "http", "scheme": "bearer"}]


def _problem(description: str) -> dict[str, Any]:
    return {"description": description, "content": {"application/problem+json": {"schema": PROBLEM}}}
