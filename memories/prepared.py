"""One statement of one connection, by libpq itself: a search asks five, and a cursor takes 0.04 ms more for each.

Parameters and rows are still read and written by psycopg. What is left out is what a cursor could do besides: other
forms of rows, several results, asking while others are asked, noticing a signal before the answer is there.
"""

import re
from collections.abc import Mapping, Sequence
from itertools import count
from typing import Any, cast

import psycopg
from psycopg import capabilities
from psycopg.adapt import Dumper, PyFormat, Transformer
from psycopg.pq import Format

from tenants import isolation

_PLACE = re.compile(r"%(?:\((\w+)\)s|s|%)")
_numbers = count(1)


class Binary(bytes):
    """A parameter as PostgreSQL itself has it in memory. It needs a cast, which tells PostgreSQL the type."""


class _BinaryDumper(Dumper):
    format = Format.BINARY

    def dump(self, obj: Binary) -> Binary:
        return obj


class Prepared:
    """A statement with the places %s or %(name)s, for one connection; prepared when it has been asked often enough.

    PostgreSQL is told no types of parameters: they need casts where it could not know them. Rows are read by the types
    of the first answer: a column that changes its type is not noticed by a statement that is kept.
    """

    __slots__ = ("_adapter", "_asked", "_name", "_names", "_sql")

    def __init__(self, session: "psycopg.Connection[Any]", sql: str) -> None:
        text, self._names = numbered(sql)
        self._sql = text.encode()
        self._adapter = Transformer(session)
        self._adapter.adapters.register_dumper(Binary, _BinaryDumper)  # the connection's
        self._asked, self._name = 0, b""

    def rows(
        self, session: "psycopg.Connection[Any]", params: Sequence[Any] | Mapping[str, Any]
    ) -> list[tuple[Any, ...]]:
        """All rows. Raises what psycopg does."""
        values: Sequence[Any] = (
            [params[name] for name in self._names] if isinstance(params, Mapping) else params
        )
        adapter = self._adapter
        formats = [PyFormat.BINARY if type(value) is Binary else PyFormat.TEXT for value in values]
        # The stubs do not know that None among them is NULL.
        given = cast(Any, adapter.dump_sequence(values, formats))
        if self._is_prepared(session):
            answer = session.pgconn.exec_prepared(self._name, given, adapter.formats, Format.BINARY)
        else:
            answer = session.pgconn.exec_params(self._sql, given, None, adapter.formats, Format.BINARY)
        isolation.check(session, answer)
        adapter.set_pgresult(answer, set_loaders=not self._asked, format=Format.BINARY)
        self._asked += 1
        return adapter.load_rows(0, answer.ntuples, tuple)

    def forget(self, session: "psycopg.Connection[Any]") -> None:
        """PostgreSQL keeps its plan no longer.

        By the protocol's own message: PgBouncer, which gives statements other names, understands no DEALLOCATE.
        """
        if not self._name:
            return
        if capabilities.has_send_close_prepared():
            answer = session.pgconn.close_prepared(self._name)
        else:
            answer = session.pgconn.exec_(b"DEALLOCATE " + self._name)
        isolation.check(session, answer)

    def _is_prepared(self, session: "psycopg.Connection[Any]") -> bool:
        threshold = session.prepare_threshold
        if not self._name and threshold is not None and self._asked >= threshold:
            name = b"memory_%d" % next(_numbers)
            isolation.check(session, session.pgconn.prepare(name, self._sql))
            self._name = name
        return bool(self._name)


def numbered(sql: str) -> tuple[str, list[str]]:
    """The statement with PostgreSQL's own places ($1), and the names of what goes there, empty where there is none."""
    places: dict[str, int] = {}

    def place(match: "re.Match[str]") -> str:
        if match.group() == "%%":
            return "%"
        name = match.group(1) or ""
        return f"${places.setdefault(name or f'{len(places)}', len(places) + 1)}"

    return _PLACE.sub(place, sql), list(places)
