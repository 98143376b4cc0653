"""Repeating what may be repeated: few times, at growing distance, and never what may have been done already."""

import random
import time
from collections.abc import Callable

from tenacity import RetryCallState, Retrying, stop_after_attempt

from integrations import errors
from integrations.resilience import metrics
from integrations.resilience.policies import RetryPolicy


class Retry:
    """Sleeps in the calling thread, at most `max_delay` at once; a longer wait is the caller's to write down."""

    def __init__(
        self,
        provider: str,
        policy: RetryPolicy,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        rng: Callable[[float, float], float] = random.uniform,
    ) -> None:
        self.provider, self.policy = provider, policy
        self._clock, self._sleep, self._rng = clock, sleep, rng

    def call[T](self, function: Callable[[], T], *, deadline: float | None = None, safe: bool = True) -> T:
        """`function` until it succeeds, at most `max_attempts` times. `safe`: doing it twice does no harm.

        Raises the last error. Does not begin a wait that would end after `deadline` (a point of the clock).
        """

        def again(error: BaseException | None, repetition: int) -> bool:
            return isinstance(error, errors.IntegrationError) and self._may_repeat(
                error, repetition, deadline=deadline, safe=safe
            )

        try:  # what succeeds at once, nearly always, pays nothing for the loop below
            return function()
        except errors.IntegrationError as exc:
            if self.policy.max_attempts <= 1 or not again(exc, 0):
                raise
            self._note(exc)
            self._sleep(self.delay(0, exc))
        loop = Retrying(
            stop=stop_after_attempt(self.policy.max_attempts - 1),
            retry=lambda state: bool(state.outcome and again(state.outcome.exception(), state.attempt_number)),
            wait=lambda state: self.delay(state.attempt_number, _error_of(state)),
            before_sleep=lambda state: self._note(_error_of(state)),
            sleep=self._sleep,
            reraise=True,
        )
        return loop(function)

    def delay(self, repetition: int, error: errors.IntegrationError | None = None) -> float:
        """Seconds before repetition 0, 1, ..: growing and jittered; what the provider asks for, never less."""
        return self._least(repetition, error) + self._rng(0, self.policy.jitter)

    def _least(self, repetition: int, error: errors.IntegrationError | None) -> float:
        if error is not None and error.retry_after is not None:
            return error.retry_after
        return min(self.policy.base_delay * self.policy.multiplier**repetition, self.policy.max_delay)

    def _may_repeat(
        self, error: errors.IntegrationError, repetition: int, *, deadline: float | None, safe: bool
    ) -> bool:
        if not error.retryable or error.halted or not (safe or _was_surely_not_done(error)):
            return False
        if isinstance(error, errors.RateLimitError) and error.retry_after is None:
            return False  # nobody knows how long: that is for the caller to write down
        wait = self._least(repetition, error)
        return wait <= self.policy.max_delay and (deadline is None or self._clock() + wait < deadline)

    def _note(self, error: errors.IntegrationError) -> None:
        metrics.RETRIES.labels(self.provider, error.code).inc()


def _was_surely_not_done(error: errors.IntegrationError) -> bool:
    """Refused before it began: no connection, 429, or 503 with a Retry-After."""
    if isinstance(error, errors.ConnectionError | errors.RateLimitError):
        return True
    return isinstance(error, errors.ServerError) and error.status == 503 and error.retry_after is not None


def _error_of(state: RetryCallState) -> errors.IntegrationError:
    """The failure that the loop is about to repeat; only such get that far."""
    error = state.outcome.exception() if state.outcome else None
    assert isinstance(error, errors.IntegrationError)
    return error
