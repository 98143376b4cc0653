"""The Training API's workout JSON → WorkoutRecord."""

from typing import Any, Literal

from integrations.providers.garmin_partner.translator import vocabulary as garmin
from integrations.providers.garmin_partner.translator.values import VALUES, Fields
from integrations.records import (
    End,
    EndKind,
    Intensity,
    RepeatStep,
    Segment,
    Sport,
    Step,
    Target,
    TargetKind,
    WorkoutRecord,
    WorkoutStep,
)
from integrations.values import MOST_DEPTH

UNNAMED = "Untitled workout"
METER = "METER"
KILOGRAM = "KILOGRAM"

type PoolUnit = Literal["meter", "yard", ""]
type EndWords = dict[tuple[EndKind, garmin.Compare | None], str]


def to_workout(raw: dict[str, Any]) -> WorkoutRecord:
    """DataError for what is no workout."""
    fields = Fields(raw, "workout")
    pool_length, pool_unit = _pool(fields)
    sport = fields.choose("sport", garmin.SPORTS, unknown=Sport.OTHER) or Sport.OTHER
    fields.flag("isSessionTransitionEnabled") if fields.left.get("isSessionTransitionEnabled") is False else None
    changed = VALUES.moment(raw.get("updatedDate"), "updatedDate")
    segments = VALUES.listed(fields.take("segments"), "segments")
    return WorkoutRecord(
        external_id=VALUES.identifier(fields.take("workoutId"), "workoutId"),
        version="" if changed is None else changed.replace(tzinfo=None).isoformat(timespec="microseconds"),
        name=fields.line("workoutName") or UNNAMED,
        description=fields.text("description"),
        sport=sport,
        segments=tuple(_segment(item, sport, pool_length, pool_unit) for item in segments),
        duration_s=fields.number("estimatedDurationInSecs"),
        distance_m=fields.number("estimatedDistanceInMeters"),
        pool_length=pool_length,
        pool_unit=pool_unit,
        extras=fields.kept(),
    )


def _segment(raw: Any, sport: Sport, pool_length: float | None, pool_unit: PoolUnit) -> Segment:
    fields = Fields(raw, "segment")
    own_sport = fields.choose("sport", garmin.SPORTS, unknown=Sport.OTHER) or sport
    own_length, own_unit = _pool(fields)
    if own_length is None and own_sport == Sport.SWIMMING:  # a leg in the workout's pool
        own_length, own_unit = pool_length, pool_unit
    return Segment(
        sport=own_sport,
        steps=_steps(fields.take("steps"), 1),
        pool_length=own_length,
        pool_unit=own_unit,
        extras=fields.kept(),
    )


def _pool(fields: Fields) -> tuple[float | None, PoolUnit]:
    length = fields.number("poolLength") or None
    unit = fields.choose("poolLengthUnit", {"meter": METER, "yard": "YARD"})
    return length, "yard" if unit == "yard" else "meter" if unit == "meter" else ""


def _steps(raw: Any, depth: int) -> tuple[Step, ...]:
    if depth > MOST_DEPTH:
        raise VALUES.unreadable("steps", "are nested too deeply")
    return tuple(_step(item, depth) for item in VALUES.listed(raw, "steps"))


def _step(raw: Any, depth: int) -> Step:
    fields = Fields(raw, "step")
    if fields.take("type") == "WorkoutRepeatStep" or fields.left.get("steps") is not None:
        return _repeat(fields, depth)
    end = _end(fields)
    equipment = None
    if fields.left.get("equipmentType") == garmin.NO_EQUIPMENT:
        fields.take("equipmentType")
    else:
        equipment = fields.choose("equipmentType", garmin.EQUIPMENT)
    return WorkoutStep(
        intensity=fields.choose("intensity", garmin.INTENSITIES, unknown=Intensity.OTHER) or Intensity.INTERVAL,
        end=end,
        target=_target(fields, garmin.TARGET),
        second_target=_target(fields, garmin.SECOND_TARGET),
        stroke=fields.choose("strokeType", garmin.STROKES),
        equipment=equipment,
        exercise_category=fields.line("exerciseCategory"),
        exercise=fields.line("exerciseName"),
        weight_kg=_weight_kg(fields),
        notes=fields.text("description"),
        extras=fields.kept(),
    )


def _repeat(fields: Fields, depth: int) -> RepeatStep:
    steps = _steps(fields.take("steps"), depth + 1)
    count, end = None, End(kind=EndKind.ITERATIONS)
    if fields.left.get("repeatType") in (garmin.COUNTED, None):
        fields.take("repeatType")
        count = fields.whole("repeatValue")
    else:
        end = _chosen_end(fields, "repeatType", "repeatValue", garmin.REPEATS)
    return RepeatStep(
        count=count,
        end=end,
        steps=steps,
        skip_last_rest=fields.flag("skipLastRestStep"),
        notes=fields.text("description"),
        extras=fields.kept(),
    )


def _end(fields: Fields) -> End:
    """A distance in another unit than metres is left as it came: nobody has told how Garmin counts it."""
    kind = fields.left.get("durationType")
    if kind == "DISTANCE" and fields.left.get("durationValueType") not in (METER, None):
        return End(kind=EndKind.OTHER)
    if kind == "DISTANCE":
        fields.take("durationValueType")
    return _chosen_end(fields, "durationType", "durationValue", garmin.ENDS)


def _chosen_end(fields: Fields, kind: str, value: str, words: EndWords) -> End:
    found = fields.choose(kind, words, unknown=(EndKind.OTHER, None)) or (EndKind.LAP_BUTTON, None)
    if found[0] == EndKind.OTHER:
        return End(kind=EndKind.OTHER)  # its value, whatever it means, stays beside it
    return End(kind=found[0], value=fields.number(value), compare=found[1])


def _target(fields: Fields, keys: garmin.TargetFields) -> Target:
    kind = fields.choose(keys.kind, garmin.TARGETS, unknown=TargetKind.OTHER) or TargetKind.NONE
    if kind == TargetKind.OTHER:
        return Target(kind=kind)
    if kind == TargetKind.NONE:
        return Target()
    low, high = fields.bounds(keys.low, keys.high)
    unit = fields.choose(keys.unit, {garmin.PERCENT: "PERCENT"}) or ""
    return Target(kind=kind, zone=fields.whole(keys.zone), low=low, high=high, unit=unit)


def _weight_kg(fields: Fields) -> float | None:
    """Garmin counts in kilograms, whatever unit it shows; only another one than those is worth keeping."""
    weight = fields.number("weightValue")
    if weight is None or fields.left.get("weightDisplayUnit") in (KILOGRAM, None):
        fields.take("weightDisplayUnit")
    return weight
