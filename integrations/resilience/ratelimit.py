"""Token buckets shared by all processes through Redis, with a twin in the process for when Redis is away."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from integrations import errors
from integrations.resilience.state import SharedState

# KEYS[1] bucket; ARGV capacity, tokens per second, tokens wanted, pause in seconds. Answers the wait in milliseconds.
TAKE = """
local t = redis.call('TIME'); local now = t[1] + t[2] / 1e6
local capacity, per_s, wanted, pause = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local bucket = redis.call('HMGET', KEYS[1], 'tokens', 'at', 'paused')
local tokens, at, paused = tonumber(bucket[1]) or capacity, tonumber(bucket[2]) or now, tonumber(bucket[3]) or 0
tokens = math.min(capacity, tokens + math.max(0, now - at) * per_s)
if pause > 0 then paused = math.max(paused, now + pause) end
local wait = math.max(0, paused - now)
if wait == 0 and wanted > 0 then
  if tokens >= wanted then tokens = tokens - wanted else wait = (wanted - tokens) / per_s end
end
redis.call('HSET', KEYS[1], 'tokens', tostring(tokens), 'at', tostring(now), 'paused', tostring(paused))
redis.call('EXPIRE', KEYS[1], math.ceil(capacity / per_s + math.max(0, paused - now)) + 60)
return math.ceil(wait * 1000)
"""


@dataclass
class _Twin:
    tokens: float
    at: float
    paused: float = 0.0


class RateLimit:
    """The buckets of one provider, by key. A wait of 0 means the token is taken."""

    def __init__(
        self,
        provider: str,
        state: SharedState,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.provider = provider
        self._take = state.script(TAKE)
        self._clock, self._sleep = clock, sleep
        self._twins: dict[str, _Twin] = {}
        self._lock = threading.Lock()

    def acquire(self, key: str, *, capacity: float, per_s: float, max_wait: float) -> float:
        """Take one token, waiting at most `max_wait` seconds in all. Returns the wait; raises ThrottledError."""
        end = self._clock() + max_wait
        waited = 0.0
        while (wait := self._ask(key, capacity, per_s, wanted=1, pause=0)) > 0:
            if self._clock() + wait > end:
                raise errors.ThrottledError(provider=self.provider, retry_after=wait)
            self._sleep(wait)
            waited += wait
        return waited

    def pause(self, key: str, seconds: float, *, capacity: float, per_s: float) -> None:
        """Nobody takes from this bucket for `seconds`: the provider said so."""
        self._ask(key, capacity, per_s, wanted=0, pause=seconds)

    def _ask(self, key: str, capacity: float, per_s: float, *, wanted: int, pause: float) -> float:
        answer: Any = self._take([f"tc:{{{self.provider}}}:bucket:{key}"], [capacity, per_s, wanted, pause])
        if answer is None:
            return self._ask_twin(key, capacity, per_s, wanted=wanted, pause=pause)
        return float(answer) / 1000

    def _ask_twin(self, key: str, capacity: float, per_s: float, *, wanted: int, pause: float) -> float:
        with self._lock:
            now = self._clock()
            twin = self._twins.setdefault(key, _Twin(capacity, now))
            twin.tokens = min(capacity, twin.tokens + (now - twin.at) * per_s)
            twin.at = now
            if pause:
                twin.paused = max(twin.paused, now + pause)
            if twin.paused > now:
                return twin.paused - now
            if wanted <= twin.tokens:
                twin.tokens -= wanted
                return 0.0
            return (wanted - twin.tokens) / per_s
