"""All systems, one after the other, each alone on the machine; then the tables."""

import os
import secrets
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path

from memories import datasets
from memories.datasets import Conversation
from tests.benchmarks import markdown
from tests.benchmarks.clients import KEY
from tests.benchmarks.load import CLIENTS
from tests.benchmarks.peers import report
from tests.benchmarks.peers.catalogue import PEERS
from tests.benchmarks.peers.environments import UnavailableError
from tests.benchmarks.peers.hosting import Hosted, our_stack, running_embedder, running_peer, through
from tests.benchmarks.peers.measuring import SCALES, Scale, measure
from tests.benchmarks.peers.report import Figures
from tests.benchmarks.systems import OURS

# Our stack with the embedder of all, and with the same model inside, as it is delivered.
SHARED, INSIDE = "ours", "ours-local"
NAMES = (SHARED, INSIDE, *PEERS)
# Whom the bars are about: mem0 as it is delivered, and with as little around it as can be.
AGAINST = ("mem0-server", "mem0")
SAME = (
    "One machine, one run, one embedder for all (the `local` model behind OpenAI's API in processes of its own, whose "
    "CPU time counts for nobody), the embedded PostgreSQL with the same settings, a fresh one for each system, two web "
    "processes each, VACUUM ANALYZE after loading. mem0 and LangGraph's store are libraries behind the same small "
    "FastAPI server; mem0's server is the same with what its own does around it, in one process as that. Speeds: one "
    "message or question a request."
)


def run(names: Sequence[str], scale_name: str, dataset: Path | None, out: Path | None) -> None:
    """Measure the systems of these names and publish the tables."""
    if unknown := set(names) - set(NAMES):
        raise SystemExit(f"no such system: {', '.join(sorted(unknown))}; there are {', '.join(NAMES)}")
    os.environ[KEY] = secrets.token_urlsafe(32)
    circumstances, scale = markdown.circumstances(), SCALES[scale_name]
    conversations = datasets.read(dataset) if dataset else []
    with running_embedder() as embedder_url:
        systems = [_measured(name, *_host(name, embedder_url), scale, conversations) for name in names]
    asked = f"{len(conversations)} conversations of `{dataset.name}`" if dataset else "no data set given"
    what = (
        f"- {CLIENTS} clients, {scale.large} messages in the tenant asked, {scale.small_tenants} others of "
        f"{scale.small}; recall@10: {asked}, categories with answers (95% intervals)"
    )
    pins = "\n".join(f"- {PEERS[name].system.name}: {PEERS[name].pins[0]}" for name in names if name in PEERS)
    parts = [
        "\n".join([circumstances, what, pins]),
        SAME,
        report.side_by_side(systems),
        report.ratios(systems) if len(systems) > 1 else "",
        *(report.bars(without_our_other(names, systems), against=peer) for peer in held_against(names)),
        report.missing(systems),
    ]
    markdown.publish("\n\n".join(part for part in parts if part), out)


def held_against(names: Sequence[str]) -> list[str]:
    """The names in tables of those that we, if we come first, are held against."""
    chosen = [name for name in AGAINST if name in names] or AGAINST[:1]
    return [PEERS[name].system.name for name in chosen] if names[0] == SHARED else []


def without_our_other(names: Sequence[str], systems: Sequence[Figures]) -> list[Figures]:
    """The systems without ourselves with the model inside, who are no peer."""
    return [system for name, system in zip(names, systems, strict=True) if name != INSIDE]


Host = Callable[[], AbstractContextManager[Hosted]]


def _host(name: str, embedder_url: str) -> tuple[str, Host]:
    """The name for tables, and how to start it."""
    if name in PEERS:
        return PEERS[name].system.name, partial(running_peer, name, PEERS[name], embedder_url)
    settings = {"MEMORY_EMBEDDING_PROVIDER": "local"} if name == INSIDE else through(embedder_url)
    shown = f"{OURS.name}, embedder inside" if name == INSIDE else OURS.name
    return shown, partial(our_stack, settings, shown)


def _measured(
    name: str, shown: str, start: Host, scale: Scale, conversations: Sequence[Conversation]
) -> Figures:
    """A peer that cannot be had, or fails, does not take the others' figures with it; what it had done stays."""
    figures = Figures(shown, {})
    try:
        with start() as hosted:
            measure(hosted, scale, conversations, figures.values)
    except (UnavailableError, OSError, RuntimeError) as error:
        if name not in PEERS:
            raise
        print(f"\n*** {shown} is SKIPPED: {error}\n", flush=True)
        figures.why_not = str(error)
    return figures
