"""The Celery app: `celery -A memory_layer worker` and `celery -A memory_layer beat`."""

import os

from celery import Celery, Task
from celery.signals import setup_logging, task_prerun

from memory_layer.celery_settings import CELERY
from tenants import actors
from tenants.audit_actions import ActorKind

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "memory_layer.settings")

app = Celery("memory_layer")
app.conf.update(CELERY)
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@setup_logging.connect
def keep_our_logging(**_: object) -> None:
    """Django has set logging up already; without a receiver Celery would put its own handlers over it."""


@task_prerun.connect
def say_who_acts(task: "Task[..., object]", **_: object) -> None:
    """What a task changes, the schedule has changed: the audit trail names the task."""
    actors.acting(ActorKind.SCHEDULE, task.name)
