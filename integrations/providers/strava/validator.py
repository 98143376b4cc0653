"""Keeps nonsense of Strava's out of the domain; returns the record or raises, it never repairs."""

from datetime import UTC, datetime, timedelta

from integrations import errors, shortcomings
from integrations.providers.strava.provider import SLUG
from integrations.records import AccountRecord, ActivityRecord, Problem, WorkoutRecord

EARLIEST = datetime(1980, 1, 1, tzinfo=UTC)
LATEST = datetime(2100, 1, 1, tzinfo=UTC)
LONGEST = timedelta(days=30)
FURTHEST_M = 20_000_000
HIGHEST_M = 200_000
HIGHEST_PULSE = 260


def validate_account(record: AccountRecord) -> AccountRecord:
    _require(bool(record.external_id), "id", "is missing")
    return record


def validate_activity(record: ActivityRecord) -> ActivityRecord:
    _require(bool(record.account_id), "athlete", "is missing: whose it is must be known")
    _require(EARLIEST <= record.started_at < LATEST, "start_date", "is no plausible day")
    _require(0 < record.duration_s <= LONGEST.total_seconds(), "moving_time", "is not above 0 and up to 30 days")
    _require(record.distance_m is None or 0 <= record.distance_m <= FURTHEST_M, "distance", "is out of range")
    _require(record.ascent_m is None or 0 <= record.ascent_m <= HIGHEST_M, "total_elevation_gain", "is out of range")
    for field in ("avg_hr", "max_hr"):
        value = getattr(record, field)
        _require(value is None or 0 < value <= HIGHEST_PULSE, field, "is no heart rate")
    return record


def unsupported(record: WorkoutRecord) -> list[Problem]:
    """Strava takes no planned workouts at all."""
    return [Problem(step=0, message=shortcomings.NO_WORKOUTS.format(p="Strava"))]


def warnings(record: WorkoutRecord) -> list[Problem]:
    return []


def _require(holds: bool, field: str, why: str) -> None:
    if not holds:
        raise errors.DataError(f"{field} {why}", provider=SLUG, code="invalid", context={"field": field})
