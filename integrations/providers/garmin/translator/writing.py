"""WorkoutRecord → the JSON that Garmin takes for a new or a replaced workout."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from integrations import errors
from integrations.providers.garmin.provider import SLUG
from integrations.providers.garmin.translator import vocabulary as garmin
from integrations.providers.garmin.translator.reading import GRAMS_PER_KG
from integrations.providers.garmin.translator.vocabulary import Vocabulary
from integrations.records import (
    End,
    EndKind,
    Equipment,
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

REQUIRED = ("sportType", "stepType", "endCondition", "targetType", "secondaryTargetType")


def from_workout(record: WorkoutRecord) -> dict[str, Any]:
    """A new object of Garmin's, without any id. UnsupportedError for what `validator.unsupported` names."""
    count = _Counters()
    written = {
        "workoutName": record.name,
        "description": record.description or None,
        "sportType": _word(garmin.SPORTS, record.sport),
        "estimatedDurationInSecs": record.duration_s,
        "estimatedDistanceInMeters": record.distance_m,
        **_pool(record.pool_length, record.pool_unit),
        "workoutSegments": [
            _segment(segment, order, record, count) for order, segment in enumerate(record.segments, start=1)
        ],
    }
    return _with_extras(written, record.extras)


@dataclass
class _Counters:
    """Steps are counted over the whole workout, groups too, each group before what stands in it."""

    step: int = 0
    group: int = 0

    def next_step(self) -> int:
        self.step += 1
        return self.step

    def next_group(self) -> int:
        self.group += 1
        return self.group


def _segment(segment: Segment, order: int, workout: WorkoutRecord, count: _Counters) -> dict[str, Any]:
    length, unit = segment.pool_length, segment.pool_unit
    if length is None and segment.sport == Sport.SWIMMING:
        length, unit = workout.pool_length, workout.pool_unit
    written = {
        "segmentOrder": order,
        "sportType": _word(garmin.SPORTS, segment.sport),
        "description": segment.notes or None,
        **_pool(length, unit),
        "workoutSteps": _steps(segment.steps, segment.sport, None, count),
    }
    return _with_extras(written, segment.extras)


def _steps(steps: Sequence[Step], sport: Sport, group: int | None, count: _Counters) -> list[dict[str, Any]]:
    return [
        _repeat(step, sport, count) if isinstance(step, RepeatStep) else _step(step, sport, group, count)
        for step in steps
    ]


def _repeat(step: RepeatStep, sport: Sport, count: _Counters) -> dict[str, Any]:
    order, group = count.next_step(), count.next_group()
    counted = step.end.kind == EndKind.ITERATIONS
    written = {
        "type": "RepeatGroupDTO",
        "stepOrder": order,
        "childStepId": group,
        "stepType": garmin.REPEAT,
        "numberOfIterations": step.count,
        "smartRepeat": False,
        "skipLastRestStep": step.skip_last_rest or None,
        "description": step.notes or None,
        **_end(End(kind=EndKind.ITERATIONS, value=step.count) if counted else step.end),
        "workoutSteps": _steps(step.steps, sport, group, count),
    }
    return _with_extras(written, step.extras)


def _step(step: WorkoutStep, sport: Sport, group: int | None, count: _Counters) -> dict[str, Any]:
    written = {
        "type": "ExecutableStepDTO",
        "stepOrder": count.next_step(),
        "childStepId": group,
        "stepType": _word(garmin.STEP_TYPES, step.intensity),
        **_end(step.end),
        "preferredEndConditionUnit": garmin.UNITS.get(step.distance_unit),
        **_target(step.target, garmin.TARGET),
        **({} if step.second_target.kind == TargetKind.NONE else _target(step.second_target, garmin.SECOND_TARGET)),
        **_swimming(step.stroke, step.equipment, sport),
        "category": step.exercise_category or None,
        "exerciseName": step.exercise or None,
        **_weight(step.weight_kg),
        "description": step.notes or None,
    }
    return _with_extras(written, step.extras)


def _end(end: End) -> dict[str, Any]:
    return {
        "endCondition": _word(garmin.ENDS, end.kind),
        "endConditionValue": None if end.value is None else float(end.value),
        "endConditionCompare": end.compare,
        "endConditionZone": end.zone,
    }


def _target(target: Target, keys: garmin.TargetFields) -> dict[str, Any]:
    """Garmin's own client puts the slower, lower value first."""
    return {
        keys.kind: _word(garmin.TARGETS, target.kind),
        keys.low: target.low,
        keys.high: target.high,
        keys.zone: target.zone,
        keys.unit: garmin.UNITS.get(target.unit),
    }


def _swimming(stroke: Stroke | None, equipment: Equipment | None, sport: Sport) -> dict[str, Any]:
    """Every step of a swim names both, rests too; elsewhere only what is set."""
    none = sport == Sport.SWIMMING
    return {
        "strokeType": garmin.STROKES.written(stroke) if stroke else garmin.NO_STROKE if none else None,
        "equipmentType": garmin.EQUIPMENT.written(equipment) if equipment else garmin.NO_EQUIPMENT if none else None,
    }


def _weight(weight_kg: float | None) -> dict[str, Any]:
    if weight_kg is None:
        return {}
    return {"weightValue": round(weight_kg * GRAMS_PER_KG, 3), "weightUnit": garmin.UNITS["kilogram"]}


def _pool(length: float | None, unit: str) -> dict[str, Any]:
    return {"poolLength": length, "poolLengthUnit": garmin.UNITS.get(unit)}


def _word[T](words: Vocabulary[T], member: T) -> dict[str, Any] | None:
    """Garmin's object for `member`; None where only `extras` can hold it."""
    return words.written(member) if member in words.entries else None


def _with_extras(written: Mapping[str, Any], extras: Mapping[str, Any]) -> dict[str, Any]:
    """Without what is null, and with what came from Garmin and has no field of ours: it stands for itself."""
    kept = {key: value for key, value in extras.get(SLUG, {}).items() if not garmin.is_server_set(key)}
    whole = {key: value for key, value in written.items() if value is not None} | kept
    for key in REQUIRED:
        if key in written and key not in whole:
            raise errors.UnsupportedError(f"Garmin has no {key} for this", provider=SLUG, context={"field": key})
    return whole
