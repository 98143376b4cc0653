"""A token bucket on its own, with the field's usual face; the gateway asks circuit and buckets together."""

from typing import Any

from integrations import errors
from integrations.resilience.admission import INTERACTIVE, Admission, RateLimitStatus
from integrations.resilience.policies import BreakerPolicy, RateLimitPolicy
from integrations.resilience.state import SharedState


class RateLimit:
    """One bucket for all processes. Interactive callers reserve their turn; background ones leave 30 % to them."""

    def __init__(self, provider: str, key: str, policy: RateLimitPolicy, state: SharedState, **admission: Any) -> None:
        self._key, self._policy = key, policy
        self._admission = Admission(provider, state, group=f"bucket-{key}", breaker=BreakerPolicy(), **admission)

    def acquire(self, *, lane: str = INTERACTIVE, max_wait: float | None = None) -> None:
        """Take a token, waiting for it as long as allowed. Raises ThrottledError with `retry_after`."""
        self._admission.enter({self._key: self._policy}, lane=lane, max_wait=max_wait)

    def try_acquire(self, *, lane: str = INTERACTIVE) -> bool:
        try:
            self.acquire(lane=lane, max_wait=0)
        except errors.ThrottledError:
            return False
        return True

    def pause(self, seconds: float) -> None:
        """Nobody takes a token for `seconds`: the provider said so."""
        self._admission.pause(self._key, self._policy, seconds)

    def status(self) -> RateLimitStatus:
        return self._admission.look({self._key: self._policy})[1][0]
