"""May this call go out now? Circuit and buckets answer in one step, mostly from what the process already holds."""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import structlog

from integrations import errors
from integrations.resilience import metrics, scripts
from integrations.resilience.policies import BreakerPolicy, RateLimitPolicy
from integrations.resilience.state import SharedState
from integrations.resilience.twin import Answer, Twin, Wanted

CLOSED, OPEN, HALF_OPEN = "CLOSED", "OPEN", "HALF_OPEN"
LEASE_S = 1.0  # tokens not used by then lapse, and the circuit is looked at again
BACKGROUND, INTERACTIVE = "background", "interactive"
LEFT_BY_BACKGROUND = 0.3  # of a bucket's capacity

log = structlog.get_logger(__name__)

type OnTurn = Callable[[str, str, str], None]  # group, state, the code of the failure that did it


@dataclass(frozen=True, slots=True)
class CircuitSnapshot:
    """A circuit at a moment; points in time are seconds of the Unix epoch."""

    state: str = CLOSED
    forced: str = ""
    failures: int = 0
    calls: int = 0
    opened_at: float | None = None
    retry_after: float | None = None
    last_ok_at: float | None = None
    last_failure_at: float | None = None
    last_failure_code: str = ""


@dataclass(frozen=True, slots=True)
class RateLimitStatus:
    """A bucket at a moment; `reset_at` is when it will be full again."""

    key: str
    limit: float
    remaining: float
    reset_at: float | None = None
    paused_until: float | None = None


def _tell_nobody(group: str, state: str, code: str) -> None:
    """For a circuit that nobody watches."""


class Permit:
    """One admitted call. Exactly one of its methods is called when the call has ended; a killed worker's lapses."""

    __slots__ = ("_admission", "_id")

    def __init__(self, admission: "Admission", permit: str) -> None:
        self._admission, self._id = admission, permit

    def success(self) -> None:
        self._admission.succeeded(self._id)

    def failure(self, code: str) -> None:
        self._admission.failed(self._id, code)

    def ignore(self) -> None:
        """Neither: it says nothing about the provider."""
        self._admission.ignored(self._id)


class Admission:
    """One circuit with its buckets. Shared by threads; no lock is held while a call is out.

    Redis decides for all processes; while it is away a twin decides for this one, with its share of the buckets.
    `shift` moves the clock of both by seconds, for tests.
    """

    def __init__(
        self,
        provider: str,
        state: SharedState,
        *,
        group: str = "",
        breaker: BreakerPolicy,
        processes: int = 1,
        on_turn: OnTurn = _tell_nobody,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        shift: Callable[[], float] = lambda: 0.0,
    ) -> None:
        self.provider, self.group, self.breaker = provider, group, breaker
        self._prefix = f"tc:{{{provider}}}:"
        circuit = f"{self._prefix}{group}:cb" if group else f"{self._prefix}cb"
        self._keys = [circuit, f"{circuit}:permits"]
        self._state, self._processes, self._on_turn = state, processes, on_turn
        self._clock, self._sleep, self._shift = clock, sleep, shift
        self._admit, self._report = state.script(scripts.ADMIT), state.script(scripts.REPORT)
        self._force, self._pause = state.script(scripts.FORCE), state.script(scripts.PAUSE)
        self._look = state.script(scripts.LOOK)
        self._lock = threading.Lock()
        self._tokens, self._until, self._successes = 0, 0.0, 0
        self._twin: Twin | None = None
        self._free = Permit(self, "")

    def enter(
        self,
        buckets: Mapping[str, RateLimitPolicy],
        *,
        lane: str = INTERACTIVE,
        max_wait: float | None = None,
        may_lease: bool = False,
    ) -> Permit:
        """Take one token of each bucket, waiting `max_wait` seconds at most (None: as long as each bucket allows).

        `may_lease` says that the buckets are the same at every call, so a block of tokens may be held by the process.
        Raises CircuitOpenError or ThrottledError, both with `retry_after`; then nothing was taken.
        """
        if may_lease and self._from_lease():
            return self._free
        permit = uuid4().hex
        left = min((policy.max_wait for policy in buckets.values()), default=0.0)
        left = left if max_wait is None else min(left, max_wait)
        while True:
            wanted = [_wanted(self._key(key), policy, lane, left, may_lease) for key, policy in buckets.items()]
            answer = self._ask(wanted, permit, tokens=1)
            if answer.granted:
                break
            if answer.wait > left:
                raise errors.ThrottledError(provider=self.provider, retry_after=answer.wait)
            self._wait(answer.wait)
            left -= answer.wait
        taken = Permit(self, permit) if answer.permitted else self._free
        if answer.wait:
            self._wait(answer.wait)
            self._look_again(wanted, permit, taken)
        elif may_lease and answer.state == CLOSED:
            self._lease(answer.granted - 1)
        return taken

    def succeeded(self, permit: str) -> None:
        if permit:
            self._tell("success", permit)
        else:
            with self._lock:
                self._successes += 1

    def failed(self, permit: str, code: str) -> None:
        self._tell("failure", permit, code)

    def ignored(self, permit: str) -> None:
        if permit:
            self._tell("ignore", permit)

    def pause(self, bucket: str, policy: RateLimitPolicy, seconds: float) -> bool:
        """Nobody takes from this bucket for `seconds`: the provider said so. True when it was not paused before."""
        self._lease(0)
        key = self._key(bucket)
        raw = self._pause([key], [self._shift(), seconds, policy.capacity, policy.refill_rate])
        return self._own_twin().pause(key, seconds) if raw is None else bool(raw)

    def force_open(self, reason: str) -> bool:
        """Refuse every call until `reset`, at most for a day. False: that was so already, or Redis is away."""
        return self._forced(reason)

    def reset(self) -> bool:
        return self._forced("")

    def look(self, buckets: Mapping[str, RateLimitPolicy]) -> tuple[CircuitSnapshot, list[RateLimitStatus], bool]:
        """The circuit, the buckets, and whether that is all processes' view. One trip; changes nothing."""
        keys = [self._key(key) for key in buckets]
        raw = self._look([self._keys[0], *keys], [self._shift()])
        if raw is None:
            now, fields, rows = self._own_twin().look(keys)
            return *_read(now, fields, rows, buckets, self.breaker, epoch=time.time() - now), False
        fields = dict(zip(raw[1][::2], raw[1][1::2], strict=True))
        return *_read(float(raw[0]), fields, raw[2:], buckets, self.breaker, epoch=0.0), True

    def _key(self, bucket: str) -> str:
        return f"{self._prefix}bucket:{bucket}"

    def _head(self) -> list[Any]:
        policy = self.breaker
        return [
            self._shift(),
            policy.failure_threshold,
            policy.volume_threshold,
            policy.window,
            policy.success_threshold,
            policy.open_timeout,
            policy.half_open_permits,
            policy.permit_lease,
            policy.failure_ratio,
        ]

    def _from_lease(self) -> bool:
        with self._lock:
            if self._tokens > 0 and self._clock() < self._until:
                self._tokens -= 1
                return True
        return False

    def _lease(self, tokens: int) -> None:
        with self._lock:
            self._tokens, self._until = tokens, self._clock() + LEASE_S

    def _unsent(self) -> int:
        with self._lock:
            successes, self._successes = self._successes, 0
        return successes

    def _ask(self, wanted: Sequence[Wanted], permit: str, *, tokens: int) -> Answer:
        successes = self._unsent()
        arguments = [*self._head(), permit, successes, tokens]
        for each in wanted:
            policy = each.policy
            arguments += [policy.capacity, policy.refill_rate, each.block, each.leave, each.reserve]
        raw = self._admit([*self._keys, *(each.key for each in wanted)], arguments)
        if raw is None:
            answer = self._own_twin().admit(wanted, permit=permit, successes=successes, tokens=tokens)
        else:
            self._twin = None
            was, state, refused_ms, wait_ms, granted, permitted = raw
            refused_for = refused_ms / 1000 if refused_ms >= 0 else None
            answer = Answer(was, state, refused_for, wait_ms / 1000, granted, bool(permitted))
        self._turned(answer.was, answer.state)
        if answer.refused_for is not None:
            self._lease(0)
            metrics.REJECTIONS.labels(self.provider).inc()
            raise errors.CircuitOpenError(provider=self.provider, retry_after=answer.refused_for)
        return answer

    def _wait(self, seconds: float) -> None:
        metrics.LIMIT_WAIT.labels(self.provider).observe(seconds)
        self._sleep(seconds)

    def _look_again(self, wanted: Sequence[Wanted], permit: str, taken: Permit) -> None:
        """After a wait that was reserved: meanwhile the circuit may have opened, or the provider asked for a pause."""
        try:
            answer = self._ask(wanted, permit, tokens=0)
            if answer.wait:
                raise errors.ThrottledError(provider=self.provider, retry_after=answer.wait)
        except errors.IntegrationError:
            taken.ignore()
            raise

    def _tell(self, outcome: str, permit: str, code: str = "") -> None:
        successes = self._unsent()
        raw = self._report(self._keys, [*self._head(), permit, successes, outcome, code])
        if raw is None:
            raw = self._own_twin().report(outcome, permit=permit, successes=successes, code=code)
        was, state = raw
        if state != CLOSED:
            self._lease(0)
        self._turned(was, state, code)

    def _forced(self, reason: str) -> bool:
        self._lease(0)
        raw = self._force(self._keys, [*self._head(), reason])
        if raw is None:
            self._own_twin().force(reason)
            return False
        was, state, is_news = raw
        self._turned(was, state, "by_hand")
        return bool(is_news)

    def _own_twin(self) -> Twin:
        with self._lock:
            if self._twin is None:
                self._twin = Twin(self.breaker, share=1 / self._processes, clock=lambda: self._clock() + self._shift())
            return self._twin

    def _turned(self, was: str, state: str, code: str = "") -> None:
        if was == state:
            return
        name = f"{self.provider}:{self.group}" if self.group else self.provider
        metrics.TRANSITIONS.labels(self.provider, state.lower()).inc()
        log.warning("circuit_turned", provider=self.provider, circuit=name, was=was, state=state, error_code=code)
        self._on_turn(self.group, state, code)


def _wanted(key: str, policy: RateLimitPolicy, lane: str, max_wait: float, may_lease: bool) -> Wanted:
    """Interactive calls reserve their turn; background calls leave a part of the bucket and come back to ask."""
    block = policy.block if may_lease else 1
    if lane == BACKGROUND:
        leave = max(0.0, min(policy.capacity * LEFT_BY_BACKGROUND, policy.capacity - 1))
        return Wanted(key, policy, block, leave, -1)
    return Wanted(key, policy, block, 0, max_wait)


def _read(
    now: float,
    fields: Mapping[str, str],
    rows: Sequence[Sequence[Any] | None],
    buckets: Mapping[str, RateLimitPolicy],
    breaker: BreakerPolicy,
    *,
    epoch: float,
) -> tuple[CircuitSnapshot, list[RateLimitStatus]]:
    """`epoch` is what to add to a point of the clock that `now` is read from to get one of the Unix epoch."""

    def point(name: str) -> float | None:
        return float(fields[name]) + epoch if fields.get(name) else None

    state, since = fields.get("state", CLOSED), point("since")
    oldest = int(now * 10 / breaker.window) - 10
    ring = [i for i in range(10) if int(fields.get(f"n{i}") or oldest) > oldest]
    circuit = CircuitSnapshot(
        state=state,
        forced=fields.get("forced", ""),
        failures=sum(int(fields[f"f{i}"]) for i in ring),
        calls=sum(int(fields[f"c{i}"]) for i in ring),
        opened_at=since if state != CLOSED else None,
        retry_after=max(0.0, float(fields["since"]) + breaker.open_timeout - now) if state == OPEN else None,
        last_ok_at=point("ok_at"),
        last_failure_at=point("failed_at"),
        last_failure_code=fields.get("failed_code", ""),
    )
    statuses = [_status(now, key, policy, row, epoch) for (key, policy), row in zip(buckets.items(), rows, strict=True)]
    return circuit, statuses


def _status(now: float, key: str, policy: RateLimitPolicy, row: Sequence[Any] | None, epoch: float) -> RateLimitStatus:
    if not row or row[0] is None:
        return RateLimitStatus(key, policy.capacity, policy.capacity)
    tokens, at, paused = (float(value or 0) for value in row)
    tokens = min(policy.capacity, tokens + max(0.0, now - at) * policy.refill_rate)
    full_at = max(now, at) + (policy.capacity - tokens) / policy.refill_rate
    return RateLimitStatus(
        key,
        policy.capacity,
        max(0.0, tokens),
        reset_at=full_at + epoch if tokens < policy.capacity else None,
        paused_until=paused + epoch if paused > now else None,
    )
