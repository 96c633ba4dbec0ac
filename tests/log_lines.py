"""Log lines as a collector would read them: one JSON object each, with keys that docs/monitoring.md lists."""

import io
import json
import logging
import re
from pathlib import Path
from typing import Any

from memory_layer.logging import logging_config

PAGE = Path(__file__).parents[1] / "docs" / "monitoring.md"


def lines_of(text: str) -> list[dict[str, Any]]:
    """Every line must be one."""
    return [json.loads(line) for line in text.splitlines() if line.strip()]


def handler_of(output: str) -> "logging.StreamHandler[io.StringIO]":
    """A handler as every process has it, that writes to memory."""
    config = logging_config(level="INFO", output=output)["formatters"]["structured"]
    handler = logging.StreamHandler(io.StringIO())
    handler.setFormatter(config.pop("()")(**config))
    return handler


def listed_keys() -> set[str]:
    """The keys in the page's table of keys."""
    section = PAGE.read_text(encoding="utf-8").split("\n## Logs")[1].split("\n## ")[0]
    rows = [line.split("|")[1] for line in section.splitlines() if line.startswith("| `")]
    return {key for row in rows for key in re.findall(r"`(\w+)`", row)}
