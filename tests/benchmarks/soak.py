"""`make soak`: the mixed load for long, and whether memory, files, connections, dead rows or jobs grow meanwhile."""

import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, wait
from pathlib import Path

from tests.benchmarks import markdown
from tests.benchmarks.growth import Trend, trend
from tests.benchmarks.markdown import number
from tests.benchmarks.mixed import described, loaded_stack, report, start, together
from tests.benchmarks.mixed_client import Bounds, Seen
from tests.benchmarks.watching import ALLOWANCES, Watcher

NO_LIMIT = 10**9
SAMPLES = 20
LONGEST_INTERVAL_SECONDS = 60.0
SHOWN = ("web, MB", "worker, MB", "PostgreSQL, MB", "Redis, MB", "connections of PostgreSQL", "open jobs")

Samples = list[tuple[float, dict[str, float]]]
RULE = (
    "Growth is judged by the second half of the samples (the first fills caches, pools and buffers): it grows if the "
    "line through them (Theil and Sen) rises faster than the allowance and by more than the noise. Memory is what a "
    "process shares with nobody (Pss_Anon): all that a leak takes, and none of PostgreSQL's buffers."
)


def run(minutes: float, out: Path | None) -> bool:
    """Publish the tables; whether nothing grew and no request failed."""
    circumstances = markdown.circumstances()
    with loaded_stack() as stack, Watcher(stack) as watcher:
        resident, stored = [watcher.resident_megabytes()], [watcher.database_megabytes()]
        running = start(stack, Bounds(minutes * 60, NO_LIMIT))
        samples = _watch(watcher, running, min(LONGEST_INTERVAL_SECONDS, minutes * 60 / SAMPLES))
        seen = together([each.result() for each in running])
        resident.append(watcher.resident_megabytes())
        stored.append(watcher.database_megabytes())
    trends = judged(samples)
    parts = [
        f"{circumstances}\n{described(seen)}",
        report(seen),
        RULE,
        table(trends),
        _sizes(resident, stored),
    ]
    markdown.publish("\n\n".join(parts), out)
    return not any(each.grows for each in trends.values()) and not any(seen.errors.values())


def _watch(watcher: Watcher, running: Sequence[Future[Seen]], interval: float) -> Samples:
    """A sample in each interval until the clients are done."""
    samples: Samples = []
    due = time.monotonic()
    while not all(each.done() for each in running):
        samples.append(watcher.sample())
        seconds, values = samples[-1]
        shown = ", ".join(f"{name} {number(values[name])}" for name in SHOWN)
        print(f"{seconds / 60:5.1f} min: {shown}", flush=True)
        due += interval
        wait(running, timeout=max(0.0, due - time.monotonic()))
    return samples


def judged(samples: Samples) -> dict[str, Trend]:
    """The trend of every series."""
    return {
        name: trend([(seconds, values[name]) for seconds, values in samples], allowance)
        for name, allowance in ALLOWANCES.items()
    }


def table(trends: Mapping[str, Trend]) -> str:
    """A row for each series."""
    rows = [
        [
            name,
            number(each.first),
            number(each.last),
            f"{each.per_hour:+.1f}",
            number(ALLOWANCES[name].per_hour),
            number(ALLOWANCES[name].noise),
            "GROWS" if each.grows else "no",
        ]
        for name, each in trends.items()
    ]
    head = ["", "start", "end", "an hour, second half", "allowed an hour", "noise", "growth"]
    return markdown.table(head, rows)


def _sizes(resident: Sequence[Mapping[str, float]], stored: Sequence[float]) -> str:
    """RSS and the size of the database at start and end, which are not judged."""
    before, after = resident
    rows = [[f"{group}, RSS in MB", number(before[group]), number(after[group])] for group in before]
    rows.append(["database, MB", *map(number, stored)])
    return markdown.table(["not judged", "start", "end"], rows)
