"""The machine that this runs on: its disk, and what must lie on it."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from django.conf import settings

from memory_layer.doctor.findings import Finding, error, ok, warning

LOW_BYTES, NONE_BYTES = 2 * 1024**3, 200 * 1024**2
# Reading so many at each scrape takes about a second.
MANY_FILES = 2000


def disk() -> Iterator[Finding]:
    """Where the embedded servers and the logs are, or else where the program is."""
    place = Path(settings.ENV.data_dir)
    place = place if place.exists() else settings.BASE_DIR
    free = shutil.disk_usage(place).free
    says = f"{free / 1024**3:.1f} GB are free on this machine's disk."
    if free < NONE_BYTES:
        yield error("disk", says, "Make room: PostgreSQL stops without any.")
    elif free < LOW_BYTES:
        yield warning("disk", says, "Make room before it is needed.")
    else:
        yield ok("disk", says)


def metrics_files() -> Iterator[Finding]:
    """Every process that ever ran has some, until the start of the next."""
    directory = os.environ.get("PROMETHEUS_MULTIPROC_DIR")
    if not directory:
        return
    if not os.access(directory, os.W_OK):
        yield error("metrics", "PROMETHEUS_MULTIPROC_DIR cannot be written to.", "Create it, or unset it.")
        return
    files = len(list(Path(directory).glob("*.db")))
    if files > MANY_FILES:
        yield warning("metrics", f"{files} files of metrics make scrapes slow.", "Restart: they begin anew.")
    else:
        yield ok("metrics", f"{files} files of metrics.")


def static_files() -> Iterator[Finding]:
    """Production serves what was collected."""
    if not settings.STATIC_ROOT:
        return
    if not (Path(settings.STATIC_ROOT) / "staticfiles.json").exists():
        yield error(
            "static files", "They were not collected: the admin fails.", "Run `manage.py collectstatic`."
        )
    else:
        yield ok("static files", "They were collected.")
