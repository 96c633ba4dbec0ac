"""Answers are full whenever there are enough messages, and a message's own text finds it.

An index over all tenants with a filter behind it fails here: it looks at a few hundred neighbours, most of them of
other tenants or filtered out, and comes back with less than was asked for.
"""

import random
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from tests.benchmarks import topical
from tests.benchmarks.clients import Client, ingest
from tests.benchmarks.times import Times
from tests.faults.kills import until_embedded
from tests.stack import Stack

LARGE, SMALL, SMALL_TENANTS = 10_000, 50, 20
QUESTIONS, OWN_TEXTS, DEPTH = 50, 500, 10
TOP_KS = (5, 20, 100)
RARE = {"metadata.rare": "yes"}
QUERIES: Mapping[str, dict[str, str]] = {
    "plain": {},
    "rare filter": RARE,
    "mode=vector": {"mode": "vector"},
    "mode=hybrid": {"mode": "hybrid"},
    "mode=vector, rare filter": {"mode": "vector"} | RARE,
}


def run(stack: Stack) -> None:
    """Print the shares of full answers, and hit@10 of own texts."""
    tenants = {f"small-{place}": SMALL for place in range(SMALL_TENANTS)} | {"large": LARGE}
    stored = {name: _stored(stack, name, count, seed) for seed, (name, count) in enumerate(tenants.items())}
    print(
        f"\nShare of full answers: {LARGE} messages in a tenant, {SMALL_TENANTS} tenants of {SMALL} beside it"
    )
    print(f"{'':<32}" + "".join(f"{f'top_k {top_k}':>12}{'p50 ms':>9}" for top_k in TOP_KS))
    with Client(stack.address()) as client:
        small = [name for name in stored if name != "large"]
        for title, names in (("large", ["large"]), ("small", small)):
            for kind, params in QUERIES.items():
                answers = [_asked(client, stored, names, top_k, params) for top_k in TOP_KS]
                cells = (f"{share:>12.3f}{times.percentile(0.5):>9.1f}" for share, times in answers)
                print(f"{title + ', ' + kind:<32}" + "".join(cells))
        for title, names in (("large", ["large"]), ("small", small)):
            print(
                f"hit@{DEPTH} of {OWN_TEXTS} own texts, {title}: {_own_text_hits(client, stored, names):.3f}"
            )


def _asked(
    client: Client,
    stored: Mapping[str, Sequence[Mapping[str, Any]]],
    names: Sequence[str],
    top_k: int,
    params: Mapping[str, str],
) -> tuple[float, Times]:
    """The share of answers that have as many hits as they can; the tenants are asked in turn."""
    full, times = 0, Times()
    for number, text in enumerate(topical.questions(QUESTIONS, seed=top_k)):
        name = names[number % len(names)]
        possible = sum(not _is_rare(params) or "rare" in row["metadata"] for row in stored[name])
        hits = times.take(partial(client.search, name, text, top_k=top_k, **params))
        full += len(hits) == min(top_k, possible)
    return full / QUESTIONS, times


def _own_text_hits(
    client: Client, stored: Mapping[str, Sequence[Mapping[str, Any]]], names: Sequence[str]
) -> float:
    """The share of random messages that are among the first hits for their own text."""
    hits = 0
    for name, row in _random_messages(stored, names):
        found = client.search(name, row["content"], top_k=DEPTH)
        hits += row["external_id"] in [hit["external_id"] for hit in found]
    return hits / OWN_TEXTS


def _random_messages(
    stored: Mapping[str, Sequence[Mapping[str, Any]]], names: Sequence[str]
) -> Iterator[tuple[str, Mapping[str, Any]]]:
    chooser = random.Random(5)
    for _ in range(OWN_TEXTS):
        name = chooser.choice(names)
        yield name, chooser.choice(stored[name])


def _is_rare(params: Mapping[str, str]) -> bool:
    return RARE.items() <= params.items()


def _stored(stack: Stack, name: str, count: int, seed: int) -> list[dict[str, Any]]:
    rows = list(topical.messages(count, seed=seed))
    ingest(stack.address(), name, rows, batch=100, clients=2)
    until_embedded(stack, name)
    return rows
