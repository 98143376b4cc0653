"""Every lease, delay and sweep of the engine in one place, so that fault tests can run them scaled down.

`settings.TIME_SCALE` shrinks all of it (1 is the real thing); nothing else in the code names a duration of the engine.
"""

import random
from dataclasses import dataclass, fields
from datetime import timedelta
from functools import cache
from typing import Any

from django.conf import settings


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds. Sources: ENGINE parameters of token refresh, sync, delivery, in-box and outbox."""

    refresh_lease_s: float = 20
    refresh_wait_s: float = 15
    refresh_poll_s: float = 0.25
    refresh_busy_s: float = 5
    refresh_tick_s: float = 600
    refresh_ahead_s: float = 1200
    refresh_idle_s: float = 86400
    refresh_unknown_expiry_s: float = 86400
    refresh_cooldowns_s: tuple[float, ...] = (30, 120, 600, 3600, 21600)
    sync_lease_s: float = 120
    sync_budget_s: float = 480
    sync_retry_s: tuple[float, ...] = (30, 120, 600, 1800)
    sync_reaped_s: float = 60
    sync_halted_s: float = 60
    not_yet_s: float = 3600
    sync_unstarted_s: float = 3600
    delivery_lease_s: float = 60
    delivery_retry_s: tuple[float, ...] = (5, 60, 300, 1800, 7200)
    delivery_first_look_s: float = 120
    delivery_look_gap_s: float = 60
    delivery_recheck_s: float = 600
    rotation_lease_s: float = 60
    rotation_budget_s: float = 300
    rotation_retry_s: float = 30
    event_lease_s: float = 60
    event_retry_base_s: float = 1
    event_retry_cap_s: float = 3600
    event_late_s: float = 300
    event_kept_s: float = 7776000
    event_dead_kept_s: float = 15552000
    health_quiet_s: float = 300
    health_gap_s: float = 50
    health_lease_s: float = 180
    notification_lease_s: float = 60
    notification_retry_s: tuple[float, ...] = (30, 300, 1800, 7200, 28800)
    webhook_lease_s: float = 60
    webhook_retry_s: tuple[float, ...] = (5, 300, 1800, 7200, 18000, 36000, 36000)
    webhook_unknown_s: float = 3600
    webhook_stale_s: float = 259200
    webhook_nudge_s: float = 15
    webhook_late_s: float = 300
    webhook_body_kept_s: float = 2592000
    webhook_kept_s: float = 7776000
    webhook_dead_body_kept_s: float = 7776000
    webhook_dead_kept_s: float = 15552000
    webhook_secret_overlap_s: float = 86400
    doubt_repeat_s: float = 60
    connect_session_s: float = 600
    connect_sessions_kept_s: float = 2592000
    pending_connection_s: float = 86400
    upload_lease_s: float = 60
    login_lease_s: float = 120
    login_unheard_s: float = 10
    wrong_password_s: float = 900
    login_cooldowns_s: tuple[float, ...] = (7200, 14400, 28800, 86400)

    def scaled(self, by: float) -> "Timing":
        changes: dict[str, Any] = {}
        for each in fields(self):
            value = getattr(self, each.name)
            changes[each.name] = tuple(v * by for v in value) if isinstance(value, tuple) else value * by
        return Timing(**changes)


@cache
def _timing(scale: float) -> Timing:
    return Timing().scaled(scale)


def timing() -> Timing:
    """The running process's timing."""
    return _timing(settings.TIME_SCALE)


def seconds(value: float) -> timedelta:
    return timedelta(seconds=value)


def step(schedule: tuple[float, ...], attempt: int) -> timedelta:
    """The delay after failed attempt number `attempt` (1 is the first), ±20 %, the last one for all later ones."""
    base = schedule[min(max(attempt, 1), len(schedule)) - 1]
    return timedelta(seconds=base * random.uniform(0.8, 1.2))  # noqa: S311 - jitter, no secret
