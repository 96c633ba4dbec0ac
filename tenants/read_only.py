"""A database that takes no writes just now: a standby that stands in, or one that was set so.

Reads are answered from it; writes are told to come again (`memory_layer.problems`).
"""

from collections.abc import Iterator
from contextlib import contextmanager

import structlog
from django.db import InternalError, connection
from psycopg.errors import ReadOnlySqlTransaction

log = structlog.get_logger(__name__)


def is_cause(error: BaseException) -> bool:
    """Whether one of Django's errors comes of that. The connection then ends with the request: it would stay so for as
    long as it is kept, and the next may lead to another server, or to this one after it was set right."""
    if not isinstance(error.__cause__, ReadOnlySqlTransaction):
        return False
    connection.close_at = 0.0  # Django looks at it before and after each request
    return True


@contextmanager
def left_out() -> Iterator[None]:
    """For what a read writes down beside its answer: then it is not written, and the read goes on."""
    try:
        yield
    except InternalError as error:
        if not is_cause(error):
            raise
        log.warning("left_out_while_read_only")
