"""Django's connection and cursors, which ask nothing before PostgreSQL knows for whom (`tenants.isolation`)."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.conf import settings
from django.db.backends.base.base import NO_DB_ALIAS
from django.db.backends.postgresql import base

from tenants import isolation

# Their stubs do not know what they are made of.
_Cursor: Any = base.Cursor
_ServerSideCursor: Any = base.ServerSideCursor
_DatabaseWrapper: Any = base.DatabaseWrapper


class Cursor(_Cursor):  # type: ignore[misc]
    """Django's."""

    def execute(self, *args: Any, **options: Any) -> Any:
        with isolation.statement(self.connection):
            return super().execute(*args, **options)

    def executemany(self, *args: Any, **options: Any) -> Any:
        with isolation.statement(self.connection):
            return super().executemany(*args, **options)

    @contextmanager
    def copy(self, *args: Any, **options: Any) -> Iterator[Any]:
        with isolation.statement(self.connection), super().copy(*args, **options) as copy:
            yield copy


class ServerSideCursor(_ServerSideCursor):  # type: ignore[misc]
    """Django's; one outside of a transaction outlives that of its own."""

    def execute(self, *args: Any, **options: Any) -> Any:
        with isolation.statement(self.connection):
            return super().execute(*args, **options)


class DatabaseWrapper(_DatabaseWrapper):  # type: ignore[misc]
    """Django's. When one connection turns out to be lost, the process's others are closed before they are used again.

    A restart of PostgreSQL loses all of them, and each would fail a request to find out: threads that are seldom busy,
    minutes later.
    """

    losses = 0  # of this process
    _known_losses = 0

    def close_if_unusable_or_obsolete(self) -> None:
        if self.connection is None or self.in_atomic_block:
            return
        if self._known_losses < DatabaseWrapper.losses:
            self.close()
            return
        failed = self.errors_occurred
        super().close_if_unusable_or_obsolete()
        if failed and self.connection is None:
            # Two threads at once may count one: it is more than before all the same.
            DatabaseWrapper.losses += 1

    def get_connection_params(self) -> Any:
        return super().get_connection_params() | {"cursor_factory": Cursor}

    def get_new_connection(self, conn_params: Any) -> Any:
        # Before it connects: what is lost meanwhile may be this one.
        self._known_losses = DatabaseWrapper.losses
        session = super().get_new_connection(conn_params)
        isolation.greet(session, pooled=settings.ENV.database_pooled)
        return session

    def init_connection_state(self) -> None:
        super().init_connection_state()
        if self.alias != NO_DB_ALIAS:  # which makes databases, as the login
            isolation.settle(self.connection)

    def create_cursor(self, name: str | None = None) -> Any:
        if name is None:
            return super().create_cursor()
        withhold = self.connection.autocommit
        return ServerSideCursor(self.connection, name=name, scrollable=False, withhold=withhold)

    def _set_autocommit(self, autocommit: bool) -> None:
        with self.wrap_database_errors:
            isolation.finish(self.connection)
        super()._set_autocommit(autocommit)

    def _savepoint_rollback(self, sid: str) -> None:
        super()._savepoint_rollback(sid)
        isolation.forget(self.connection)
