"""Feature flags: parts of the product that only a part of the people have yet."""

import os
from hashlib import sha256
from threading import Lock

from cachetools import TTLCache

from integrations.models import FeatureFlag

FRESH_S = 2.0  # so that a change counts everywhere within five seconds

_flags: TTLCache[str, dict[str, int]] = TTLCache(maxsize=1, ttl=FRESH_S)
_lock = Lock()


def is_on(name: str, user_id: int) -> bool:
    """Whether that person is among the flag's percentage. Who is in stays in while it grows; an unknown flag is on."""
    percentage = _percentages().get(name, 100)
    return percentage >= 100 or _bucket(name, user_id) < percentage


def forget() -> None:
    """The next look reads the table; a child process has to, since locks do not survive a fork."""
    global _lock  # noqa: PLW0603
    _lock = Lock()
    _flags.clear()


def _bucket(name: str, user_id: int) -> int:
    """0 to 99, another one for each flag, so that it is not always the same people who go first."""
    return int.from_bytes(sha256(f"{name}:{user_id}".encode()).digest()[:8]) % 100


def _percentages() -> dict[str, int]:
    with _lock:
        found = _flags.get("all")
    if found is None:
        rows = FeatureFlag.objects.values_list("name", "enabled", "percentage")
        found = {name: percentage if enabled else 0 for name, enabled, percentage in rows}
        with _lock:
            _flags["all"] = found
    return found


os.register_at_fork(after_in_child=forget)
