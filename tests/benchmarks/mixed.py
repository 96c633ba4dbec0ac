"""`make load`: searches, messages and contexts for many tenants at once, through a whole stack as it is delivered."""

import os
import secrets
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path

import django

from tests.benchmarks import markdown
from tests.benchmarks.clients import KEY
from tests.benchmarks.load import CLIENTS, clients
from tests.benchmarks.markdown import number
from tests.benchmarks.mixed_client import SHARES, Bounds, Seen, mix
from tests.benchmarks.times import Times
from tests.stack import Stack, running_stack

TENANTS = [f"tenant-{place}" for place in range(100)]
MESSAGES_EACH = 200
PERCENTILES = (0.5, 0.95, 0.99)


def run(seconds: float, requests: int, out: Path | None) -> bool:
    """Publish the table; whether there were no errors. `requests` is the bound of all clients together."""
    circumstances = markdown.circumstances()
    with loaded_stack() as stack:
        seen = together([each.result() for each in start(stack, Bounds(seconds, requests // CLIENTS))])
    markdown.publish(f"{circumstances}\n{described(seen)}\n\n{report(seen)}", out)
    return not any(seen.errors.values())


@contextmanager
def loaded_stack() -> Iterator[Stack]:
    """A stack with its own defaults, and all tenants filled; this process has Django on its servers."""
    os.environ[KEY] = secrets.token_urlsafe(32)
    with running_stack(MEMORY_API_KEYS=os.environ[KEY]) as stack:
        stack.enter_environment()
        django.setup()
        from tests.benchmarks import bulk  # needs Django, which needs the stack's addresses

        url = stack.noted()["urls"]["MEMORY_DATABASE_URL"]
        bulk.load(url, dict.fromkeys(TENANTS, MESSAGES_EACH), seed=1)
        yield stack


def start(stack: Stack, bounds: Bounds) -> list[Future[Seen]]:
    """All clients, each in a process of its own, which ends with its work."""
    pool = clients()
    started = [pool.submit(mix, stack.address(), TENANTS, place, bounds) for place in range(CLIENTS)]
    pool.shutdown(wait=False)
    return started


def together(seen: Sequence[Seen]) -> Seen:
    """What all clients saw, and the time of the slowest."""
    whole = Seen(seconds=max(each.seconds for each in seen))
    for each in seen:
        for kind in SHARES:
            whole.times[kind].taken += each.times[kind].taken
            whole.errors[kind] += each.errors[kind]
        whole.said += each.said
    return whole


def described(seen: Seen) -> str:
    """What was asked, for the list of circumstances."""
    mixture = ", ".join(f"{share:.0%} {kind}" for kind, share in SHARES.items())
    return (
        f"- {CLIENTS} clients for {seen.seconds:.0f} s, each as fast as its answers come; {mixture}; "
        f"{len(TENANTS)} tenants of {MESSAGES_EACH} messages at the start; every question and message another one"
    )


def report(seen: Seen) -> str:
    """The table by kind and together, then what the errors said."""
    every = Times([each for times in seen.times.values() for each in times.taken])
    rows = [_row(kind, seen.times[kind], seen.errors[kind], seen.seconds) for kind in SHARES]
    rows.append(_row("together", every, sum(seen.errors.values()), seen.seconds))
    head = ["", "requests", "a second", *(f"p{share * 100:.0f} ms" for share in PERCENTILES), "errors"]
    return "\n".join([markdown.table(head, rows), *(f"\nError: {each}" for each in seen.said)])


def _row(title: str, times: Times, errors: int, seconds: float) -> list[str]:
    percentiles = [number(times.percentile(share)) if times.taken else "none" for share in PERCENTILES]
    count = len(times.taken)
    return [title, str(count + errors), number(count / seconds), *percentiles, str(errors)]
