"""One flight for all who ask the same at the same time."""

import copy
import threading
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from typing import Any

from integrations import errors
from integrations.resilience import metrics


class SingleFlight:
    """In one process. Who comes while a flight is out waits for it and gets its answer, or its error."""

    def __init__(self, provider: str) -> None:
        self.provider = provider
        self._flights: dict[str, Future[Any]] = {}
        self._lock = threading.Lock()

    def do[T](self, key: str, function: Callable[[], T], *, timeout: float | None = None) -> tuple[T, bool]:
        """The answer, and whether it is another's. Waits `timeout` seconds for another's, then raises TimeoutError."""
        with self._lock:
            flight = self._flights.get(key)
            is_leader = flight is None
            if flight is None:
                flight = self._flights[key] = Future()
        if is_leader:
            return self._lead(key, flight, function), False
        metrics.COALESCED.labels(self.provider).inc()
        try:
            return flight.result(timeout), True
        except FutureTimeout as exc:
            if flight.done():  # the flight itself ran out of time
                raise copy.copy(exc) from None
            raise errors.TimeoutError(provider=self.provider, code="coalesce_timeout") from None
        except errors.IntegrationError as exc:
            raise copy.copy(exc) from None  # a traceback belongs to one thread

    def _lead[T](self, key: str, flight: Future[Any], function: Callable[[], T]) -> T:
        try:
            answer = function()
        except BaseException as exc:
            self._land(key, flight)
            flight.set_exception(exc)
            raise
        self._land(key, flight)
        flight.set_result(answer)
        return answer

    def _land(self, key: str, flight: Future[Any]) -> None:
        """Before the answer is given: who comes from now on starts a flight of his own."""
        with self._lock:
            if self._flights.get(key) is flight:
                del self._flights[key]
