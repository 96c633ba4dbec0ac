"""The figures of all systems side by side, their ratios, and whether the bars are met. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tests.benchmarks.markdown import number, table

# Names of figures as tables show them, and whether more is better.
FIGURES: Mapping[str, bool] = {
    "ingests/s": True,
    "ingests/s with vectors": True,
    "batch ingests/s": True,
    "CPU ms per ingest": False,
    "searches/s": True,
    "p50 ms": False,
    "p95 ms": False,
    "CPU ms per search, server": False,
    "CPU ms per search, PostgreSQL": False,
    "hit@10, large": True,
    "hit@10, small": True,
    "full answers, large": True,
    "full answers, small": True,
    "recall@10": True,
}


@dataclass
class Figures:
    """What was measured of one system, by the names above; empty, with the reason, if it could not be had."""

    name: str
    values: dict[str, float]
    why_not: str = ""


def side_by_side(systems: Sequence[Figures]) -> str:
    """A row for each figure, a column for each system."""
    shown = [name for name in FIGURES if any(name in system.values for system in systems)]
    rows = [[name, *(_cell(system, name) for system in systems)] for name in shown]
    return table(["", *(system.name for system in systems)], rows)


def ratios(systems: Sequence[Figures]) -> str:
    """How many times better the first system is than each other one: above 1 is in its favour, whatever is counted."""
    first, *others = systems
    had = [other for other in others if other.values]
    rows = [
        [name, *(_times(better(name, first.values[name], other.values.get(name))) for other in had)]
        for name in FIGURES
        if name in first.values
    ]
    return table([f"{first.name} against", *(other.name for other in had)], rows)


def better(name: str, ours: float, theirs: float | None) -> float | None:
    """The ratio, of less to more where less is better; None where there is nothing to divide."""
    above, below = (ours, theirs) if FIGURES[name] else (theirs, ours)
    return above / below if above is not None and below else None


def bars(systems: Sequence[Figures], *, against: str) -> str:
    """The bars that the project sets itself, each met, missed or not measured; `against` is the peer of the speeds."""
    first, *others = systems
    peer = next((other for other in others if other.name == against), None)
    theirs = peer.values if peer else {}
    recalls = [other.values["recall@10"] for other in others if "recall@10" in other.values]
    found = {
        f"ingests/s at least 5 times those of {against}": _at_least(
            5, better("ingests/s", first.values.get("ingests/s", 0), theirs.get("ingests/s"))
        ),
        "the same in batches, where there are any": _at_least(
            5,
            better("batch ingests/s", first.values.get("batch ingests/s", 0), theirs.get("batch ingests/s")),
        ),
        f"searches/s at least 2 times those of {against}": _at_least(
            2, better("searches/s", first.values.get("searches/s", 0), theirs.get("searches/s"))
        ),
        "hit@10 at least 0.99": _at_least(0.99, first.values.get("hit@10, large")),
        "recall@10 higher than every peer's": _verdict(
            first.values["recall@10"] > max(recalls) if "recall@10" in first.values and recalls else None,
            f"{first.values.get('recall@10', 0):.3f} and at best {max(recalls, default=0):.3f}",
        ),
    }
    return table(["bar", "result"], [[bar, result] for bar, result in found.items()])


def missing(systems: Sequence[Figures]) -> str:
    """Loudly, a line for each system that could not be had."""
    return "\n".join(
        f"**Not measured: {system.name}**: {system.why_not}" for system in systems if system.why_not
    )


def _cell(system: Figures, name: str) -> str:
    if name not in system.values:
        return "not measured"
    value = number(system.values[name])
    if name != "recall@10":
        return value
    low, high = (system.values[f"recall@10 {end}"] for end in ("from", "to"))
    return f"{system.values[name]:.3f} ({low:.3f} to {high:.3f})"


def _times(ratio: float | None) -> str:
    return "not measured" if ratio is None else f"{ratio:.2f}"


def _at_least(bar: float, value: float | None) -> str:
    return _verdict(None if value is None else value >= bar, f"{value or 0:.2f}")


def _verdict(met: bool | None, value: str) -> str:
    return "not measured" if met is None else f"{'met' if met else 'MISSED'}: {value}"
