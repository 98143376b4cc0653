"""Time that passes by sleeping, and admissions that live on it: in Redis, or alone in this process."""

from collections.abc import Callable
from typing import Any
from uuid import uuid4

from django.conf import settings

from integrations import errors
from integrations.resilience.admission import Admission, Permit
from integrations.resilience.policies import BreakerPolicy, RateLimitPolicy
from integrations.resilience.state import SharedState

NO_REDIS = "redis://127.0.0.1:1/0"


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0
        self.slept: list[float] = []
        self.while_asleep: Callable[[], None] = lambda: None

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds
        self.while_asleep()


class Counting(SharedState):
    """Notes how often Redis is asked; `is_cut_off` takes it away."""

    trips = 0
    is_cut_off = False

    def run(self, operation: Callable[[], Any]) -> Any | None:
        self.trips += 1
        return None if self.is_cut_off else super().run(operation)


class World:
    """One provider on one clock. `process()` is the admission of another process; they share what Redis holds."""

    def __init__(self, *, with_redis: bool) -> None:
        self.slug, self.clock, self.with_redis = uuid4().hex, Clock(), with_redis
        self.turns: list[tuple[str, str]] = []
        self.states: list[Counting] = []

    def process(self, breaker: BreakerPolicy | None = None, **kwargs: Any) -> Admission:
        state = Counting(settings.REDIS_URL if self.with_redis else NO_REDIS, clock=self.clock)
        self.states.append(state)
        return Admission(
            self.slug,
            state,
            breaker=breaker or BreakerPolicy(),
            on_turn=lambda group, state, code: self.turns.append((state, code)),
            clock=self.clock,
            sleep=self.clock.sleep,
            shift=(lambda: self.clock.now) if self.with_redis else (lambda: 0.0),
            **kwargs,
        )


def state_of(admission: Admission) -> str:
    return admission.look({})[0].state


def let_in(admission: Admission, buckets: dict[str, RateLimitPolicy] | None = None, **how: Any) -> Permit | None:
    """A permit, or None when the circuit or a bucket refuses."""
    try:
        return admission.enter(buckets or {}, **how)
    except (errors.CircuitOpenError, errors.ThrottledError):
        return None


def fail(admission: Admission, times: int = 1) -> None:
    for _ in range(times):
        admission.enter({}).failure("server")


def succeed(admission: Admission, times: int = 1) -> None:
    for _ in range(times):
        admission.enter({}).success()


def open_up(admission: Admission) -> None:
    """Ten failures; the window holds nothing else."""
    fail(admission, 10)
    assert state_of(admission) == "OPEN"
