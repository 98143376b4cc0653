"""State in Redis that may be lost: a fail-fast client, one warning per outage; callers have a twin."""

import threading
import time
from collections.abc import Callable
from typing import Any

import redis
import structlog
from redis.backoff import NoBackoff
from redis.retry import Retry

DOWN_FOR_S = 5.0
TIMEOUT_S = 0.25
WARN_EVERY_S = 60.0

log = structlog.get_logger(__name__)


class SharedState:
    """One Redis client of the process. `run` answers None while Redis is away; then the caller uses its twin.

    While it is away one caller in five seconds tries whether it is back, and pays at most TIMEOUT_S for that.
    """

    def __init__(self, url: str, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._client = redis.Redis.from_url(
            url,
            socket_connect_timeout=TIMEOUT_S,
            socket_timeout=TIMEOUT_S,
            retry=Retry(NoBackoff(), 0),
            health_check_interval=30,
            max_connections=20,
            decode_responses=True,
        )
        self._clock = clock
        self._down_until = 0.0
        self._down = False
        self._warned_at = float("-inf")
        self._lock = threading.Lock()

    @property
    def client(self) -> redis.Redis:
        """For use inside `run` only."""
        return self._client

    @property
    def is_up(self) -> bool:
        """As of the last command."""
        return not self._down

    def script(self, source: str) -> Callable[[list[str], list[Any]], Any]:
        """A Lua script as a function of keys and arguments that answers None while Redis is away."""
        registered = self._client.register_script(source)
        return lambda keys, args: self.run(lambda: registered(keys=keys, args=args))

    def run(self, operation: Callable[[], Any]) -> Any | None:
        if self._down and not self._may_try():
            return None
        try:
            answer = operation()
        except redis.RedisError as exc:
            self._went_down(exc)
            return None
        self._down = False
        return answer

    def _may_try(self) -> bool:
        """True for one caller every five seconds."""
        with self._lock:
            if self._clock() < self._down_until:
                return False
            self._down_until = self._clock() + DOWN_FOR_S
            return True

    def _went_down(self, exc: Exception) -> None:
        with self._lock:
            now = self._clock()
            is_news = not self._down and now - self._warned_at >= WARN_EVERY_S
            self._down, self._down_until = True, now + DOWN_FOR_S
            if is_news:
                self._warned_at = now
        if is_news:
            log.warning("shared_state_down", reason=type(exc).__name__)
