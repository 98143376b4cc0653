"""Strava's JSON → our records; pure."""

import math
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from integrations.providers.strava.provider import SLUG
from integrations.records import AccountRecord, ActivityRecord, DetailsRecord, LapRecord, Sport
from integrations.values import Values

VALUES = Values(SLUG)
LONGEST_NAME = 255
LONGEST_WORD = 64
MOST_OFFSET_S = 18 * 3600
LARGEST_ID = 2**63
MOST_LAPS = 1_000
MOST_SAMPLES = 200_000
STREAMS = {"heart_rate": ("heartrate", 260), "speed_mps": ("velocity_smooth", 150), "power_w": ("watts", 5_000)}

SPORTS = {
    "Run": Sport.RUNNING,
    "TrailRun": Sport.RUNNING,
    "VirtualRun": Sport.RUNNING,
    "Ride": Sport.CYCLING,
    "MountainBikeRide": Sport.CYCLING,
    "GravelRide": Sport.CYCLING,
    "EBikeRide": Sport.CYCLING,
    "EMountainBikeRide": Sport.CYCLING,
    "VirtualRide": Sport.CYCLING,
    "Handcycle": Sport.CYCLING,
    "Velomobile": Sport.CYCLING,
    "Swim": Sport.SWIMMING,
    "WeightTraining": Sport.STRENGTH,
    "Crossfit": Sport.STRENGTH,
    "Elliptical": Sport.CARDIO,
    "StairStepper": Sport.CARDIO,
    "Yoga": Sport.YOGA,
    "Pilates": Sport.PILATES,
    "HighIntensityIntervalTraining": Sport.HIIT,
    "Walk": Sport.WALKING,
    "Hike": Sport.HIKING,
    "Snowshoe": Sport.HIKING,
    "Rowing": Sport.ROWING,
    "VirtualRow": Sport.ROWING,
}
# Kept beside the record's fields: what tells about the effort, nothing about places, people or privacy.
KEPT = (
    "sport_type",
    "elapsed_time",
    "moving_time",
    "average_speed",
    "max_speed",
    "average_watts",
    "weighted_average_watts",
    "max_watts",
    "device_watts",
    "kilojoules",
    "average_cadence",
    "suffer_score",
    "manual",
    "trainer",
    "commute",
    "workout_type",
)


def to_account(raw: Mapping[str, Any]) -> AccountRecord:
    name = " ".join(filter(None, (_line(raw.get("firstname")), _line(raw.get("lastname")))))
    units = {"meters": "metric", "feet": "imperial"}.get(str(raw.get("measurement_preference") or ""), "")
    return AccountRecord(external_id=_id(raw.get("id"), "id"), name=name[:LONGEST_NAME], units=units)  # type: ignore[arg-type]


def to_activity(raw: Mapping[str, Any]) -> ActivityRecord:
    """Of a summary or a detailed activity. Its length is the time in motion, as Strava shows it."""
    started_at = _moment(raw.get("start_date"), "start_date")
    duration_s = _number(raw, "moving_time")
    if duration_s is None:
        duration_s = _number(raw, "elapsed_time")
    if duration_s is None:
        raise VALUES.unreadable("moving_time", "is missing")
    athlete = raw.get("athlete")
    owner = athlete.get("id") if isinstance(athlete, Mapping) else None
    return ActivityRecord(
        external_id=_id(raw.get("id"), "id"),
        account_id="" if owner is None else _id(owner, "athlete.id"),
        sport=SPORTS.get(str(raw.get("sport_type") or raw.get("type") or ""), Sport.OTHER),
        name=_line(raw.get("name")),
        started_at=started_at,
        utc_offset_s=_offset_s(raw, started_at),
        duration_s=duration_s,
        distance_m=_number(raw, "distance"),
        ascent_m=_number(raw, "total_elevation_gain"),
        avg_hr=_rate(raw, "average_heartrate"),
        max_hr=_rate(raw, "max_heartrate"),
        energy_kcal=_number(raw, "calories"),
        extras=_kept(raw),
    )


def to_details(raw: Mapping[str, Any]) -> DetailsRecord:
    """Of the laps and the streams; streams that are not as long as their clock are worth nothing."""
    streams = raw.get("streams")
    times = _stream(streams, "time")
    if len(times) > MOST_SAMPLES:
        raise VALUES.unreadable("streams", "is longer than any activity")
    later = [index for index in range(len(times)) if index == 0 or (times[index] or 0) > (times[index - 1] or 0)]
    found: dict[str, Any] = {"time_s": tuple(times[index] or 0.0 for index in later)}
    for name, (key, most) in STREAMS.items():
        samples = _stream(streams, key)
        if samples and len(samples) == len(times):
            found[name] = tuple(_within(samples[index], most) for index in later)
    return DetailsRecord(laps=tuple(_lap(lap) for lap in (raw.get("laps") or [])[:MOST_LAPS]), **found)


def _stream(streams: Any, key: str) -> list[float | None]:
    found = streams.get(key) if isinstance(streams, Mapping) else None
    samples = found.get("data") if isinstance(found, Mapping) else None
    if not isinstance(samples, list):
        return []
    return [float(value) if isinstance(value, int | float) and math.isfinite(value) else None for value in samples]


def _within(value: float | None, most: float) -> float | None:
    return value if value is not None and 0 <= value <= most else None


def _lap(raw: Mapping[str, Any]) -> LapRecord:
    return LapRecord(
        duration_s=_number(raw, "moving_time") or 0.0,
        distance_m=_number(raw, "distance"),
        ascent_m=_number(raw, "total_elevation_gain"),
        avg_hr=_rate(raw, "average_heartrate"),
        max_hr=_rate(raw, "max_heartrate"),
        avg_speed_mps=_number(raw, "average_speed"),
        avg_power_w=_number(raw, "average_watts"),
    )


def _kept(raw: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    kept: dict[str, Any] = {}
    for key in KEPT:
        value = raw.get(key)
        if isinstance(value, bool) or (isinstance(value, int | float) and math.isfinite(value)):
            kept[key] = value
        elif isinstance(value, str) and value:
            kept[key] = _line(value)[:LONGEST_WORD]
    return {SLUG: kept} if kept else {}


def _offset_s(raw: Mapping[str, Any], started_at: datetime) -> int:
    """How far the athlete's clock was ahead of UTC; `start_date_local` wears a Z that is not true."""
    offset = _number(raw, "utc_offset")
    if offset is None and raw.get("start_date_local"):
        offset = (_moment(raw["start_date_local"], "start_date_local") - started_at).total_seconds()
    if abs(offset or 0) > MOST_OFFSET_S:
        raise VALUES.unreadable("utc_offset", "is more than 18 hours")
    return round(offset or 0)


def _moment(value: Any, what: str) -> datetime:
    if not isinstance(value, str):
        raise VALUES.unreadable(what, "is missing")
    try:
        found = datetime.fromisoformat(value)
        return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except (ValueError, OverflowError):
        raise VALUES.unreadable(what, "is no point in time") from None


def _id(value: Any, what: str) -> str:
    """Ids are numbers above 0, sent as a number or as a text."""
    text = str(value) if isinstance(value, int | str) and not isinstance(value, bool) else ""
    if not (text.isascii() and text.isdigit() and len(text) <= 19 and 0 < int(text) < LARGEST_ID):
        raise VALUES.unreadable(what, "is no id")
    return str(int(text))


def _number(raw: Mapping[str, Any], key: str) -> float | None:
    return VALUES.number(raw.get(key), key)


def _rate(raw: Mapping[str, Any], key: str) -> int | None:
    value = _number(raw, key)
    return round(value) if value else None  # 0 where no strap was worn


def _line(value: Any) -> str:
    """One line of people's words, without what a page or a log could stumble over."""
    words = " ".join(value.split()) if isinstance(value, str) else ""
    return "".join(letter for letter in words if letter.isprintable())[:LONGEST_NAME].strip()
