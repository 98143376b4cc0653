"""One flight for all who ask the same at the same time."""

import threading
import time
from collections.abc import Callable, Hashable
from concurrent.futures import CancelledError, Future
from typing import Any

from integrations import errors
from integrations.resilience import metrics
from integrations.resilience.forking import renew_in_child

COALESCE_TIMEOUT = "coalesce_timeout"


class SingleFlight:
    """In one process. Who comes while a flight is out waits for it and gets its answer, or a copy of its error.

    The flights live in this process's memory only; a forked child begins with none.
    """

    def __init__(self, provider: str) -> None:
        self.provider = provider
        self.renew()
        renew_in_child(self)

    def renew(self) -> None:
        self._flights: dict[Hashable, Future[Any]] = {}
        self._lock = threading.Lock()

    def do[T](self, key: Hashable, function: Callable[[], T], *, timeout: float | None = None) -> tuple[T, bool]:
        """The answer, and whether it is another's. Waits `timeout` seconds for another's, then raises TimeoutError.

        When the leader is stopped, or has waited too long itself, that says nothing about the answer: one of those who
        wait leads anew. `function` keeps its own time.
        """
        end = None if timeout is None else time.monotonic() + timeout
        is_told = False
        while True:
            with self._lock:
                flight = self._flights.get(key)
                if is_leader := flight is None:
                    flight = self._flights[key] = Future()
            assert flight is not None
            if is_leader:
                return self._lead(key, flight, function), False
            if not is_told:
                metrics.COALESCED.labels(self.provider).inc()
                is_told = True
            try:
                return self._follow(flight, end), True
            except CancelledError:
                continue

    def _follow(self, flight: Future[Any], end: float | None) -> Any:
        try:
            error = flight.exception(None if end is None else max(0.0, end - time.monotonic()))
        except TimeoutError:  # of the wait: what the flight met is returned above
            raise errors.TimeoutError(provider=self.provider, code=COALESCE_TIMEOUT) from None
        if error is not None:
            raise _copied(error) from error.__cause__
        return flight.result()

    def _lead[T](self, key: Hashable, flight: Future[Any], function: Callable[[], T]) -> T:
        try:
            answer = function()
        except BaseException as exc:
            self._land(key, flight)
            if isinstance(exc, Exception) and getattr(exc, "code", None) != COALESCE_TIMEOUT:
                flight.set_exception(exc)
            else:
                flight.cancel()
            raise
        self._land(key, flight)
        flight.set_result(answer)
        return answer

    def _land(self, key: Hashable, flight: Future[Any]) -> None:
        """Before the answer is given: who comes from now on starts a flight of his own."""
        with self._lock:
            if self._flights.get(key) is flight:
                del self._flights[key]


def _copied(error: BaseException) -> BaseException:
    """The same error with a traceback of its own, which belongs to one thread; its constructor is not asked."""
    kind = type(error)
    twin = kind.__new__(kind, *error.args)
    twin.__dict__.update(error.__dict__)
    if isinstance(twin, errors.IntegrationError):
        twin.context = dict(twin.context)
    return twin
