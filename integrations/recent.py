"""What this process has read a moment ago, so that most looks ask nobody."""

import time
from collections.abc import Callable
from threading import Lock

from cachetools import TTLCache

from integrations.resilience.forking import renew_in_child


class Recent[Key, Value]:
    """Safe for threads, also while another one forgets; a forked child begins with nothing.

    What is read while somebody forgets is not kept: it may be of before.
    """

    def __init__(self, fresh_s: float, *, most: int = 1, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._fresh_s, self._most = fresh_s, most
        self.renew()
        renew_in_child(self)

    def get(self, key: Key, read: Callable[[], Value]) -> Value:
        """What is known of `key`, else what `read` finds, which never is None. Nothing is locked while it reads."""
        with self._lock:
            found, era = self._kept.get(key), self._era
        if found is None:
            found = read()
            with self._lock:
                if era == self._era:
                    self._kept[key] = found
        return found

    def forget(self) -> None:
        """The next look reads anew."""
        with self._lock:
            self._kept.clear()
            self._era += 1

    def renew(self) -> None:
        """For a child process only: somebody may have held the lock when it was made, half-way through a change."""
        self._lock = Lock()
        self._era = 0
        self._kept: TTLCache[Key, Value] = TTLCache(self._most, self._fresh_s, timer=self._clock)
