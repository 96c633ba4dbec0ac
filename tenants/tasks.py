"""What beat does for tenants."""

from celery import shared_task

from tenants import idempotency


@shared_task
def forget_idempotency_keys() -> int:
    """On beat: keys of yesterday; how many. Safe to run twice, and beside requests."""
    return idempotency.forget_old()
