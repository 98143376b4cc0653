"""Thin doors to the services: rows are claimed, so a doubled, late or lost message does no harm."""

from celery import shared_task

from integrations import ticks
from webhooks.services import keeping, processing


@shared_task(ignore_result=True)
def process_events() -> None:
    """Safe to run twice, and in parallel."""
    processing.process_due()


@shared_task(ignore_result=True)
def tick_webhooks() -> None:
    """For events whose wake-up got lost, those whose delay is over, and those whose worker went silent."""
    processing.reap()
    ticks.record("tick_webhooks", processing.process_due)


@shared_task(ignore_result=True)
def tick_old_webhooks() -> None:
    """Blank bodies, delete rows, end secrets: each when its time has come."""
    ticks.record("tick_old_webhooks", keeping.tidy)
