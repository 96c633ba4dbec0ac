"""What each signal of the ranking is worth: every one switched off in turn, through the use case, in this process.

Add a signal: add a row.
"""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any
from unittest.mock import patch

from memories import evaluation, lexical, measures, query, ranking, search, vectors
from memories.datasets import Conversation
from memories.measures import Report
from memories.relevance import Signals
from tenants.models import Tenant

TIMEOUT_SECONDS = 600
SHOWN = ("recall@5", "recall@10", "MRR", "nDCG@10")


def _weights(**changes: float) -> Mapping[str, ranking.Weights]:
    values = {"similarity": 0.6, "importance": 0.3, "decay": 0.1, "half_life_days": 30.0} | changes
    return {"weights": ranking.Weights(**values)}


def _without(**signals: float) -> Mapping[str, Signals]:
    return {"signals": Signals(**signals)}


_cosine = vectors.cosine


def _whole_texts_only(*which: Any) -> vectors.Sql:
    sql, params = _cosine(*which)
    return sql.replace("space_id = %s::smallint", "space_id = %s::smallint AND part = 0"), params


@dataclass(frozen=True)
class Row:
    """A search with something switched off: keywords of the use case, and constants as (module, name, value)."""

    name: str
    keywords: Mapping[str, Any] = field(default_factory=dict)
    constants: Sequence[tuple[Any, str, Any]] = ()

    def __call__(self, tenant: Tenant, text: str) -> search.Answer:
        """As `evaluation.Search`."""
        with ExitStack() as changed:
            for module, name, value in self.constants:
                changed.enter_context(patch.object(module, name, value))
            return search.search(tenant=tenant, text=text, top_k=evaluation.DEPTH, **self.keywords)


ROWS = (
    Row("all signals"),
    Row("without words", keywords={"mode": search.VECTOR}),
    Row("without vectors", keywords={"mode": search.TEXT}),
    Row("without the words of neighbours", keywords=_without(lexical_context=0)),
    Row("without vectors of neighbours", keywords=_without(vector=0.5, vector_context=0)),
    Row("without length normalisation", constants=[(lexical, "B", 0)]),
    Row("without vectors of passages", constants=[(vectors, "cosine", _whole_texts_only)]),
    Row("without speaker match", keywords=_without(speaker=0)),
    Row("without mentioned time", keywords=_without(time=0)),
    Row("without session", keywords=_without(session=0)),
    Row("without first person", constants=[(query, "in_first_person", lambda text, _names: text)]),
    Row("without importance", keywords=_weights(importance=0)),
    Row("without decay", keywords=_weights(decay=0)),
    Row("relevance alone", keywords=_weights(importance=0, decay=0)),
)


def run(data_sets: Mapping[str, Sequence[Conversation]]) -> None:
    """Print the table, data sets side by side."""
    reports = {name: _reports(conversations) for name, conversations in data_sets.items()}
    print(
        "\nEach signal off in turn (through the use case, provider local); together, all answerable questions"
    )
    print(f"{'':<31}" + "".join(f"{name:>{11 * len(SHOWN)}}" for name in reports))
    print(f"{'':<31}" + "".join(f"{name:>11}" for name in SHOWN) * len(reports))
    for row in ROWS:
        cells = (f"{value:>11}" for each in reports.values() for value in _cells(each, row.name))
        print(f"{row.name:<31}" + "".join(cells))


def _reports(conversations: Sequence[Conversation]) -> dict[str, Report]:
    return evaluation.evaluate(
        conversations,
        timeout_seconds=TIMEOUT_SECONDS,
        progress=lambda _: None,
        variants={row.name: row for row in ROWS},
    )


def _cells(reports: Mapping[str, Report], name: str) -> list[str]:
    """The first row's values, and the others' differences from them."""
    first, own = (measures.means(reports[each].of(None)) for each in (ROWS[0].name, name))
    if name == ROWS[0].name:
        return [f"{own[each]:.3f}" for each in SHOWN]
    return [f"{own[each] - first[each]:+.3f}" for each in SHOWN]
