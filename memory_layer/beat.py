"""Beat's schedule, which a clock that was put back does not stop.

Celery waits until a task's last run is its interval ago. After a clock that was hours ahead is put right, as it is soon
after many a machine's start, that would be hours without any sweep.
"""

from datetime import datetime
from typing import Any

from django_celery_beat.schedulers import DatabaseScheduler


class Scheduler(DatabaseScheduler):  # type: ignore[misc]  # it has no types
    """What was run later than now, was run now."""

    def tick(self, *args: Any, **options: Any) -> float:
        """Seconds until the next one. The entries are some ten, and in memory but for a look at what changed."""
        now = datetime.now(self.app.timezone)
        ahead = [entry for entry in self.schedule.values() if entry.last_run_at > now]
        for entry in ahead:
            entry.last_run_at = entry.model.last_run_at = now
        if ahead:
            self._heap = None  # it is ordered by moments of the wrong clock
        return float(super().tick(*args, **options))
