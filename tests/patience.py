"""Waiting in tests: for what happens in other threads and processes, with the patience that a busy machine needs."""

import time
from collections.abc import Callable

from django.db import connection

PATIENCE_S = 60.0  # nothing lasts so long: who waits in vain for a minute has found a fault
LOOK_EVERY_S = 0.01


def until(
    holds: Callable[[], object],
    *,
    words: Callable[[], str] = lambda: "it does not happen",
    within_s: float = PATIENCE_S,
) -> None:
    """Look again and again until it holds; `words` tell what was seen instead."""
    end = time.monotonic() + within_s
    while not holds():
        assert time.monotonic() < end, words()
        time.sleep(LOOK_EVERY_S)


def somebody_waits_for_us() -> bool:
    """Whether a session waits for a lock that this thread's transaction holds.

    By the locks themselves: within a transaction pg_stat_activity goes on showing the sessions of the first look.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT EXISTS(SELECT FROM pg_locks WHERE NOT granted AND pg_backend_pid() = ANY(pg_blocking_pids(pid)))"
        )
        return bool(cursor.fetchone()[0])
