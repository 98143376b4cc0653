"""Ring the broker's bell after the commit. The row is the truth: an unheard bell costs a tick, never the work."""

from dataclasses import dataclass
from typing import Any

import structlog
from celery import Task, current_app
from django.db import transaction
from kombu.exceptions import OperationalError

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Named:
    """A task whose module imports the ringer's, known by name; a test holds it equal to the task's own."""

    name: str


RUN_SYNC = Named("integrations.tasks.run_sync")
DISPATCH_EVENTS = Named("integrations.tasks.dispatch_events")
SELF_TEST = Named("integrations.tasks.self_test")
ROTATE_KEYS = Named("integrations.tasks.rotate_keys")


def ring(task: "Task[Any, Any] | Named", *args: int | str) -> None:
    """Enqueue `task` after the open transaction, once however often it is rung there; at once outside one.

    A broker that is away raises nothing. The settings' table of routes knows the queue.
    """
    peal = _Peal(task.name, args)
    waiting = [entry[1] for entry in transaction.get_connection().run_on_commit]
    if peal not in waiting:  # what an undone savepoint rang is no longer in the list
        transaction.on_commit(peal, robust=True)


@dataclass(frozen=True, slots=True)
class _Peal:
    name: str
    args: tuple[int | str, ...]

    def __call__(self) -> None:
        try:
            current_app.send_task(self.name, args=self.args)
        except OperationalError:
            log.warning("broker_away", task=self.name)
