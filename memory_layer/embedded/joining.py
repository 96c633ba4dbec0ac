"""Management commands beside a running `make run`: they use its servers without being told where they are."""

import json
from collections.abc import MutableMapping
from pathlib import Path

from dotenv import load_dotenv

from memory_layer.embedded.data_dir import DEFAULT, PROJECT_ROOT

URLS = ("MEMORY_DATABASE_URL", "MEMORY_REDIS_URL")


def read_dotenv() -> None:
    """The project's `.env`, for `make run` and its management commands alike; what the environment says wins."""
    load_dotenv(PROJECT_ROOT / ".env", override=False)


def join(environ: MutableMapping[str, str]) -> None:
    """Fill in what the environment leaves open from what `make run` wrote down; nothing runs: nothing happens."""
    data_dir = PROJECT_ROOT / Path(environ.get("MEMORY_DATA_DIR") or DEFAULT).expanduser()
    try:
        urls = json.loads((data_dir / "running.json").read_text(encoding="utf-8"))["urls"]
        secret = (data_dir / "secret-key").read_text(encoding="ascii").strip()
    except (OSError, ValueError, KeyError):
        return
    for name, value in {**urls, "MEMORY_SECRET_KEY": secret}.items():
        if value and not environ.get(f"{name}_FILE"):
            environ.setdefault(name, value)
