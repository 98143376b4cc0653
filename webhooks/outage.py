"""While the database is away one request a second finds out whether it is back; all others are told at once.

Otherwise each would wait for the pool, and soon no thread would be left to say so.
"""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock

from django.db import InterfaceError, OperationalError
from psycopg_pool import PoolTimeout

LOOK_EVERY_S = 1.0

_probing = Lock()
_is_away = False
_next_look = 0.0


class Away(Exception):
    """The database did not answer lately, and somebody else is looking whether it is back."""


@contextmanager
def watched() -> Iterator[None]:
    """Around what needs the database. Raises Away at once while it is gone."""
    global _is_away, _next_look  # noqa: PLW0603
    is_probe = _is_away
    if is_probe and (time.monotonic() < _next_look or not _probing.acquire(blocking=False)):
        raise Away
    try:
        yield
        _is_away = False
    except (OperationalError, InterfaceError, PoolTimeout):
        _is_away, _next_look = True, time.monotonic() + LOOK_EVERY_S
        raise
    finally:
        if is_probe:
            _probing.release()


def forget() -> None:
    """A child process begins anew: locks do not survive a fork."""
    global _probing, _is_away, _next_look
    _probing, _is_away, _next_look = Lock(), False, 0.0


os.register_at_fork(after_in_child=forget)
