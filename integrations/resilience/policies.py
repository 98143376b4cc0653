"""How a gateway behaves, as data; built from the spec and the provider's row. All times in seconds."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace


@dataclass(frozen=True, slots=True)
class RateLimitPolicy:
    """A bucket of `capacity` tokens, refilled by `refill_rate` a second; a caller waits `max_wait` for one at most."""

    capacity: float
    refill_rate: float
    max_wait: float = 5.0

    @property
    def block(self) -> int:
        """How many tokens a process takes at once: one Redis trip a block."""
        return int(min(max(self.capacity / 10, 1), 50))


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """`max_attempts` counts requests in all; before repetition n (0 is the first) `base_delay * multiplier ** n`."""

    max_attempts: int = 3
    base_delay: float = 1.0
    max_delay: float = 30.0
    multiplier: float = 2.0
    jitter: float = 0.3


@dataclass(frozen=True, slots=True)
class BreakerPolicy:
    """Opens at a failure when the window holds `volume_threshold` calls and `failure_threshold` of them failed.

    In a busy window that many failures are noise, so they are also `failure_ratio` of all calls at least.
    `is_failure(error)` overrides what counts as a failure of the provider.
    """

    failure_threshold: int = 5
    volume_threshold: int = 10
    failure_ratio: float = 0.1
    window: float = 60.0
    success_threshold: int = 3
    open_timeout: float = 30.0
    half_open_permits: int = 3
    permit_lease: float = 60.0
    is_failure: Callable[[Exception], bool] | None = None


@dataclass(frozen=True, slots=True)
class PoolPolicy:
    """Connections of a process to a provider. No minimum is held open: opening one costs less than keeping it."""

    max_connections: int = 10
    acquire_timeout: float = 10.0
    connect_timeout: float = 3.05
    read_timeout: float = 20.0
    wall_timeout: float = 30.0
    idle_timeout: float = 30.0


@dataclass(frozen=True, slots=True)
class CachePolicy:
    """How long an answer is fresh, by the kind of data; in trouble it is served stale for `stale_for` more."""

    ttl: Mapping[str, float] = field(
        default_factory=lambda: {"workouts": 300.0, "workout": 3600.0, "activities": 120.0, "profile": 86400.0}
    )
    stale_for: float = 86400.0
    l1_ttl: float = 10.0
    l1_size: int = 1024

    @property
    def longest(self) -> float:
        """For how long any entry is kept."""
        return max(self.ttl.values(), default=0) + self.stale_for


@dataclass(frozen=True, slots=True)
class Policies:
    """Everything a gateway is told. `deadline` bounds one call with all its waits and repetitions.

    `limit_from_headers(headers, now)` reads off any answer for how many seconds nobody should call.
    """

    limits: dict[str, RateLimitPolicy] = field(default_factory=dict)
    retry: RetryPolicy = RetryPolicy()
    breaker: BreakerPolicy = BreakerPolicy()
    pool: PoolPolicy = PoolPolicy()
    cache: CachePolicy = CachePolicy()
    deadline: float = 45.0
    limit_from_headers: Callable[[Mapping[str, str], float], float | None] | None = None

    def scaled(self, by: float) -> "Policies":
        """All waits of ours shortened alike, for fault tests; buckets and network time-outs stay as they are."""
        retry = replace(
            self.retry,
            base_delay=self.retry.base_delay * by,
            max_delay=self.retry.max_delay * by,
            jitter=self.retry.jitter * by,
        )
        breaker = replace(
            self.breaker,
            open_timeout=self.breaker.open_timeout * by,
            permit_lease=self.breaker.permit_lease * by,
        )
        return replace(self, retry=retry, breaker=breaker)
