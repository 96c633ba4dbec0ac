"""Asking the doctor, for its tests."""

import io
import json
import time

from django.core.management import call_command
from django.utils import timezone
from django_celery_beat.models import IntervalSchedule, PeriodicTask

from memories import caching

PRODUCTION = {"env": "production", "allowed_hosts": ["memory.example.com"], "trusted_proxies": 1}


def all_is_well() -> None:
    """A worker and a beat that are alive."""
    caching.record_pulse(time.time())
    every = IntervalSchedule.objects.create(every=15, period=IntervalSchedule.SECONDS)
    PeriodicTask.objects.create(
        name="sweep", task="memories.tasks.sweep", interval=every, last_run_at=timezone.now()
    )


def ask(*options: str) -> tuple[int, str]:
    """The exit code and what was printed."""
    out = io.StringIO()
    try:
        call_command("doctor", *options, stdout=out, no_color=True)
    except SystemExit as stop:
        return int(stop.code), out.getvalue()
    return 0, out.getvalue()


def found(level: str) -> list[tuple[str, str, str]]:
    """(area, says, mend) of the findings of a level; the exit code must be that of the worst."""
    code, text = ask("--json")
    findings = json.loads(text)
    assert code == int(any(finding["level"] == "error" for finding in findings))
    assert all(finding["mend"] for finding in findings if finding["level"] != "ok")
    return [(each["area"], each["says"], each["mend"]) for each in findings if each["level"] == level]
