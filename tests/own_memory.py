"""What this process keeps in memory of its own."""

import re
from pathlib import Path

import pytest

_ROLLUP = Path("/proc/self/smaps_rollup")
readable = pytest.mark.skipif(not _ROLLUP.exists(), reason="NO /proc: the process's memory cannot be read")


def megabytes() -> float:
    """Anonymous memory."""
    found = re.search(r"^Anonymous:\s+(\d+) kB", _ROLLUP.read_text(encoding="utf-8"), re.MULTILINE)
    assert found
    return int(found[1]) / 1024
