"""Milliseconds of many calls."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Times:
    """Milliseconds."""

    taken: list[float] = field(default_factory=list)

    def take(self, call: Callable[[], Any]) -> Any:
        """Do it, and note how long it took."""
        started = time.perf_counter()
        result = call()
        self.taken.append((time.perf_counter() - started) * 1000)
        return result

    def percentile(self, share: float) -> float:
        """Nearest rank."""
        return sorted(self.taken)[math.ceil(share * len(self.taken)) - 1]

    def __str__(self) -> str:
        return ", ".join(f"p{share} {self.percentile(share / 100):.1f}" for share in (50, 95, 99)) + " ms"
