"""Ring the broker's bell after the commit. The row is the truth: a bell that nobody hears costs a tick, never the work."""

from functools import partial
from typing import Any

import structlog
from celery import Task
from django.db import transaction
from kombu.exceptions import OperationalError

log = structlog.get_logger(__name__)


def ring(task: "Task[Any, Any]", *args: int | str) -> None:
    """Enqueue `task` once the open transaction has committed (at once outside one). Never raises for a broker that is away."""
    transaction.on_commit(partial(_send, task, *args), robust=True)


def _send(task: "Task[Any, Any]", *args: int | str) -> None:
    try:
        task.apply_async(args=args)
    except OperationalError:
        log.warning("broker_away", task=task.name)
