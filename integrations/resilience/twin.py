"""What `scripts.py` does in Redis, done in this process: for when Redis is away. Thrown away when it is back."""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from integrations.resilience.policies import BreakerPolicy, RateLimitPolicy

SLICES = 10
UNBOUNDED = 1_000_000


class Wanted(NamedTuple):
    """A bucket and how to take from it: how many tokens at once, how many to leave to others.

    `reserve` is the longest wait that may be reserved (negative: none).
    """

    key: str
    policy: RateLimitPolicy
    block: int
    leave: float
    reserve: float


class Answer(NamedTuple):
    """What admission says; times in seconds. `refused_for` is None when the circuit lets in."""

    was: str
    state: str
    refused_for: float | None
    wait: float
    granted: int
    permitted: bool


@dataclass(slots=True)
class _Bucket:
    tokens: float
    at: float
    paused: float = 0.0


@dataclass(slots=True)
class _Circuit:
    state: str = "CLOSED"
    since: float = 0.0
    forced: str = ""
    successes: int = 0
    ring: dict[int, list[int]] = field(default_factory=dict)  # slice → [calls, failures]
    permits: dict[str, float] = field(default_factory=dict)
    ok_at: float | None = None
    failed_at: float | None = None
    failed_code: str = ""


class Twin:
    """One process's circuit and buckets. `share` is the part of each bucket that this process may use."""

    def __init__(
        self, policy: BreakerPolicy, *, share: float = 1.0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._policy, self._share, self._clock = policy, share, clock
        self._circuit = _Circuit()
        self._buckets: dict[str, _Bucket] = {}
        self._lock = threading.Lock()

    def admit(self, buckets: Sequence[Wanted], *, permit: str, successes: int, tokens: int) -> Answer:
        with self._lock:
            now, circuit = self._clock(), self._circuit
            was = circuit.state
            self._succeed(now, successes)
            if (refused_for := self._refusal(now, permit, tokens)) is not None:
                return Answer(was, circuit.state, refused_for, 0.0, 0, permitted=False)
            wait, granted = self._take(now, buckets, tokens)
            permitted = circuit.state == "HALF_OPEN" and granted > 0
            if permitted:
                circuit.permits[permit] = now + self._policy.permit_lease
            return Answer(was, circuit.state, None, wait, granted, permitted)

    def report(self, outcome: str, *, permit: str = "", successes: int = 0, code: str = "") -> tuple[str, str]:
        with self._lock:
            now, circuit = self._clock(), self._circuit
            was = circuit.state
            self._succeed(now, successes)
            held = circuit.permits.pop(permit, 0.0) > now
            if outcome == "failure":
                circuit.failed_at, circuit.failed_code = now, code
            if circuit.state == "CLOSED":
                self._count_closed(now, outcome)
            elif circuit.state == "HALF_OPEN" and held:
                self._count_probe(now, outcome)
            return was, circuit.state

    def pause(self, bucket: str, seconds: float) -> bool:
        with self._lock:
            now = self._clock()
            before = self._buckets.get(bucket, _Bucket(0.0, now)).paused
            paused = max(before, now + seconds)
            self._buckets[bucket] = _Bucket(0.0, paused, paused)
            return before <= now

    def force(self, reason: str) -> tuple[str, str]:
        with self._lock:
            was = self._circuit.state
            self._turn(self._clock(), "OPEN" if reason else "CLOSED")
            self._circuit.forced = reason
            return was, self._circuit.state

    def look(self, buckets: Sequence[str]) -> tuple[float, dict[str, str], list[tuple[float, float, float] | None]]:
        """As the script of that name answers: the clock, the circuit's fields, the buckets'."""
        with self._lock:
            circuit = self._circuit
            fields = {"state": circuit.state, "forced": circuit.forced, "failed_code": circuit.failed_code}
            points = {"since": circuit.since or None, "ok_at": circuit.ok_at, "failed_at": circuit.failed_at}
            fields |= {name: str(point) for name, point in points.items() if point is not None}
            for number, (calls, failures) in circuit.ring.items():
                i = number % SLICES
                fields |= {f"n{i}": str(number), f"c{i}": str(calls), f"f{i}": str(failures)}
            found = [self._buckets.get(key) for key in buckets]
            rows = [(bucket.tokens, bucket.at, bucket.paused) if bucket else None for bucket in found]
            return self._clock(), fields, rows

    def _refusal(self, now: float, permit: str, tokens: int) -> float | None:
        circuit = self._circuit
        if circuit.state == "OPEN":
            left = circuit.since + self._policy.open_timeout - now
            if circuit.forced or left > 0:
                return self._policy.open_timeout if circuit.forced else left
            self._turn(now, "HALF_OPEN")
        if circuit.state == "HALF_OPEN":
            circuit.permits = {key: end for key, end in circuit.permits.items() if end > now}
            is_full = tokens == 0 or len(circuit.permits) >= self._policy.half_open_permits
            return 1.0 if permit not in circuit.permits and is_full else None
        return None

    def _take(self, now: float, buckets: Sequence[Wanted], tokens: int) -> tuple[float, int]:
        wait, may_reserve, grant, found = 0.0, True, UNBOUNDED, []
        for wanted in buckets:
            capacity, per_s = wanted.policy.capacity * self._share, wanted.policy.refill_rate * self._share
            capacity = max(capacity, 1.0)
            bucket = self._buckets.setdefault(wanted.key, _Bucket(capacity, now))
            if now > bucket.at:
                bucket.tokens, bucket.at = min(capacity, bucket.tokens + (now - bucket.at) * per_s), now
            leave = min(wanted.leave, capacity - 1)
            own = max(0.0, bucket.paused - now)
            if tokens > 0 and bucket.tokens - tokens < leave:
                own = max(own, bucket.at - now + (tokens + leave - bucket.tokens) / per_s)
            may_reserve = may_reserve and own <= wanted.reserve
            wait = max(wait, own)
            grant = min(grant, wanted.block, int(bucket.tokens - leave))
            found.append(bucket)
        if tokens == 0 or not (wait == 0 or may_reserve):
            return wait, 0
        take = max(tokens, grant) if wait == 0 and self._circuit.state == "CLOSED" else tokens
        for bucket in found:
            bucket.tokens -= take
        return wait, take

    def _count_closed(self, now: float, outcome: str) -> None:
        if outcome == "success":
            self._succeed(now, 1)
        elif outcome == "failure":
            self._count(now, 1, 1)
            calls, failures = self._window(now)
            threshold = max(self._policy.failure_threshold, self._policy.failure_ratio * calls)
            if calls >= self._policy.volume_threshold and failures >= threshold:
                self._turn(now, "OPEN")

    def _count_probe(self, now: float, outcome: str) -> None:
        if outcome == "failure":
            self._turn(now, "OPEN")
        elif outcome == "success":
            self._circuit.ok_at = now
            self._circuit.successes += 1
            if self._circuit.successes >= self._policy.success_threshold:
                self._turn(now, "CLOSED")

    def _window(self, now: float) -> tuple[int, int]:
        """Calls and failures of the rolling window."""
        oldest = self._slice(now) - SLICES
        rows = [row for number, row in self._circuit.ring.items() if number > oldest]
        return sum(row[0] for row in rows), sum(row[1] for row in rows)

    def _succeed(self, now: float, n: int) -> None:
        if n:
            self._circuit.ok_at = now
            if self._circuit.state == "CLOSED":
                self._count(now, n, 0)

    def _count(self, now: float, calls: int, failures: int) -> None:
        number = self._slice(now)
        self._circuit.ring = {each: row for each, row in self._circuit.ring.items() if each > number - SLICES}
        row = self._circuit.ring.setdefault(number, [0, 0])
        row[0] += calls
        row[1] += failures

    def _slice(self, now: float) -> int:
        return int(now * SLICES / self._policy.window)

    def _turn(self, now: float, to: str) -> None:
        circuit = self._circuit
        circuit.state, circuit.permits = to, {}
        if to == "OPEN":
            circuit.since = now
        else:
            circuit.successes = 0
        if to == "CLOSED":
            circuit.ring, circuit.forced = {}, ""
