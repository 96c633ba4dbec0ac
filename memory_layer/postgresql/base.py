"""Django wants a backend's class in a module of this name."""

from datetime import UTC
from typing import Any

import psycopg
from django_prometheus.db.backends.postgresql.base import DatabaseWrapper as PrometheusDatabaseWrapper
from psycopg.adapt import Loader
from psycopg.pq import Format

_OID = psycopg.postgres.types["timestamptz"].oid
_FAST: Any = psycopg.adapters.get_loader(_OID, Format.TEXT)  # in C, where psycopg is installed with it


class UtcLoader(Loader):
    """A timestamptz in the connection's time zone, which TIME_ZONE and Django keep at UTC.

    Django's own puts its time zone in the place of the connection's, in Python: 4 microseconds for each of the 250
    that a search reads.
    """

    timezone = UTC  # Django looks here for whether a cursor needs another loader

    def __init__(self, oid: int, context: Any = None) -> None:
        super().__init__(oid, context)
        self._fast = _FAST(oid, context).load

    def load(self, data: Any) -> Any:
        """An aware datetime; DataError for what Python's cannot hold (year 10000, infinity)."""
        return self._fast(data)


class DatabaseWrapper(PrometheusDatabaseWrapper):  # type: ignore[misc]
    """Django's, with django-prometheus' counters and timestamps read in C."""

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        """A connection, new or from the pool."""
        connection = super().get_new_connection(conn_params)
        connection.adapters.register_loader("timestamptz", UtcLoader)
        return connection
