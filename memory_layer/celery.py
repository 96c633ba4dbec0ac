"""The Celery app: `celery -A memory_layer worker` and `celery -A memory_layer beat`."""

import os

from celery import Celery
from celery.signals import setup_logging

from memory_layer.celery_settings import CELERY

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "memory_layer.settings")

app = Celery("memory_layer")
app.conf.update(CELERY)
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@setup_logging.connect
def keep_our_logging(**_: object) -> None:
    """Django has set logging up already; without a receiver Celery would put its own handlers over it."""
