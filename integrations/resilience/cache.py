"""Answers kept for a while: in the process for seconds (L1), in Redis for all processes (L2), and stale for a day.

In the process: L1, which holds JSON text and decodes it at each hit, so nobody changes what another will read; the
flights; which scopes Redis has yet to hear about. A forked child begins with an empty L1 and no flights. In Redis: the
entries, each scope's generation, the lease of whoever is asking.

Every key belongs to a scope, the account whose answer it is. A scope's generation is part of its keys in Redis, so that
one step forgets everything of it, and an answer that was fetched before lands where nobody looks. Generations are
random: one that Redis lost never comes again, and nothing from before a write does either.
"""

import json
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, NamedTuple
from uuid import uuid4

from cachetools import TTLCache

from integrations import errors
from integrations.resilience import metrics
from integrations.resilience.coalesce import COALESCE_TIMEOUT, SingleFlight
from integrations.resilience.forking import renew_in_child
from integrations.resilience.locks import is_held, lock
from integrations.resilience.policies import CachePolicy
from integrations.resilience.state import SharedState

FLIGHT_S = 30.0  # after that a killed leader's followers ask themselves
POLL_S = 0.02

# Keys: the scope's generation, the entry without it. Arguments: a generation to begin with, milliseconds to keep it.
# Answers the generation and the entry. What is no ASCII text is not ours, and must not reach the client's decoder.
READ = """
local function text(key)
  local found = redis.pcall('GET', key)
  return type(found) == 'string' and not string.find(found, '[\\128-\\255]') and found
end
local generation = text(KEYS[1])
if generation then
  redis.call('PEXPIRE', KEYS[1], ARGV[2])
else
  generation = ARGV[1]
  redis.call('SET', KEYS[1], generation, 'PX', ARGV[2])
end
return {generation, text(KEYS[2] .. ':' .. generation)}
"""


class CacheKey(NamedTuple):
    scope: str
    text: str


class _Found(NamedTuple):
    """What a flight brings: text, for each who waits to decode for himself."""

    text: str
    source: str


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
    """`scope` is whose answer it is; two people's never share a key. Raises ValueError without one."""
    if not scope:
        raise ValueError("whose answer is it?")
    text = json.dumps(params, sort_keys=True, separators=(",", ":"), default=str)
    return CacheKey(scope, f"{context}:{sha256(text.encode()).hexdigest()}")


class LayeredCache:
    """The cache of one provider. Values are JSON. It raises no trouble of its own: what cannot be read is a miss."""

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
        self._read = state.script(READ)
        self._flight = SingleFlight(provider)
        self._epochs: dict[str, int] = {}  # scope → writes seen by this process
        self._owed: dict[str, str] = {}  # scope → the generation that Redis was away for
        self.renew()
        renew_in_child(self)

    def renew(self) -> None:
        self._lock = threading.Lock()
        self._l1: TTLCache[CacheKey, str] = TTLCache(self.policy.l1_size, self.policy.l1_ttl, timer=self._clock)

    def get(self, key: CacheKey) -> CacheEntry | None:
        """What is known, from the nearest layer; it may be stale."""
        if found := self._near(key):
            return found
        text = self._far(key, self._epoch(key.scope))[1]
        return self._decoded(text, "l2")

    def set(self, key: CacheKey, value: Any, *, data_type: str) -> CacheEntry:
        epoch = self._epoch(key.scope)
        text = self._keep(key, value, data_type, self._far(key, epoch)[0], epoch)
        return self._entry(_Found(text, "network"))

    def get_or_fetch(
        self, key: CacheKey, fetch: Callable[[], Any], *, data_type: str, timeout: float = FLIGHT_S
    ) -> CacheEntry:
        """What is fresh, or what `fetch` answers: one call for all who ask meanwhile, here and in other processes.

        When it fails in a way that passes, what is stale is served. Else its error is raised. A NotFoundError also
        forgets the entry. Who waits `timeout` seconds for another's call gets what is stale, or a TimeoutError. A type
        of data without a ttl is never fresh.
        """
        if found := self._near(key):
            self._count("l1", data_type)
            return found
        epoch = self._epoch(key.scope)  # who asks after a write does not join a flight from before it
        try:
            brought, _ = self._flight.do(
                (key, epoch), lambda: self._far_or_fetch(key, fetch, data_type, epoch, timeout), timeout=timeout
            )
        except errors.TimeoutError as exc:
            if exc.code != COALESCE_TIMEOUT:
                raise
            brought = self._instead(self._far(key, epoch)[1], exc, data_type)
        return self._entry(brought)

    def invalidate(self, scope: str) -> None:
        """After a write: nothing of before is served again, here at once and elsewhere within `l1_ttl`.

        While Redis is away it is told as soon as this process finds it back.
        """
        generation = uuid4().hex
        is_told = self._begin(scope, generation)
        with self._lock:  # after Redis: who reads the old entry meanwhile does not get it into L1
            self._epochs[scope] = self._epochs.get(scope, 0) + 1
            for key in [key for key in self._l1 if key.scope == scope]:
                self._l1.pop(key, None)
            if is_told:
                self._owed.pop(scope, None)
            else:
                self._owed[scope] = generation

    def _far_or_fetch(
        self, key: CacheKey, fetch: Callable[[], Any], data_type: str, epoch: int, timeout: float
    ) -> _Found:
        generation, known = self._far(key, epoch)
        if self._is_fresh(known):
            self._count("l2", data_type)
            return _Found(known or "", "l2")
        name = f"{self.provider}:{key.scope}:{key.text}:{generation}"
        with lock(name, state=self._state, ttl=FLIGHT_S, on_unavailable="run") as is_leader:
            again = self._far(key, epoch)[1] if is_leader and generation else None  # it may have landed meanwhile
            found = again if self._is_fresh(again) else None
            if not is_leader:
                found = self._wait_for(key, name, epoch, min(timeout, FLIGHT_S))
            if found:
                self._count("l2", data_type)
                return _Found(found, "l2")
            self._count("miss", data_type)
            try:
                value = fetch()
            except errors.IntegrationError as exc:
                if isinstance(exc, errors.NotFoundError):
                    self._drop(key, generation)
                return self._instead(known, exc, data_type)
            return _Found(self._keep(key, value, data_type, generation, epoch), "network")

    def _wait_for(self, key: CacheKey, name: str, epoch: int, seconds: float) -> str | None:
        """Another process is asking: its answer, or None when it gave up. Raises TimeoutError after `seconds`."""
        while seconds > 0:
            self._sleep(POLL_S)
            seconds -= POLL_S
            is_asking = is_held(name, state=self._state)
            text = self._far(key, epoch)[1]
            if self._is_fresh(text):
                return text
            if not is_asking:
                return None
        raise errors.TimeoutError(provider=self.provider, code=COALESCE_TIMEOUT)

    def _instead(self, known: str | None, error: errors.IntegrationError, data_type: str) -> _Found:
        passes = (error.retryable or error.halted) and not isinstance(error, errors.AuthenticationError)
        if not passes or self._decoded(known, "stale") is None:
            raise error
        self._count("stale", data_type)
        return _Found(known or "", "stale")

    def _near(self, key: CacheKey) -> CacheEntry | None:
        with self._lock:
            text = self._l1.get(key)
        entry = self._decoded(text, "l1")
        return None if entry is None or entry.is_stale else entry

    def _far(self, key: CacheKey, epoch: int) -> tuple[str, str | None]:
        """The scope's generation and what is kept there; it goes into L1 when it is fresh. "" while Redis is away."""
        for scope, generation in list(self._owed.items()):
            if not self._begin(scope, generation):
                return "", None
            with self._lock:
                if self._owed.get(scope) == generation:
                    del self._owed[scope]
        raw = self._read([self._generation_key(key.scope), self._entry_key(key)], [uuid4().hex, self._longest_ms()])
        if raw is None:
            return "", None
        if self._is_fresh(raw[1]):
            self._remember(key, raw[1], epoch)
        return raw[0], raw[1]

    def _keep(self, key: CacheKey, value: Any, data_type: str, generation: str, epoch: int) -> str:
        now, ttl = self._clock(), self.policy.ttl.get(data_type, 0.0)
        text = json.dumps([now, now + ttl, value], separators=(",", ":"))
        self._remember(key, text, epoch)
        if generation:
            name, ms = f"{self._entry_key(key)}:{generation}", max(int((ttl + self.policy.stale_for) * 1000), 1)
            self._state.run(lambda: self._state.client.set(name, text, px=ms) or False)
        return text

    def _drop(self, key: CacheKey, generation: str) -> None:
        with self._lock:
            self._l1.pop(key, None)
        self._state.run(lambda: self._state.client.delete(f"{self._entry_key(key)}:{generation}"))

    def _remember(self, key: CacheKey, text: str, epoch: int) -> None:
        """In L1, unless a write has come since `epoch`."""
        with self._lock:
            if self._epoch(key.scope) == epoch:
                self._l1[key] = text

    def _begin(self, scope: str, generation: str) -> bool:
        """Tell Redis; False while it is away."""
        name, ms = self._generation_key(scope), self._longest_ms()
        return self._state.run(lambda: self._state.client.set(name, generation, px=ms)) is not None

    def _epoch(self, scope: str) -> int:
        return self._epochs.get(scope, 0)

    def _longest_ms(self) -> int:
        return int(self.policy.longest * 1000) + 60_000

    def _decoded(self, text: str | None, source: str) -> CacheEntry | None:
        if not text:
            return None
        try:
            stored_at, fresh_until, value = json.loads(text)
            is_fresh = bool(self._clock() < fresh_until)
        except (TypeError, ValueError, RecursionError):  # nothing of ours
            return None
        return CacheEntry(value, stored_at, fresh_until, source if is_fresh else "stale")

    def _entry(self, brought: _Found) -> CacheEntry:
        """Fresh or not was settled when it was found."""
        stored_at, fresh_until, value = json.loads(brought.text)
        return CacheEntry(value, stored_at, fresh_until, brought.source)

    def _is_fresh(self, text: str | None) -> bool:
        entry = self._decoded(text, "l2")
        return entry is not None and not entry.is_stale

    def _generation_key(self, scope: str) -> str:
        return f"tc:{{{self.provider}}}:gen:{scope}"

    def _entry_key(self, key: CacheKey) -> str:
        return f"tc:{{{self.provider}}}:cache:{key.scope}:{key.text}"

    def _count(self, layer: str, data_type: str) -> None:
        metrics.CACHE.labels(self.provider, layer, data_type).inc()
