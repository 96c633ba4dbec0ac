"""API, use case and SQL alone over the same questions, in turn, so that the machine's drift meets all three."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any
from unittest.mock import patch

from memories import search, statements
from memories.filters import MessageFilters, all_of
from tenants import isolation
from tenants.models import Tenant
from tests.benchmarks.clients import Client
from tests.benchmarks.times import Times

Statement = tuple[str, Any, isolation.Reach]
API, USE_CASE, SQL = "API", "use case", "SQL"


def recorded(call: Callable[[], Any]) -> list[Statement]:
    """The statements that the call sends to the database, with their parameters and whose rows they reach."""
    found: list[Statement] = []
    rows = statements.rows

    def note(sql: str, params: Any) -> Any:
        found.append((sql, params, isolation.current()))
        return rows(sql, params)

    with patch.object(statements, "rows", note):
        call()
    return found


def replay(recorded_statements: Sequence[Statement]) -> None:
    """Send them again and read every row: what the database and the driver take."""
    with isolation.together():
        for sql, params, reach in recorded_statements:
            with isolation.reaching(reach):
                statements.rows(sql, params)


def compare(
    client: Client, tenant: Tenant, questions: Sequence[str], *, top_k: int = 5, **filters: Any
) -> dict[str, Times]:
    """Each question through the API, through the use case, and its SQL alone; the filters by their name in the API.

    All statements are recorded beforehand, which also warms up what each question reads; who asks first goes round.
    """
    condition = all_of(MessageFilters(**filters).parts())

    def use_case(text: str) -> Any:
        return search.search(tenant=tenant, text=text, top_k=top_k, condition=condition)

    sent = {text: recorded(partial(use_case, text)) for text in questions}
    ways: list[tuple[str, Callable[[str], Any]]] = [
        (API, lambda text: client.search(tenant.name, text, top_k=top_k, **filters)),
        (USE_CASE, use_case),
        (SQL, lambda text: replay(sent[text])),
    ]
    times = {name: Times() for name, _ in ways}
    for number, text in enumerate(questions):
        for place in range(len(ways)):
            name, ask = ways[(number + place) % len(ways)]
            times[name].take(partial(ask, text))
    return times


def print_times(title: str, times: dict[str, Times]) -> None:
    """A line each, with the ratio of its median to that of the SQL alone."""
    for name, each in times.items():
        ratio = each.percentile(0.5) / times[SQL].percentile(0.5)
        print(f"{title}, {name:<8}: {each}, {ratio:.2f} of the SQL alone")
