"""The Celery app: `celery -A memory_layer worker` and `celery -A memory_layer beat`."""

import gc
import os
from typing import Any

import structlog
from celery import Celery, Task, bootsteps
from celery.signals import (
    beat_init,
    before_task_publish,
    setup_logging,
    task_failure,
    task_postrun,
    task_prerun,
    worker_init,
)
from django.utils.module_loading import import_string
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from memory_layer import broker, metrics_server, task_runs
from memory_layer.celery_settings import CELERY

log = structlog.get_logger(__name__)

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "memory_layer.settings")
# Celery would run Django's checks at each start, which import every page of the web, and tell nobody what they found.
os.environ.setdefault("CELERY_SKIP_CHECKS", "1")

broker.use()
app = Celery("memory_layer")
app.conf.update(CELERY)
app.config_from_object("django.conf:settings", namespace="CELERY")


@setup_logging.connect
def keep_our_logging(**_: object) -> None:
    """Django has set logging up already; without a receiver Celery would put its own handlers over it."""


@worker_init.connect
def load_what_forks_share(**_: object) -> None:
    """Whoever runs the tasks needs what they import; beat sends by name, and web has those that it sends.

    Frozen, it is not looked at by the garbage collector of each process, which would write into every page of it.
    """
    for name in ("tasks", "space_tasks"):
        app.autodiscover_tasks(related_name=name, force=True)
    import_string("memories.embeddings.make_before_fork")()
    gc.collect()
    gc.freeze()


@worker_init.connect
@beat_init.connect
def tell_metrics(**_: object) -> None:
    """Where MEMORY_METRICS_PORT is set."""
    metrics_server.start()


class LooksForWork(bootsteps.StartStopStep):
    """A worker that begins to take tasks, at its start and after each loss of Redis, looks for what was left."""

    requires = ("celery.worker.consumer.tasks:Tasks",)

    def start(self, consumer: Any) -> None:
        """By name: the app is made before Django, and the tasks need it."""
        try:
            consumer.app.send_task("memories.tasks.take_over")
        except (OperationalError, RedisError) as error:  # gone again; beat's sweep comes anyway
            log.warning("take_over_lost", error=type(error).__name__)


app.steps["consumer"].add(LooksForWork)


@before_task_publish.connect
def say_who_asks(sender: str, headers: dict[str, Any], **_: object) -> None:
    """`sender` is the task's name."""
    task_runs.sent(sender, headers)


@task_prerun.connect
def begin(task: "Task[..., object]", **_: object) -> None:
    """In the process that runs it."""
    task_runs.begun(task)


@task_failure.connect
def note_failure(sender: "Task[..., object]", exception: BaseException, **_: object) -> None:
    """Before its end is told."""
    task_runs.failed(sender, exception)


@task_postrun.connect
def end(task: "Task[..., object]", state: str, **_: object) -> None:
    """Whatever became of it."""
    task_runs.ended(task, state or "UNKNOWN")
