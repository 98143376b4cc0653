"""What operations allow: mode, switches, maintenance and flags, asked in one place, with the words for people."""

import os
from dataclasses import dataclass
from datetime import datetime
from threading import Lock

from cachetools import TTLCache
from django.utils import timezone

from integrations import errors, flags
from integrations.models import MaintenanceWindow, Phase, Provider, ProviderMode
from integrations.timing import timing

DIRECTIONS = ("connect", "sync", "deliver")
NOT_YET = "not_yet"
FRESH_S = 2.0  # so that what operations set counts for all workers within five seconds
DOING = {"connect": "Connecting to {p}", "sync": "Reading from {p}", "deliver": "Sending to {p}"}

_rows: TTLCache[str, Provider] = TTLCache(maxsize=100, ttl=FRESH_S)
_windows: TTLCache[int, MaintenanceWindow | None] = TTLCache(maxsize=100, ttl=FRESH_S)
_lock = Lock()


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why work of a direction may not begin, or go on. `until` is when it goes on by itself, where that is known."""

    code: str  # "off", "hold", "switched_off", "drain", "maintenance" or "not_yet"
    message: str
    until: datetime | None = None


def refusal(provider: Provider, direction: str, user_id: int | None = None) -> Refusal | None:
    """What keeps new work of `direction` from beginning, for that person; None when nothing does.

    The row counts as it is given; windows and flags are at most two seconds old.
    """
    found = _refusal(provider, direction, window_of(provider), stops_new=True)
    if found is None and user_id is not None and not flags.is_on(flag_name(provider.slug, direction), user_id):
        found = Refusal(NOT_YET, f"{_doing(provider, direction)} is not open to everybody yet. Your turn will come.")
    return found


def window_of(provider: Provider) -> MaintenanceWindow | None:
    """The maintenance that people are told of: under way or announced, the next one first."""
    with _lock:
        if provider.pk in _windows:
            return _windows[provider.pk]
    found = MaintenanceWindow.objects.announced().filter(provider=provider).order_by("starts_at").first()
    with _lock:
        _windows[provider.pk] = found
    return found


def gate(slug: str, direction: str) -> None:
    """For every outgoing call: raises IntegrationDisabled. What it knows is at most two seconds old.

    Work that has begun may finish while maintenance only drains.
    """
    provider = _row(slug)
    if found := _refusal(provider, direction, window_of(provider), stops_new=False):
        raise disabled(provider, found)


def disabled(provider: Provider, found: Refusal) -> errors.IntegrationDisabled:
    """The error that work stops with. Who is not in yet waits long: nobody can tell when the share grows."""
    wait = (found.until - timezone.now()).total_seconds() if found.until else None
    if found.code == NOT_YET:
        wait = timing().not_yet_s
    return errors.IntegrationDisabled(
        found.message, provider=provider.slug, code=found.code, retry_after=None if wait is None else max(wait, 1)
    )


def flag_name(slug: str, direction: str) -> str:
    return f"{slug}-{direction}"


def forget() -> None:
    """The next look reads the tables; a child process has to, since locks do not survive a fork."""
    global _lock  # noqa: PLW0603
    _lock = Lock()
    _rows.clear()
    _windows.clear()


def _refusal(
    provider: Provider, direction: str, window: MaintenanceWindow | None, *, stops_new: bool
) -> Refusal | None:
    doing = _doing(provider, direction)
    if provider.mode == ProviderMode.OFF:
        return Refusal("off", provider.notice or f"{provider} is switched off.")
    if provider.mode == ProviderMode.HOLD:
        return Refusal("hold", provider.notice or f"Our operations people have paused {provider} for everybody.")
    if not provider.is_switched_on(direction):
        return Refusal("switched_off", provider.notice or f"{doing} is paused at the moment.")
    if window and window.phase == Phase.READ_ONLY:
        return Refusal("maintenance", window.message, window.ends_at)
    if window and window.phase == Phase.DRAIN and stops_new:
        return Refusal("drain", window.message, window.ends_at)
    return None


def _doing(provider: Provider, direction: str) -> str:
    return DOING[direction].format(p=provider)


def _row(slug: str) -> Provider:
    with _lock:
        found = _rows.get(slug)
    if found is None:
        found = Provider.objects.get(slug=slug)
        with _lock:
            _rows[slug] = found
    return found


os.register_at_fork(after_in_child=forget)
