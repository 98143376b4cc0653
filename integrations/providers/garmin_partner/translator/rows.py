"""Accounts, calendar entries, rows of workouts and activity summaries → records."""

from collections.abc import Iterator
from datetime import UTC, date, datetime
from typing import Any

from integrations.providers.garmin_partner.provider import SLUG
from integrations.providers.garmin_partner.translator.reading import UNNAMED
from integrations.providers.garmin_partner.translator.values import VALUES, line, word
from integrations.records import AccountRecord, ActivityRecord, ScheduleRecord, Sport, WorkoutSummary
from integrations.values import MOST_TEXT_LETTERS, clean, cut

MOST_OFFSET_S = 18 * 3600
LONGEST_WORD = 64
MOST_PERMISSIONS = 50

ACTIVITY_SPORTS = {
    "RUNNING": Sport.RUNNING,
    "TRAIL_RUNNING": Sport.RUNNING,
    "TREADMILL_RUNNING": Sport.RUNNING,
    "TRACK_RUNNING": Sport.RUNNING,
    "STREET_RUNNING": Sport.RUNNING,
    "INDOOR_RUNNING": Sport.RUNNING,
    "ULTRA_RUN": Sport.RUNNING,
    "VIRTUAL_RUN": Sport.RUNNING,
    "OBSTACLE_RUN": Sport.RUNNING,
    "CYCLING": Sport.CYCLING,
    "ROAD_BIKING": Sport.CYCLING,
    "MOUNTAIN_BIKING": Sport.CYCLING,
    "GRAVEL_CYCLING": Sport.CYCLING,
    "INDOOR_CYCLING": Sport.CYCLING,
    "VIRTUAL_RIDE": Sport.CYCLING,
    "CYCLOCROSS": Sport.CYCLING,
    "TRACK_CYCLING": Sport.CYCLING,
    "DOWNHILL_BIKING": Sport.CYCLING,
    "RECUMBENT_CYCLING": Sport.CYCLING,
    "SWIMMING": Sport.SWIMMING,
    "LAP_SWIMMING": Sport.SWIMMING,
    "OPEN_WATER_SWIMMING": Sport.SWIMMING,
    "STRENGTH_TRAINING": Sport.STRENGTH,
    "INDOOR_CARDIO": Sport.CARDIO,
    "FITNESS_EQUIPMENT": Sport.CARDIO,
    "ELLIPTICAL": Sport.CARDIO,
    "STAIR_CLIMBING": Sport.CARDIO,
    "YOGA": Sport.YOGA,
    "PILATES": Sport.PILATES,
    "HIIT": Sport.HIIT,
    "MOBILITY": Sport.MOBILITY,
    "MULTI_SPORT": Sport.MULTISPORT,
    "WALKING": Sport.WALKING,
    "CASUAL_WALKING": Sport.WALKING,
    "SPEED_WALKING": Sport.WALKING,
    "HIKING": Sport.HIKING,
    "ROWING": Sport.ROWING,
    "INDOOR_ROWING": Sport.ROWING,
}
# Kept beside the record's fields: what was measured. Garmin's own judgements (training effect, recovery, load, stamina)
# are left where they are: it no longer gives them to partners, and nothing here may lean on them.
KEPT = (
    "activityId",
    "activityType",
    "averageSpeedInMetersPerSecond",
    "averageRunCadenceInStepsPerMinute",
    "averageBikingCadenceInRevPerMinute",
    "averageSwimCadenceInStrokesPerMinute",
    "steps",
    "deviceName",
    "manual",
    "isWebUpload",
    "isParent",
)


def to_account(raw: dict[str, Any]) -> AccountRecord:
    """Garmin tells no name: the id is all there is."""
    permissions = raw.get("permissions")
    given = VALUES.listed(permissions, "permissions")[:MOST_PERMISSIONS]
    return AccountRecord(
        external_id=word(raw.get("userId"), "userId"),
        permissions=None if permissions is None else tuple(word(each, "permissions") for each in given),
    )


def to_summary(raw: dict[str, Any]) -> WorkoutSummary:
    """Of a whole workout, which is what a create answers: there are no shorter rows."""
    text = raw.get("description")
    changed, made = (VALUES.moment(raw.get(key), key) for key in ("updatedDate", "createdDate"))
    return WorkoutSummary(
        external_id=VALUES.required_id(raw.get("workoutId"), "workoutId"),
        name=line(raw.get("workoutName")) or UNNAMED,
        version="" if changed is None else changed.replace(tzinfo=None).isoformat(timespec="microseconds"),
        description=cut(clean(text).strip(), MOST_TEXT_LETTERS) if isinstance(text, str) else "",
        created_at=made,
    )


def to_schedule(raw: dict[str, Any]) -> ScheduleRecord:
    """The entry's number has one name where it is made and may have a shorter one where it is listed."""
    number_of_it = raw.get("workoutScheduleId") or raw.get("scheduleId")
    return ScheduleRecord(
        external_id=VALUES.required_id(number_of_it, "workoutScheduleId"),
        workout_id=VALUES.required_id(raw.get("workoutId"), "workoutId"),
        on=_day(raw.get("date")),
    )


def to_calendar(raw: dict[str, Any]) -> Iterator[ScheduleRecord]:
    for entry in VALUES.listed(raw.get("schedules"), "schedules"):
        if not isinstance(entry, dict):
            raise VALUES.unreadable("schedules", "hold what is no entry")
        yield to_schedule(entry)


def to_activity(raw: dict[str, Any]) -> ActivityRecord:
    """Of an activity summary, pulled or pushed alike. Its length is the time Garmin's timer ran."""
    duration_s = VALUES.number(raw.get("durationInSeconds"), "durationInSeconds")
    if duration_s is None:
        raise VALUES.unreadable("durationInSeconds", "is missing")
    kind = raw.get("activityType")
    return ActivityRecord(
        external_id=word(raw.get("summaryId"), "summaryId"),
        account_id=word(raw["userId"], "userId") if raw.get("userId") is not None else "",
        sport=ACTIVITY_SPORTS.get(kind, Sport.OTHER) if isinstance(kind, str) else Sport.OTHER,
        name=line(raw.get("activityName")),
        started_at=_started_at(raw.get("startTimeInSeconds")),
        utc_offset_s=_offset_s(raw.get("startTimeOffsetInSeconds")),
        duration_s=duration_s,
        distance_m=VALUES.number(raw.get("distanceInMeters"), "distanceInMeters"),
        ascent_m=VALUES.number(raw.get("totalElevationGainInMeters"), "totalElevationGainInMeters"),
        avg_hr=_rate(raw, "averageHeartRateInBeatsPerMinute"),
        max_hr=_rate(raw, "maxHeartRateInBeatsPerMinute"),
        energy_kcal=VALUES.number(raw.get("activeKilocalories"), "activeKilocalories"),
        extras=_kept(raw),
    )


def _started_at(value: Any) -> datetime:
    seconds = VALUES.number(value, "startTimeInSeconds")
    if seconds is None:
        raise VALUES.unreadable("startTimeInSeconds", "is missing")
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        raise VALUES.unreadable("startTimeInSeconds", "is no point in time") from None


def _offset_s(value: Any) -> int:
    offset = round(VALUES.number(value, "startTimeOffsetInSeconds") or 0)
    if abs(offset) > MOST_OFFSET_S:
        raise VALUES.unreadable("startTimeOffsetInSeconds", "is more than 18 hours")
    return offset


def _rate(raw: dict[str, Any], key: str) -> int | None:
    value = VALUES.number(raw.get(key), key)
    return round(value) if value else None  # 0 where no strap was worn


def _kept(raw: dict[str, Any]) -> dict[str, dict[str, Any]]:
    kept: dict[str, Any] = {}
    for key in KEPT:
        value = raw.get(key)
        if isinstance(value, str):
            kept[key] = line(value, LONGEST_WORD)
        elif isinstance(value, bool) or (isinstance(value, int | float) and VALUES.number(value, key) is not None):
            kept[key] = value
    return {SLUG: kept} if kept else {}


def _day(value: Any) -> date:
    try:
        return date.fromisoformat(str(value)[:10])
    except ValueError:
        raise VALUES.unreadable("date", "is no day") from None
