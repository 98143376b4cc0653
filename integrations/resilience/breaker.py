"""A circuit breaker on its own, with the field's usual face; the gateway asks circuit and buckets together."""

from collections.abc import Callable
from typing import Any

from integrations import errors
from integrations.resilience import http
from integrations.resilience.admission import Admission, CircuitSnapshot, Permit
from integrations.resilience.policies import BreakerPolicy
from integrations.resilience.state import SharedState

COUNTED = (errors.ConnectionError, errors.TimeoutError, errors.ServerError)
OURS = frozenset({http.DEADLINE, http.POOL_TIMEOUT})
ALIVE = (
    errors.AuthenticationError,
    errors.AuthorizationError,
    errors.ValidationError,
    errors.ResourceError,
    errors.UnsupportedError,
)


def judge(permit: Permit, error: Exception, policy: BreakerPolicy) -> None:
    """End the permit of a call that failed: a failure of the provider, a sign of life (most 4xx), or neither (429)."""
    code = error.code if isinstance(error, errors.IntegrationError) else type(error).__name__
    if policy.is_failure is not None:
        counts = policy.is_failure(error)
    else:
        counts = (isinstance(error, COUNTED) and code not in OURS) or _is_unreadable(error)
    if counts:
        permit.failure(code)
    elif isinstance(error, ALIVE):
        permit.success()
    else:
        permit.ignore()


def _is_unreadable(error: Exception) -> bool:
    return isinstance(error, errors.DataError) and error.code == "provider_bad_answer"


class CircuitBreaker:
    """Closed, open after failures at sufficient volume, half-open with leased permits; one for all processes."""

    def __init__(self, provider: str, policy: BreakerPolicy, state: SharedState, **admission: Any) -> None:
        self._admission = Admission(provider, state, breaker=policy, **admission)

    @property
    def state(self) -> str:
        return self.snapshot().state

    def acquire(self) -> Permit:
        """Raises CircuitOpenError with `retry_after`."""
        return self._admission.enter({}, may_lease=True)

    def call[T](self, function: Callable[[], T]) -> T:
        permit = self.acquire()
        try:
            answer = function()
        except Exception as exc:
            judge(permit, exc, self._admission.breaker)
            raise
        permit.success()
        return answer

    def force_open(self, reason: str) -> bool:
        return self._admission.force_open(reason)

    def reset(self) -> bool:
        return self._admission.reset()

    def snapshot(self) -> CircuitSnapshot:
        return self._admission.look({})[0]
