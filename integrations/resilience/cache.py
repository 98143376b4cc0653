"""Answers kept for a while: in the process for seconds (L1), in Redis for all processes (L2), and stale for a day.

Values are JSON. L1 holds text and decodes it at each hit, so nobody changes what another will read. Every key belongs
to a scope, the account whose answer it is; a scope's generation is part of its keys in Redis, so that one step forgets
everything of it, and an answer that was fetched before lands where nobody looks.
"""

import json
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, NamedTuple

from cachetools import TTLCache

from integrations import errors
from integrations.resilience import metrics
from integrations.resilience.coalesce import SingleFlight
from integrations.resilience.locks import lock
from integrations.resilience.policies import CachePolicy
from integrations.resilience.state import SharedState

FLIGHT_S = 30.0  # after that a killed leader's followers ask themselves
POLL_S = 0.02

# Keys: the scope's generation, the entry without it. Answers the generation and the entry.
READ = """
local generation = redis.call('GET', KEYS[1]) or '0'
return {generation, redis.call('GET', KEYS[2] .. ':' .. generation)}
"""
# Key: the scope's generation. Argument: seconds to keep it, longer than any entry.
FORGET = """
local generation = redis.call('INCR', KEYS[1])
redis.call('EXPIRE', KEYS[1], ARGV[1])
return generation
"""


class CacheKey(NamedTuple):
    scope: str
    text: str


@dataclass(frozen=True, slots=True)
class CacheEntry:
    """`source` is "l1", "l2", "stale" or "network"; `stored_at` a point of the Unix epoch."""

    value: Any
    stored_at: float
    fresh_until: float
    source: str

    @property
    def is_stale(self) -> bool:
        return self.source == "stale"


def cache_key(context: str, params: Mapping[str, Any], *, scope: str) -> CacheKey:
    """`scope` is whose answer it is; two people's never share a key."""
    text = json.dumps(params, sort_keys=True, separators=(",", ":"), default=str)
    return CacheKey(scope, f"{context}:{sha256(text.encode()).hexdigest()}")


class LayeredCache:
    """The cache of one provider. It raises nothing of its own: what cannot be read is a miss."""

    def __init__(
        self,
        provider: str,
        policy: CachePolicy,
        state: SharedState,
        *,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.provider, self.policy = provider, policy
        self._state, self._clock, self._sleep = state, clock, sleep
        self._read, self._forget = state.script(READ), state.script(FORGET)
        self._flight = SingleFlight(provider)
        self._lock = threading.Lock()
        self._l1: TTLCache[CacheKey, str] = TTLCache(policy.l1_size, policy.l1_ttl, timer=clock)
        self._epochs: dict[str, int] = {}

    def get(self, key: CacheKey) -> CacheEntry | None:
        """What is fresh, from the nearest layer."""
        return self._near(key) or self._fresh(self._far(key)[1])

    def set(self, key: CacheKey, value: Any, *, data_type: str) -> CacheEntry:
        return self._keep(key, value, data_type, self._far(key)[0])

    def get_or_fetch(
        self, key: CacheKey, fetch: Callable[[], Any], *, data_type: str, timeout: float | None = None
    ) -> CacheEntry:
        """What is fresh, or what `fetch` answers: one call for all who ask meanwhile, here and in other processes.

        When it fails in a way that passes, what is stale is served. Else its error is raised. A NotFoundError also
        forgets what was known.
        """
        if found := self._near(key):
            self._count("l1", data_type)
            return found
        name = f"{key.scope}|{key.text}"
        entry, _ = self._flight.do(name, lambda: self._far_or_fetch(key, fetch, data_type), timeout=timeout)
        return entry

    def invalidate(self, scope: str) -> None:
        """After a write: nothing of before is served again, here at once and elsewhere within `l1_ttl`."""
        with self._lock:
            self._epochs[scope] = self._epochs.get(scope, 0) + 1
            for key in [key for key in self._l1 if key.scope == scope]:
                self._l1.pop(key, None)
        self._forget([self._generation_key(scope)], [int(self.policy.longest) + 60])

    def _far_or_fetch(self, key: CacheKey, fetch: Callable[[], Any], data_type: str) -> CacheEntry:
        generation, known = self._far(key)
        if found := self._fresh(known):
            self._count("l2", data_type)
            return found
        epoch = self._epochs.get(key.scope, 0)
        with ExitStack() as stack:
            name = f"{self.provider}:{key.scope}:{key.text}"
            is_leader = stack.enter_context(lock(name, state=self._state, ttl=FLIGHT_S, on_unavailable="run"))
            if not is_leader and (found := self._wait_for(key, name)):
                self._count("l2", data_type)
                return found
            self._count("miss", data_type)
            try:
                value = fetch()
            except errors.IntegrationError as exc:
                return self._instead(key, known, exc, data_type)
            return self._keep(key, value, data_type, generation, epoch)

    def _wait_for(self, key: CacheKey, name: str) -> CacheEntry | None:
        """Another process is asking: its answer, or None when it gave up."""
        end = self._clock() + FLIGHT_S
        while self._clock() < end:
            self._sleep(POLL_S)
            if found := self._fresh(self._far(key)[1]):
                return found
            if not self._state.run(lambda: self._state.client.exists(f"tc:lock:{name}")):
                return self._fresh(self._far(key)[1])
        return None

    def _instead(
        self, key: CacheKey, known: CacheEntry | None, error: errors.IntegrationError, data_type: str
    ) -> CacheEntry:
        if isinstance(error, errors.NotFoundError):
            self.invalidate(key.scope)
        passes = (error.retryable or error.halted) and not isinstance(error, errors.AuthenticationError)
        if known is None or not passes:
            raise error
        self._count("stale", data_type)
        return known

    def _near(self, key: CacheKey) -> CacheEntry | None:
        with self._lock:
            text = self._l1.get(key)
        entry = self._decoded(text, "l1")
        return entry if entry and entry.source == "l1" else None

    def _far(self, key: CacheKey) -> tuple[str, CacheEntry | None]:
        """The scope's generation and what is kept there, fresh or stale; it goes into L1 when it is fresh."""
        raw = self._read([self._generation_key(key.scope), self._entry_key(key)], [])
        if raw is None:
            return "", None
        entry = self._decoded(raw[1], "l2")
        if entry and entry.source == "l2":
            with self._lock:
                self._l1[key] = raw[1]
        return raw[0], entry

    def _keep(self, key: CacheKey, value: Any, data_type: str, generation: str, epoch: int | None = None) -> CacheEntry:
        now, ttl = self._clock(), self.policy.ttl[data_type]
        text = json.dumps([now, now + ttl, value], separators=(",", ":"))
        with self._lock:
            if epoch is None or self._epochs.get(key.scope, 0) == epoch:
                self._l1[key] = text
        if generation:
            name, seconds = f"{self._entry_key(key)}:{generation}", int(ttl + self.policy.stale_for)
            self._state.run(lambda: self._state.client.set(name, text, ex=seconds) or False)
        return CacheEntry(value, now, now + ttl, "network")

    def _decoded(self, text: Any, source: str) -> CacheEntry | None:
        try:
            stored_at, fresh_until, value = json.loads(text)
            is_fresh = bool(self._clock() < fresh_until)
        except (TypeError, ValueError):  # nothing, or nothing of ours
            return None
        return CacheEntry(value, stored_at, fresh_until, source if is_fresh else "stale")

    def _fresh(self, entry: CacheEntry | None) -> CacheEntry | None:
        return None if entry is None or entry.is_stale else entry

    def _generation_key(self, scope: str) -> str:
        return f"tc:{{{self.provider}}}:gen:{scope}"

    def _entry_key(self, key: CacheKey) -> str:
        return f"tc:{{{self.provider}}}:cache:{key.scope}:{key.text}"

    def _count(self, layer: str, data_type: str) -> None:
        metrics.CACHE.labels(self.provider, layer, data_type).inc()
