"""Garmin's workout JSON → WorkoutRecord."""

from typing import Any, Literal

from integrations.providers.garmin.translator import vocabulary as garmin
from integrations.providers.garmin.translator.values import VALUES, Fields, is_empty, version
from integrations.records import (
    End,
    EndKind,
    Equipment,
    Intensity,
    RepeatStep,
    Segment,
    Sport,
    Step,
    Stroke,
    Target,
    TargetKind,
    WorkoutRecord,
    WorkoutStep,
)
from integrations.values import MOST_DEPTH

UNNAMED = "Untitled workout"
GRAMS_PER_KG = 1000.0
KG_PER_POUND = 0.45359237

type PoolUnit = Literal["meter", "yard", ""]


def to_workout(raw: dict[str, Any]) -> WorkoutRecord:
    """The workout of one object, or of a listing's row, which has no segments. DataError for what is no workout."""
    fields = Fields(raw, "workout")
    pool_length, pool_unit = _pool(fields)
    sport = fields.choose("sportType", garmin.SPORTS, unknown=Sport.OTHER)
    segments = tuple(
        _segment(item, sport or Sport.OTHER, pool_length, pool_unit)
        for item in VALUES.listed(fields.take("workoutSegments"), "workoutSegments")
    )
    return WorkoutRecord(
        external_id=VALUES.identifier(fields.take("workoutId"), "workoutId"),
        version=version(raw),
        name=fields.line("workoutName") or UNNAMED,
        description=fields.text("description"),
        sport=sport or (segments[0].sport if segments else Sport.OTHER),
        segments=segments,
        duration_s=fields.number("estimatedDurationInSecs"),
        distance_m=fields.number("estimatedDistanceInMeters"),
        pool_length=pool_length,
        pool_unit=pool_unit,
        extras=fields.kept(),
    )


def _segment(raw: Any, sport: Sport, pool_length: float | None, pool_unit: PoolUnit) -> Segment:
    fields = Fields(raw, "segment")
    own_sport = fields.choose("sportType", garmin.SPORTS, unknown=Sport.OTHER) or sport
    own_length, own_unit = _pool(fields)
    if own_length is None and own_sport == Sport.SWIMMING:  # a leg in the workout's pool; Garmin often says it once
        own_length, own_unit = pool_length, pool_unit
    return Segment(
        sport=own_sport,
        steps=_steps(fields.take("workoutSteps"), 1),
        pool_length=own_length,
        pool_unit=own_unit,
        notes=fields.text("description"),
        extras=fields.kept(),
    )


def _pool(fields: Fields) -> tuple[float | None, PoolUnit]:
    length = fields.number("poolLength") or None  # listings say 0 where there is no pool
    unit = _unit(fields, "poolLengthUnit", ("meter", "yard"))
    return length, "yard" if unit == "yard" else "meter" if unit == "meter" else ""


def _unit(fields: Fields, key: str, known: tuple[str, ...]) -> str:
    """The word for a unit; one that we do not know is left in `fields`."""
    raw = fields.left.get(key)
    word = str(raw.get("unitKey") or "") if isinstance(raw, dict) else ""
    if word not in known:
        return ""
    fields.take(key)
    return word


def _steps(raw: Any, depth: int) -> tuple[Step, ...]:
    """In the order they stand: `stepOrder` may start again in every group."""
    if depth > MOST_DEPTH:
        raise VALUES.unreadable("workoutSteps", "are nested too deeply")
    return tuple(_step(item, depth) for item in VALUES.listed(raw, "workoutSteps"))


def _step(raw: Any, depth: int) -> Step:
    fields = Fields(raw, "step")
    fields.take("type")
    if any(fields.left.get(key) is not None for key in ("workoutSteps", "numberOfIterations")):
        return _repeat(fields, depth)
    stroke: Stroke | None = fields.choose("strokeType", garmin.STROKES)
    equipment: Equipment | None = fields.choose("equipmentType", garmin.EQUIPMENT)
    category = fields.line("category")
    return WorkoutStep(
        intensity=fields.choose("stepType", garmin.STEP_TYPES, unknown=Intensity.OTHER) or Intensity.INTERVAL,
        end=_end(fields),
        target=_target(fields, garmin.TARGET),
        second_target=_target(fields, garmin.SECOND_TARGET),
        stroke=stroke,
        equipment=equipment,
        exercise_category=category or fields.line("exerciseCategory"),  # the second word is only seen in uploads
        exercise=fields.line("exerciseName"),
        weight_kg=_weight_kg(fields),
        distance_unit=_unit(fields, "preferredEndConditionUnit", ("meter", "kilometer", "mile", "yard")),
        notes=fields.text("description"),
        extras=fields.kept(),
    )


def _repeat(fields: Fields, depth: int) -> RepeatStep:
    fields.take("stepType")
    if fields.left.get("smartRepeat") is False:
        fields.take("smartRepeat")
    steps = _steps(fields.take("workoutSteps"), depth + 1)
    count = fields.whole("numberOfIterations")
    counted = is_empty(fields.left.get("endCondition"))
    end = _end(fields)
    if counted or end.kind == EndKind.ITERATIONS:
        count = VALUES.whole(end.value, "endConditionValue") if count is None else count
        end = End(kind=EndKind.ITERATIONS)
    return RepeatStep(
        count=count,
        end=end,
        steps=steps,
        skip_last_rest=fields.flag("skipLastRestStep"),
        notes=fields.text("description"),
        extras=fields.kept(),
    )


def _end(fields: Fields) -> End:
    nested = fields.left.get("endCondition")
    kind = fields.choose("endCondition", garmin.ENDS, unknown=EndKind.OTHER)
    if kind == EndKind.OTHER:
        return End(kind=kind)  # its value, whatever it means, stays beside it
    value = fields.number("endConditionValue")
    if value is None and isinstance(nested, dict):
        value = Fields(nested, "endCondition").number("conditionValue")
    compare = str(fields.left.get("endConditionCompare") or "")
    if compare in ("gt", "lt", ""):
        fields.take("endConditionCompare")
    return End(
        kind=kind or EndKind.LAP_BUTTON,
        value=value,
        compare="gt" if compare == "gt" else "lt" if compare == "lt" else None,
        zone=fields.whole("endConditionZone") or None,
    )


def _target(fields: Fields, keys: garmin.TargetFields) -> Target:
    kind = fields.choose(keys.kind, garmin.TARGETS, unknown=TargetKind.OTHER) or TargetKind.NONE
    if kind == TargetKind.OTHER:
        return Target(kind=kind)
    if kind == TargetKind.NONE:
        for key in (keys.low, keys.high, keys.zone):
            if fields.left.get(key) in (0, "", None):  # zeros stand where nothing was set; all else is kept
                fields.take(key)
        return Target()
    low, high = fields.bounds(keys.low, keys.high)
    unit = _unit(fields, keys.unit, tuple(garmin.UNITS))
    return Target(kind=kind, zone=fields.whole(keys.zone) or None, low=low, high=high, unit=unit)


def _weight_kg(fields: Fields) -> float | None:
    """Garmin's server counts in grams, whatever unit it shows; its units have a number, those typed by hand have none.

    A negative weight is how the server says that none is set.
    """
    unit = Fields(fields.left.get("weightUnit"), "weightUnit")
    weight = fields.number("weightValue")
    word = str(unit.left.get("unitKey") or "")
    if weight is None or weight < 0 or word in ("kilogram", ""):
        fields.take("weightUnit")
    if weight is None or weight < 0:
        return None
    if unit.whole("unitId"):
        return round(weight / GRAMS_PER_KG, 6)
    if word == "pound":
        fields.take("weightUnit")
        return round(weight * KG_PER_POUND, 6)
    return round(weight, 6)
