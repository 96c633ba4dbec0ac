"""Celery's settings, with the reasons for those that are not its defaults.

The embedding job row in PostgreSQL is the truth and a Celery message only a hint, so a lost message costs
seconds, never a memory.
"""

from typing import Any
from urllib.parse import parse_qsl, quote, urlsplit

SWEEP_SECONDS = 15
# A worker or a beat that was silent for so long is not well; three missed sweeps are no accident.
LATE_SECONDS = 3 * SWEEP_SECONDS + 5
REINDEX_SECONDS = 30
CODEBOOK_SECONDS = 60
RECALLS_SECONDS = 60
# How often tenants are looked for whose last measurement is a day old.
RECALL_SECONDS = 600
IDEMPOTENCY_SECONDS = 600
# How late a retention run may start.
RETENTION_SECONDS = 60
# How long PostgreSQL's samples may hold a piece of what was erased, and a minute more.
SAMPLES_SECONDS = 60
# A task still running at this age is delivered again. It must exceed the longest task (time limit 120 s), and
# tasks are safe to run twice.
VISIBILITY_TIMEOUT_SECONDS = 300


def _upkeep(task: str, seconds: int) -> dict[str, Any]:
    """A message that nobody takes for a while (no worker) is of no use later: the next beat sends another."""
    return {"task": task, "schedule": seconds, "options": {"expires": seconds}}


CELERY = {
    "task_acks_late": True,
    "task_reject_on_worker_lost": True,
    "worker_prefetch_multiplier": 1,
    "task_ignore_result": True,
    "task_time_limit": 120,
    "task_soft_time_limit": 100,
    "broker_connection_retry_on_startup": True,
    "worker_cancel_long_running_tasks_on_connection_loss": True,
    "worker_soft_shutdown_timeout": 10,
    "worker_max_tasks_per_child": 1000,
    "worker_hijack_root_logger": False,
    "timezone": "UTC",
    "task_default_queue": "default",
    "task_routes": {
        "memories.tasks.*": {"queue": "embed"},
        "memories.space_tasks.*": {"queue": "embed"},
        "retention.tasks.*": {"queue": "retention"},
    },
    # last_run_at reaches the database after every send: health reads beat's pulse there.
    "beat_sync_every": 1,
    "beat_max_loop_interval": 5,
    "beat_schedule": {
        "sweep-embedding-jobs": {"task": "memories.tasks.sweep", "schedule": SWEEP_SECONDS},
        "reindex-messages": _upkeep("memories.tasks.reindex", REINDEX_SECONDS),
        "train-codebooks": _upkeep("memories.tasks.train_codebooks", CODEBOOK_SECONDS),
        "flush-recalls": _upkeep("memories.tasks.flush_recalls", RECALLS_SECONDS),
        "measure-recall": _upkeep("memories.tasks.measure_recall", RECALL_SECONDS),
        "forget-idempotency-keys": _upkeep("tenants.tasks.forget_idempotency_keys", IDEMPOTENCY_SECONDS),
        "run-due-retention": _upkeep("retention.tasks.run_due", RETENTION_SECONDS),
        "renew-samples": _upkeep("retention.tasks.renew_samples", SAMPLES_SECONDS),
    },
    # kombu looks for undelivered messages only every interval * throttle events: small, so that the tasks of
    # a killed worker come back in seconds.
    "broker_transport_options": {
        "visibility_timeout": VISIBILITY_TIMEOUT_SECONDS,
        "unacked_restore_interval": 5,
        "unacked_restore_throttle": 1,
        "socket_timeout": 10,
        "socket_connect_timeout": 2,
        "socket_keepalive": True,
        "health_check_interval": 25,
    },
}


def broker_url(redis_url: str) -> str:
    """The same Redis in kombu's spelling: unix:///path?db=1 is redis+socket:///path?virtual_host=1 there."""
    parts = urlsplit(redis_url)
    if parts.scheme != "unix":
        return redis_url
    options = dict(parse_qsl(parts.query))
    who = parts.netloc.rpartition("@")[0]
    if not who and "password" in options:
        who = f"{quote(options.get('username', ''), safe='')}:{quote(options['password'], safe='')}"
    return f"redis+socket://{who and who + '@'}{parts.path}?virtual_host={options.get('db', '0')}"
