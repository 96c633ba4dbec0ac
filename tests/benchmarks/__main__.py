"""`make bench`, `bench-scale`, `bench-quality`, `bench-peers`, `load`, `soak`: figures and ratios of one run.

python -m tests.benchmarks [PART...] [--scale small|full] [--plans FILE]
python -m tests.benchmarks quality [--dataset FILE] [--model FOLDER]
python -m tests.benchmarks peers [--scale small|full] [--dataset FILE] [--systems NAME,...] [--out FILE]
python -m tests.benchmarks mixed [--seconds N] [--requests N] [--out FILE]
python -m tests.benchmarks soak [--minutes N] [--out FILE]
"""

import argparse
import os
import secrets
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import django

from tests.benchmarks import mixed, quality, soak
from tests.benchmarks.clients import KEY
from tests.benchmarks.peers import run as peers
from tests.stack import Stack, running_stack

# In this order: speed needs tables that are empty at first; cost, filters and load ask what it has loaded.
PARTS = ("speed", "cost", "filters", "load", "full-answers", "main-job", "retention", "limits")
# Each with a stack, or several, of its own; False: something that must not happen did.
ALONE: dict[str, Callable[[argparse.Namespace], bool | None]] = {
    "quality": lambda given: quality.run(given.dataset, given.model),
    "peers": lambda given: peers.run(given.systems.split(","), given.scale, given.dataset, given.out),
    "mixed": lambda given: mixed.run(given.seconds, given.requests, given.out),
    "soak": lambda given: soak.run(given.minutes, given.out),
}
# Without the cache: a repeated question must cost what a new one does.
SETTINGS = {
    "MEMORY_EMBEDDING_LEASE_SECONDS": "15",
    "MEMORY_WEB_WORKERS": "2",
    "MEMORY_SEARCH_CACHE_SECONDS": "0",
}
MEDIUM = ("10k", 10_000)


def main() -> int:
    """Run the parts that are named, or all that share a stack; 1 if a bar is missed that is one for every machine."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks")
    parser.add_argument(
        "parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)}; or one of {', '.join(ALONE)}"
    )
    parser.add_argument("--scale", choices=("small", "full"), default="small")
    parser.add_argument("--others", type=int, help="tenants of 1,000 messages beside the measured ones")
    parser.add_argument("--plans", type=Path, help="where to write the plans of the filters")
    parser.add_argument("--dataset", type=Path, help="a data set in LoCoMo's format")
    parser.add_argument("--model", type=Path, help="the folder of a sentence-transformers model")
    parser.add_argument("--systems", default=",".join(peers.NAMES), help="which to compare")
    parser.add_argument("--seconds", type=float, default=60, help="the longest that mixed takes")
    parser.add_argument("--requests", type=int, default=1_000_000, help="the most that mixed asks")
    parser.add_argument("--minutes", type=float, default=20, help="of soak")
    parser.add_argument("--out", type=Path, help="where mixed, soak and peers write their tables")
    given = parser.parse_args()
    if len(given.parts) == 1 and given.parts[0] in ALONE:
        return 1 if ALONE[given.parts[0]](given) is False else 0
    if unknown := set(given.parts) - set(PARTS):
        parser.error(f"no such part: {', '.join(sorted(unknown))}")
    # Without a key each request would ask whether there is one by now, as no production does.
    os.environ[KEY] = secrets.token_urlsafe(32)
    with running_stack(**SETTINGS, MEMORY_API_KEYS=os.environ[KEY]) as stack:
        stack.enter_environment()
        django.setup()
        _run(stack, given)
    return 0


def _run(stack: Stack, given: argparse.Namespace) -> None:
    # They need Django, which needs the stack's addresses.
    from tests.benchmarks import cost, filtering, full_answers, limits, load, main_job, retention, speed

    parts = given.parts or PARTS
    sizes = speed.SCALES[given.scale]
    if given.others is not None:
        sizes = replace(sizes, others=given.others)
    if set(parts) & {"speed", "cost", "filters", "load"}:
        speed.run(stack, sizes)
    asked: dict[str, Callable[[], None]] = {
        "cost": lambda: cost.run(stack, sorted({MEDIUM, sizes.largest}, key=lambda tenant: tenant[1])),
        "filters": lambda: filtering.run(stack, *sizes.largest, given.plans),
        "load": lambda: load.run(stack, *MEDIUM),
        "full-answers": lambda: full_answers.run(stack),
        "main-job": lambda: main_job.run(stack),
        "retention": lambda: retention.run(stack, given.scale),
        "limits": lambda: limits.run(stack),
    }
    for part, ask in asked.items():
        if part in parts:
            ask()


if __name__ == "__main__":
    sys.exit(main())
