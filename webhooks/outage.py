"""While the database is away one request at a time finds out whether it is back; all others are told at once.

Otherwise each would wait for the pool, and soon no thread would be left to say so.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock

from django.db import InterfaceError, OperationalError
from psycopg_pool import PoolTimeout

_probing = Lock()
_is_away = False


class Away(Exception):
    """The database did not answer lately, and somebody else is looking whether it is back."""


@contextmanager
def watched() -> Iterator[None]:
    """Around what needs the database. Raises Away at once while it is gone."""
    global _is_away  # noqa: PLW0603
    is_probe = _is_away
    if is_probe and not _probing.acquire(blocking=False):
        raise Away
    try:
        yield
        _is_away = False
    except (OperationalError, InterfaceError, PoolTimeout):
        _is_away = True
        raise
    finally:
        if is_probe:
            _probing.release()


def forget() -> None:
    """A child process begins anew: locks do not survive a fork."""
    global _probing, _is_away
    _probing, _is_away = Lock(), False


os.register_at_fork(after_in_child=forget)
