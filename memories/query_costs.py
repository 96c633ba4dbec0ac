"""What searches spent with a remote provider: added up in the process, put on the account a second later.

A statement for each search would cost it a tenth of its time, and the searches of a tenant would wait for each other at
the one row of its day. What cannot be written waits here, a few numbers for each tenant that searched, and is tried
again each second. It is written as what was spent on the day of the writing. A process that is killed loses what waited
in it, and a command that ends; a connection that is lost at the end of the write may have it written twice.
"""

import threading
from collections import defaultdict

import structlog
from django.db import InterfaceError, InternalError, OperationalError

from memories import costs, metrics
from memories.costs import Usage
from memories.embeddings.usage import Used
from memories.later import Later
from memories.models import EmbeddingSpace
from tenants import isolation, read_only

log = structlog.get_logger(__name__)

WRITE_SECONDS = 1.0

# Space -> tenant id -> what its searches spent there.
_pending: dict[EmbeddingSpace, dict[int, Usage]] = {}
_lock = threading.Lock()


def note(*, tenant_id: int, text: str, space: EmbeddingSpace, used: Used) -> None:
    """A search of the tenant had this text embedded. Asks nobody."""
    tokens = costs.estimated(text) if used.tokens is None else used.tokens
    _add(space, {tenant_id: Usage(tokens=tokens, calls=used.calls)})
    _later.wake()


def flush() -> None:
    """Put on the account what this process noted, a statement for each space; while the database takes none it waits.

    To be called outside any transaction, as `costs.add`.
    """
    with _lock:
        spaces = list(_pending)
    for space in spaces:
        _flush(space)


def _flush(space: EmbeddingSpace) -> None:
    with _lock:
        usages = _pending.pop(space, {})
    try:
        with isolation.beyond():
            costs.add(usages, space=space)
    except (InterfaceError, InternalError, OperationalError) as error:
        read_only.is_cause(error)
        metrics.USAGE_PUT_OFF.inc()
        log.warning("embedding_usage_put_off", tenants=len(usages), error=type(error).__name__)
        _add(space, usages)
        _later.wake()


_later = Later(WRITE_SECONDS, flush)


def _add(space: EmbeddingSpace, usages: dict[int, Usage]) -> None:
    with _lock:
        known = _pending.setdefault(space, defaultdict(Usage))
        for tenant_id, usage in usages.items():
            known[tenant_id] += usage
