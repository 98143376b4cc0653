"""How a gateway behaves, as data; built from the spec and the provider's row."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RateLimitPolicy:
    """A bucket of `capacity` tokens, refilled by `refill_rate` a second."""

    capacity: float
    refill_rate: float
