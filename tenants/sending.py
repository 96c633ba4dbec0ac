"""Asking a worker for something, by a message through Redis."""

from typing import Any

import structlog
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

log = structlog.get_logger(__name__)


def sent(task: Any, *given: Any) -> bool:
    """Whether a worker could be asked to do the task; never raises, and does not wait for a Redis that is down."""
    try:
        task.apply_async(args=given, retry=False)
    except (OperationalError, RedisError) as error:
        log.warning("task_not_sent", task=task.name, error=type(error).__name__)
        return False
    return True
