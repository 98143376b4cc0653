"""Garmin's accounts, listing rows, calendar and activities → records."""

from collections.abc import Iterator
from datetime import date, datetime
from typing import Any

from integrations import errors
from integrations.providers.garmin.provider import SLUG
from integrations.providers.garmin.translator.values import VALUES, Fields, version
from integrations.records import AccountRecord, ActivityRecord, ScheduleRecord, Sport, WorkoutSummary
from integrations.values import clean, cut, one_line

MOST_OFFSET_S = 18 * 3600

ACTIVITY_SPORTS = {
    "running": Sport.RUNNING,
    "trail_running": Sport.RUNNING,
    "treadmill_running": Sport.RUNNING,
    "track_running": Sport.RUNNING,
    "street_running": Sport.RUNNING,
    "indoor_running": Sport.RUNNING,
    "ultra_run": Sport.RUNNING,
    "virtual_run": Sport.RUNNING,
    "obstacle_run": Sport.RUNNING,
    "cycling": Sport.CYCLING,
    "road_biking": Sport.CYCLING,
    "mountain_biking": Sport.CYCLING,
    "gravel_cycling": Sport.CYCLING,
    "indoor_cycling": Sport.CYCLING,
    "virtual_ride": Sport.CYCLING,
    "cyclocross": Sport.CYCLING,
    "track_cycling": Sport.CYCLING,
    "downhill_biking": Sport.CYCLING,
    "recumbent_cycling": Sport.CYCLING,
    "swimming": Sport.SWIMMING,
    "lap_swimming": Sport.SWIMMING,
    "open_water_swimming": Sport.SWIMMING,
    "strength_training": Sport.STRENGTH,
    "indoor_cardio": Sport.CARDIO,
    "fitness_equipment": Sport.CARDIO,
    "elliptical": Sport.CARDIO,
    "stair_climbing": Sport.CARDIO,
    "yoga": Sport.YOGA,
    "pilates": Sport.PILATES,
    "hiit": Sport.HIIT,
    "mobility": Sport.MOBILITY,
    "multi_sport": Sport.MULTISPORT,
    "walking": Sport.WALKING,
    "casual_walking": Sport.WALKING,
    "speed_walking": Sport.WALKING,
    "indoor_walking": Sport.WALKING,
    "hiking": Sport.HIKING,
    "mountaineering": Sport.HIKING,
    "rowing": Sport.ROWING,
    "rowing_v2": Sport.ROWING,
    "indoor_rowing": Sport.ROWING,
}
# Garmin adds kinds of activity all the time; the parent still tells the sport.
PARENT_SPORTS = {
    1: Sport.RUNNING,
    2: Sport.CYCLING,
    3: Sport.HIKING,
    9: Sport.WALKING,
    26: Sport.SWIMMING,
}
# Kept of an activity's 230 fields: what tells about the effort, nothing about places, people or privacy.
KEPT_OF_ACTIVITY = (
    "movingDuration",
    "elapsedDuration",
    "averageSpeed",
    "maxSpeed",
    "elevationLoss",
    "avgPower",
    "maxPower",
    "normPower",
    "trainingStressScore",
    "intensityFactor",
    "aerobicTrainingEffect",
    "anaerobicTrainingEffect",
    "activityTrainingLoad",
    "averageRunningCadenceInStepsPerMinute",
    "averageBikingCadenceInRevPerMinute",
    "averageSwimCadenceInStrokesPerMinute",
    "lapCount",
    "totalSets",
    "totalReps",
    "poolLength",
    "averageSwolf",
    "manufacturer",
    "manualActivity",
    "isManualActivity",
    "isParent",
    "parentId",
)


def to_account(raw: dict[str, Any]) -> AccountRecord:
    """Of the social profile; its `settings` may hold what the settings route says."""
    profile = Fields(raw, "profile")
    settings = Fields(profile.take("settings"), "settings")
    system = str(
        settings.take("measurementSystem")
        or Fields(settings.take("userData"), "userData").take("measurementSystem")
        or ""
    )
    return AccountRecord(
        external_id=VALUES.required_id(profile.take("profileId") or profile.take("id"), "profileId"),
        name=profile.line("fullName") or profile.line("displayName") or profile.line("userName"),
        time_zone=settings.line("timeZone", 64),
        units="metric" if system == "metric" else "imperial" if system.startswith("statute") else "",
    )


def to_summary(raw: dict[str, Any]) -> WorkoutSummary:
    fields = Fields(raw, "workout")
    return WorkoutSummary(
        external_id=VALUES.required_id(fields.take("workoutId"), "workoutId"),
        name=fields.line("workoutName"),
        version=version(fields.left),
        description=fields.text("description"),
        created_at=_created(fields.take("createdDate")),
    )


def _created(value: Any) -> datetime | None:
    """It only narrows a search: one that cannot be read is no reason to set the workout aside."""
    try:
        return VALUES.moment(value, "createdDate")
    except errors.DataError:
        return None


def to_schedule(raw: dict[str, Any]) -> ScheduleRecord:
    """Of the answer to a schedule call, whose id has three names among Garmin's products."""
    fields = Fields(raw, "schedule")
    workout = Fields(fields.take("workout"), "workout")
    number_ = next(
        (fields.left[key] for key in ("workoutScheduleId", "scheduleId", "id") if fields.left.get(key)), None
    )
    return ScheduleRecord(
        external_id=VALUES.required_id(number_, "workoutScheduleId"),
        workout_id=VALUES.required_id(workout.take("workoutId") or fields.take("workoutId"), "workoutId"),
        on=_day(fields.take("calendarDate") or fields.take("date"), "calendarDate"),
        title=workout.line("workoutName") or fields.line("title"),
    )


def to_calendar(raw: dict[str, Any]) -> Iterator[ScheduleRecord]:
    """The month's workouts once each: views of neighbouring months overlap. Plans of others have no workout id."""
    seen: set[str] = set()
    for item in VALUES.listed(Fields(raw, "calendar").take("calendarItems"), "calendarItems"):
        fields = Fields(item, "calendar item")
        if fields.take("itemType") != "workout" or fields.left.get("workoutId") is None:
            continue
        record = to_schedule(item)
        if record.external_id not in seen:
            seen.add(record.external_id)
            yield record


def to_activity(raw: dict[str, Any]) -> ActivityRecord:
    """Of a row of the activities list."""
    fields = Fields(raw, "activity")
    started_at = VALUES.moment(fields.left.get("startTimeGMT") or fields.left.get("beginTimestamp"), "startTimeGMT")
    duration_s = VALUES.number(fields.left.get("duration"), "duration")
    if started_at is None or duration_s is None:
        raise VALUES.unreadable("activity", "has no start or no duration")
    kind = Fields(fields.take("activityType"), "activityType")
    return ActivityRecord(
        external_id=VALUES.required_id(fields.take("activityId"), "activityId"),
        account_id=VALUES.identifier(fields.take("ownerId"), "ownerId"),
        sport=_activity_sport(kind),
        name=fields.line("activityName"),
        started_at=started_at,
        utc_offset_s=_offset_s(fields.take("startTimeLocal"), started_at),
        duration_s=duration_s,
        distance_m=fields.number("distance"),
        ascent_m=fields.number("elevationGain"),
        avg_hr=_rate(fields, "averageHR"),
        max_hr=_rate(fields, "maxHR"),
        energy_kcal=fields.number("calories"),
        workout_id=VALUES.identifier(fields.take("workoutId"), "workoutId"),
        extras=_kept_of_activity(fields.left, kind),
    )


def _activity_sport(kind: Fields) -> Sport:
    key = str(kind.left.get("typeKey") or "")
    parent = VALUES.whole(kind.left.get("parentTypeId"), "parentTypeId")
    return ACTIVITY_SPORTS.get(key) or PARENT_SPORTS.get(parent or 0, Sport.OTHER)


def _kept_of_activity(left: dict[str, Any], kind: Fields) -> dict[str, Any]:
    kept = {key: VALUES.verbatim(left[key], key) for key in KEPT_OF_ACTIVITY if left.get(key) is not None}
    if kind.left.get("typeKey"):
        kept["typeKey"] = cut(clean(str(kind.left["typeKey"])), 64)
    return {SLUG: kept} if kept else {}


def _offset_s(local: Any, started_at: datetime) -> int:
    """How far the wearer's clock was ahead of UTC: Garmin gives the start twice, and no offset."""
    then = VALUES.moment(local, "startTimeLocal")
    offset_s = round((then - started_at).total_seconds()) if then else 0
    if abs(offset_s) > MOST_OFFSET_S:
        raise VALUES.unreadable("startTimeLocal", "is days off startTimeGMT")
    return offset_s


def _rate(fields: Fields, key: str) -> int | None:
    value = fields.number(key)
    return round(value) if value else None  # 0 where no strap was worn


def _day(value: Any, what: str) -> date:
    try:
        return date.fromisoformat(one_line(value)[:10])
    except (ValueError, TypeError, AttributeError):
        raise VALUES.unreadable(what, "is no date") from None
