"""Periodic work of the whole product, with its heartbeats."""

from celery import shared_task

from accounts import data_requests, retention
from integrations import ticks


@shared_task(ignore_result=True)
def tick_data_requests() -> None:
    ticks.record("tick_data_requests", data_requests.work_due)


@shared_task(ignore_result=True)
def tick_retention() -> None:
    """In batches, so that a table that was never tidied costs nobody his turn."""
    ticks.record("tick_retention", retention.tidy)
