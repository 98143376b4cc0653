"""What a child process must not take over: locks that nobody will release, flights that nobody will land."""

import os
from typing import Protocol
from weakref import WeakSet


class Renewable(Protocol):
    def renew(self) -> None: ...


_known: WeakSet[Renewable] = WeakSet()


def renew_in_child(thing: Renewable) -> None:
    """Call `thing.renew()` in every process forked from this one, as long as `thing` lives."""
    _known.add(thing)


def _renew() -> None:
    for thing in list(_known):
        thing.renew()


os.register_at_fork(after_in_child=_renew)
