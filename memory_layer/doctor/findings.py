"""What the doctor says: one finding a thing that was looked at."""

from dataclasses import dataclass
from typing import Literal

# Wrong; worth knowing; fine.
Level = Literal["error", "warning", "ok"]


@dataclass(frozen=True, kw_only=True)
class Finding:
    """`area`: what was looked at; `says`: what is so; `mend`: what to do about it, empty where nothing is to do."""

    area: str
    level: Level
    says: str
    mend: str = ""


def ok(area: str, says: str) -> Finding:
    """As it should be."""
    return Finding(area=area, level="ok", says=says)


def warning(area: str, says: str, mend: str) -> Finding:
    """Works, and may not for long or not for everybody."""
    return Finding(area=area, level="warning", says=says, mend=mend)


def error(area: str, says: str, mend: str) -> Finding:
    """Wrong: somebody has to act."""
    return Finding(area=area, level="error", says=says, mend=mend)
