"""Feature flags: parts of the product that only a part of the people have yet."""

from hashlib import sha256

from integrations.models import FeatureFlag
from integrations.recent import Recent

FRESH_S = 2.0  # so that a change counts everywhere within five seconds

_flags: Recent[str, dict[str, int]] = Recent(FRESH_S)


def is_on(name: str, user_id: int) -> bool:
    """Whether that person is among the flag's percentage. Who is in stays in while it grows; an unknown flag is on."""
    percentage = _flags.get("all", _percentages).get(name, 100)
    return percentage >= 100 or _bucket(name, user_id) < percentage


def forget() -> None:
    """The next look reads the table."""
    _flags.forget()


def _bucket(name: str, user_id: int) -> int:
    """0 to 99, another one for each flag, so that it is not always the same people who go first."""
    return int.from_bytes(sha256(f"{name}:{user_id}".encode()).digest()[:8]) % 100


def _percentages() -> dict[str, int]:
    rows = FeatureFlag.objects.values_list("name", "enabled", "percentage")
    return {name: percentage if enabled else 0 for name, enabled, percentage in rows}
