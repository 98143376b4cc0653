"""Ring the broker's bell after the commit. The row is the truth: an unheard bell costs a tick, never the work."""

from functools import partial
from typing import Any

import structlog
from celery import Task
from django.db import transaction
from kombu.exceptions import OperationalError

log = structlog.get_logger(__name__)


def ring(task: "Task[Any, Any]", *args: int | str) -> None:
    """Enqueue `task` after the open transaction, at once outside one. A broker that is away raises nothing."""
    transaction.on_commit(partial(_send, task, *args), robust=True)


def _send(task: "Task[Any, Any]", *args: int | str) -> None:
    try:
        task.apply_async(args=args)
    except OperationalError:
        log.warning("broker_away", task=task.name)
