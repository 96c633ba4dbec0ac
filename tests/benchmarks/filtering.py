"""Filters at the largest tenant: a rare, a common and a nested one, and the plans of their statements."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from django.db.models import Q

from memories import search, statements
from memories.filter_grammar import read_filter
from memories.filters import MessageFilters, all_of
from tenants import isolation
from tenants.models import Tenant
from tests.benchmarks import timing, topical
from tests.benchmarks.times import Times
from tests.stack import Stack

QUESTIONS = 50


NESTED = {
    "AND": [
        {"OR": [{"user_id": "user-1"}, {"role": "assistant"}]},
        {"NOT": {"conversation_id": "conversation-0"}},
    ]
}
FILTERS = {
    "no filter": Q(),
    "one conversation, 50 messages": all_of(MessageFilters(conversation_id="conversation-7").parts()),
    "metadata, 1 in 100": all_of(MessageFilters(metadata={"rare": "yes"}).parts()),
    "role, 2 in 3": all_of(MessageFilters(role="user").parts()),
    "nested, 1 in 3": all_of(read_filter(NESTED)),
}


def run(stack: Stack, name: str, count: int, plans: Path | None) -> None:
    """Print the times of the use case in turn; write the plans of one question to `plans`."""
    tenant = Tenant.objects.get(name=name)
    times = {title: Times() for title in FILTERS}
    for text in topical.questions(QUESTIONS, seed=77):
        for title, condition in FILTERS.items():
            times[title].take(_search(tenant, text, condition))
    print(f"\nFilters at {count} messages (use case)")
    plain = times["no filter"].percentile(0.5)
    for title, each in times.items():
        print(f"{title:<32}{each}, {each.percentile(0.5) / plain:.2f} of no filter")
    if plans:
        [text] = topical.questions(1, seed=78)
        sections = (
            f"## {title}\n\n{_explained(_search(tenant, text, each))}" for title, each in FILTERS.items()
        )
        plans.write_text("\n\n".join(sections) + "\n", encoding="utf-8")
        print(f"plans: {plans}")


def _search(tenant: Tenant, text: str, condition: Q) -> Callable[[], Any]:
    return partial(search.search, tenant=tenant, text=text, top_k=20, condition=condition)


def _explained(call: Callable[[], Any]) -> str:
    """Every statement of the call with its plan, really run."""
    parts = []
    for sql, params, reach in timing.recorded(call):
        with isolation.reaching(reach):
            plan = statements.rows(f"EXPLAIN (ANALYZE, BUFFERS) {sql}", params)
        parts.append("\n".join([sql.strip(), "", *(row[0] for row in plan)]))
    return "\n\n".join(parts)
