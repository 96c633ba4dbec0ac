"""kombu's Redis transport, with one error put right that ends Celery's worker.

When Redis goes while a task runs, Celery closes the lost connection, and kombu wants to give the task's message back by
a new one, whose address has been forgotten by then: an AttributeError, which nobody expects there. As an error of the
connection it is expected. The message is given back later by Redis's visibility timeout, and nothing depends on it.
"""

from typing import Any

from kombu.transport import TRANSPORT_ALIASES, redis
from redis.exceptions import ConnectionError as ConnectionLost


class Channel(redis.Channel):
    """Its underscored method is pinned by the locked version, and a test."""

    def _connparams(self, asynchronous: bool = False) -> Any:
        if self.connection.client is None:
            raise ConnectionLost("the connection was closed")
        return super()._connparams(asynchronous=asynchronous)  # type: ignore[misc]  # its stubs lack it


class Transport(redis.Transport):
    """What `redis://` means from `use` on."""

    Channel = Channel


def use() -> None:
    """In this process. kombu has no other way for addresses with a scheme."""
    TRANSPORT_ALIASES.update(dict.fromkeys(("redis", "rediss"), f"{__name__}:Transport"))
