"""Ring the broker's bell after the commit. The row is the truth: an unheard bell costs a tick, never the work."""

import os
from dataclasses import dataclass
from threading import Event, Lock, Thread
from typing import Any

import structlog
from celery import Task, current_app
from django.db import transaction
from kombu.exceptions import OperationalError

log = structlog.get_logger(__name__)

WAKE_EVERY_S = 1.0


@dataclass(frozen=True, slots=True)
class Named:
    """A task whose module imports the ringer's, known by name; a test holds it equal to the task's own."""

    name: str


RUN_SYNC = Named("integrations.tasks.run_sync")
DISPATCH_EVENTS = Named("integrations.tasks.dispatch_events")
CONFIRM_CONNECTION = Named("integrations.tasks.confirm_connection")
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


class _Sleeper:
    """Sends what was asked for from a thread of its own, at most once a second however often it was asked."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._wanted: set[str] = set()
        self._asked = Event()
        self._thread: Thread | None = None

    def ask(self, name: str) -> None:
        with self._lock:
            self._wanted.add(name)
            if self._thread is None:
                self._thread = Thread(target=self._run, name="bell", daemon=True)
                self._thread.start()
        self._asked.set()

    def _run(self) -> None:
        pause = Event()  # never set: a sleep that belongs to this thread
        while self._asked.wait():
            self._asked.clear()
            with self._lock:
                wanted, self._wanted = self._wanted, set()
            for name in wanted:
                _Peal(name, ())()
            pause.wait(WAKE_EVERY_S)


_sleeper = _Sleeper()


def wake(task: "Task[Any, Any] | Named") -> None:
    """Ring for work that stands in committed rows, at most once a second and process.

    Never waits for the broker: not even while it hangs.
    """
    _sleeper.ask(task.name)


def _forget() -> None:
    """A child process has neither its parent's thread nor the right to its locks."""
    global _sleeper  # noqa: PLW0603
    _sleeper = _Sleeper()


os.register_at_fork(after_in_child=_forget)
