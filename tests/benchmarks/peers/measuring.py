"""One system measured from its empty database on: what it finds, how fast it takes messages, how fast it is asked."""

import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from memories import measures
from memories.datasets import Conversation
from memories.measures import Report
from tests.benchmarks import processes, topical
from tests.benchmarks.clients import Client, Row, ingest
from tests.benchmarks.load import CLIENTS, ask_at_once, clients
from tests.benchmarks.load_client import tell
from tests.benchmarks.peers.hosting import POSTGRES, Hosted
from tests.benchmarks.quality import ask_questions
from tests.benchmarks.times import Times

LARGE, TOP_K = "large", 10


@dataclass(frozen=True)
class Scale:
    """Messages of the tenant that is asked, of each other one, and how long and often it is asked."""

    large: int
    small: int
    small_tenants: int
    seconds: float
    own_texts: int
    questions: int


SCALES = {
    "small": Scale(large=1_000, small=50, small_tenants=10, seconds=5, own_texts=100, questions=20),
    "full": Scale(large=10_000, small=250, small_tenants=20, seconds=20, own_texts=500, questions=50),
}


def measure(
    hosted: Hosted, scale: Scale, conversations: Sequence[Conversation], figures: dict[str, float]
) -> None:
    """Every figure by its name in the report, printed as it comes; those until an error stay."""
    steps: list[Callable[[], Mapping[str, float]]] = [
        lambda: _finds_answers(hosted, conversations),
        lambda: _takes_batches(hosted, scale),
        lambda: _takes_messages(hosted, scale),
        lambda: _is_asked(hosted, scale),
        lambda: _finds_its_own(hosted, scale),
    ]
    for step in steps:
        if found := step():
            figures |= found
            shown = ", ".join(f"{what} {value:.3g}" for what, value in found.items())
            print(f"{hosted.system.name}: {shown}", flush=True)


def _finds_answers(hosted: Hosted, conversations: Sequence[Conversation]) -> Mapping[str, float]:
    """On questions with known evidence, each conversation a tenant, before anything else is stored."""
    if not conversations:
        return {}
    report = Report()
    for conversation in conversations:
        ask_questions(
            hosted.system,
            hosted.address,
            f"chat-{conversation.id}",
            conversation,
            hosted.until_embedded,
            report,
        )
    asked = report.of(None)
    low, high = measures.interval(asked, "recall@10")
    return {
        "recall@10": measures.means(asked)["recall@10"],
        "recall@10 from": low,
        "recall@10 to": high,
        "questions": len(asked),
    }


def _rows(scale: Scale) -> dict[str, list[Row]]:
    sizes = {f"small-{place}": scale.small for place in range(scale.small_tenants)} | {LARGE: scale.large}
    return {name: list(topical.messages(size, seed=seed)) for seed, (name, size) in enumerate(sizes.items())}


def _takes_batches(hosted: Hosted, scale: Scale) -> Mapping[str, float]:
    """The other tenants, in as large batches as the system has."""
    seconds, count = 0.0, 0
    for name, rows in _rows(scale).items():
        if name != LARGE:
            batch = min(hosted.system.batch, scale.small // 2)
            store = hosted.system.store
            done = ingest(hosted.address, name, rows, batch=batch, clients=2, store=store)
            seconds, count = seconds + done.seconds, count + len(rows)
            hosted.until_embedded(name)
    return {"batch ingests/s": count / seconds}


def _takes_messages(hosted: Hosted, scale: Scale) -> Mapping[str, float]:
    """The large tenant, one message a request, from all clients at once."""
    rows = _rows(scale)[LARGE]
    idle = processes.idle_rates(hosted, hosted.groups)
    with processes.measured(hosted, idle) as spent:
        with clients() as pool:
            shares = [rows[place::CLIENTS] for place in range(CLIENTS)]
            told = [pool.submit(tell, hosted.system, hosted.address, LARGE, share) for share in shares]
            spans = [each.result() for each in told]
        started = min(start for start, _ in spans)
        seconds = max(end for _, end in spans) - started
        hosted.until_embedded(LARGE)
        embedded = time.perf_counter() - started
    cpu = 1000 * sum(spent.seconds.values()) / len(rows)
    hosted.vacuum()
    return {
        "ingests/s": len(rows) / seconds,
        "ingests/s with vectors": len(rows) / max(seconds, embedded),
        "CPU ms per ingest": cpu,
    }


def _is_asked(hosted: Hosted, scale: Scale) -> Mapping[str, float]:
    """The large tenant, from all clients at once."""
    idle = processes.idle_rates(hosted, hosted.groups)
    with processes.measured(hosted, idle) as spent:
        results = ask_at_once(hosted.system, hosted.address, LARGE, scale.seconds, top_k=TOP_K)
    times = Times([each for taken, _ in results for each in taken])
    count = len(times.taken)
    postgres = 1000 * spent.seconds[POSTGRES] / count
    return {
        "searches/s": count / scale.seconds,
        "p50 ms": times.percentile(0.5),
        "p95 ms": times.percentile(0.95),
        "CPU ms per search, server": 1000 * sum(spent.seconds.values()) / count - postgres,
        "CPU ms per search, PostgreSQL": postgres,
    }


def _finds_its_own(hosted: Hosted, scale: Scale) -> Mapping[str, float]:
    """Stored texts as questions, and whether answers are full, in the large tenant and in the small ones."""
    stored, chooser = _rows(scale), random.Random(5)
    small = [name for name in stored if name != LARGE]
    found: dict[str, float] = {}
    with Client(hosted.address) as client:
        search = partial(hosted.system.search, client, top_k=TOP_K)
        for title, names in ((LARGE, [LARGE]), ("small", small)):
            hits = full = 0
            for _ in range(scale.own_texts):
                name = chooser.choice(names)
                row = chooser.choice(stored[name])
                hits += row["external_id"] in search(name, row["content"])
            for number, text in enumerate(topical.questions(scale.questions, seed=TOP_K)):
                name = names[number % len(names)]
                full += len(search(name, text)) == min(TOP_K, len(stored[name]))
            found |= {
                f"hit@10, {title}": hits / scale.own_texts,
                f"full answers, {title}": full / scale.questions,
            }
    return found
