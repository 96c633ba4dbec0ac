"""System checks of the installation as a whole."""

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Warning, register


def register_checks() -> None:
    """Called by the app's ready()."""
    register(check_open_access)


def check_open_access(**_: Any) -> list[CheckMessage]:
    """memory_layer.W001: anybody who reaches the port is an operator."""
    if not settings.ENV.open_access or settings.ENV.api_keys:
        return []
    hint = (
        "Fine on your own machine. Create a key (`manage.py create_key`) or set MEMORY_API_KEYS to close it."
    )
    return [Warning("Open access: no API key is asked for.", hint=hint, id="memory_layer.W001")]
