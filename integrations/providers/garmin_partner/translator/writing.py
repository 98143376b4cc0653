"""WorkoutRecord → the JSON that the Training API takes for a new or a replaced workout."""

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import count
from typing import Any

from integrations import errors
from integrations.providers.garmin_partner.provider import SLUG
from integrations.providers.garmin_partner.translator import vocabulary as garmin
from integrations.providers.garmin_partner.translator.reading import KILOGRAM, METER
from integrations.records import (
    MARKER,
    End,
    EndKind,
    RepeatStep,
    Segment,
    Sport,
    Step,
    Target,
    TargetKind,
    WorkoutRecord,
    WorkoutStep,
)

US = "TransformCoaching"  # at most 20 letters
UNITS = {"meter": METER, "yard": "YARD"}
REQUIRED = ("sport", "intensity", "durationType", "repeatType", "targetType", "secondaryTargetType")

_REFERENCE = re.compile(re.escape(MARKER) + r"[A-Za-z0-9]{10}\b")


def from_workout(record: WorkoutRecord) -> dict[str, Any]:
    """Without any id. UnsupportedError for what `validator.unsupported` names."""
    order = count(1)
    references = _REFERENCE.findall(record.description)
    written = {
        "workoutName": record.name,
        "description": record.description or None,
        "sport": garmin.SPORTS.get(record.sport),
        "workoutProvider": US,
        "workoutSourceId": references[-1] if references else US,
        "isSessionTransitionEnabled": False,
        **_pool(record.pool_length, record.pool_unit),
        "segments": [_segment(leg, place, record, order) for place, leg in enumerate(record.segments, start=1)],
    }
    return _with_extras(written, record.extras)


def _segment(segment: Segment, place: int, workout: WorkoutRecord, order: Iterator[int]) -> dict[str, Any]:
    length, unit = segment.pool_length, segment.pool_unit
    if length is None and segment.sport == Sport.SWIMMING:
        length, unit = workout.pool_length, workout.pool_unit
    written = {
        "segmentOrder": place,
        "sport": garmin.SPORTS.get(segment.sport),
        **_pool(length, unit),
        "steps": _steps(segment.steps, order),
    }
    return _with_extras(written, segment.extras)


def _steps(steps: Sequence[Step], order: Iterator[int]) -> list[dict[str, Any]]:
    """Counted over the whole workout, each group before what stands in it."""
    return [_repeat(step, order) if isinstance(step, RepeatStep) else _step(step, order) for step in steps]


def _repeat(step: RepeatStep, order: Iterator[int]) -> dict[str, Any]:
    counted = step.end.kind == EndKind.ITERATIONS
    written = {
        "type": "WorkoutRepeatStep",
        "stepOrder": next(order),
        "repeatType": garmin.COUNTED if counted else garmin.REPEATS.get((step.end.kind, step.end.compare)),
        "repeatValue": step.count if counted else step.end.value,
        "skipLastRestStep": step.skip_last_rest,
        "description": step.notes or None,
        "steps": _steps(step.steps, order),
    }
    return _with_extras(written, step.extras)


def _step(step: WorkoutStep, order: Iterator[int]) -> dict[str, Any]:
    written = {
        "type": "WorkoutStep",
        "stepOrder": next(order),
        "intensity": garmin.INTENSITIES[step.intensity],
        "description": step.notes or None,
        **_end(step.end),
        **_target(step.target, garmin.TARGET),
        **({} if step.second_target.kind == TargetKind.NONE else _target(step.second_target, garmin.SECOND_TARGET)),
        "strokeType": garmin.STROKES.get(step.stroke) if step.stroke else None,
        "equipmentType": garmin.EQUIPMENT[step.equipment] if step.equipment else None,
        "exerciseCategory": step.exercise_category or None,
        "exerciseName": step.exercise or None,
        "weightValue": step.weight_kg,
        "weightDisplayUnit": None if step.weight_kg is None else KILOGRAM,
    }
    return _with_extras(written, step.extras)


def _end(end: End) -> dict[str, Any]:
    return {
        "durationType": garmin.ENDS.get((end.kind, end.compare)),
        "durationValue": end.value,
        "durationValueType": METER if end.kind == EndKind.DISTANCE else None,
    }


def _target(target: Target, keys: garmin.TargetFields) -> dict[str, Any]:
    return {
        keys.kind: garmin.TARGETS.get(target.kind),
        keys.zone: target.zone,
        keys.low: target.low,
        keys.high: target.high,
        keys.unit: "PERCENT" if target.unit == garmin.PERCENT else None,
    }


def _pool(length: float | None, unit: str) -> dict[str, Any]:
    return {"poolLength": length, "poolLengthUnit": UNITS.get(unit)}


def _with_extras(written: Mapping[str, Any], extras: Mapping[str, Any]) -> dict[str, Any]:
    """Without what is null, and with what came from Garmin and has no field of ours: it stands for itself."""
    kept = {key: value for key, value in extras.get(SLUG, {}).items() if key not in garmin.SERVER_SET}
    whole = {key: value for key, value in written.items() if value is not None} | kept
    for key in REQUIRED:
        if key in written and key not in whole:
            raise errors.UnsupportedError(f"Garmin has no {key} for this", provider=SLUG, context={"field": key})
    return whole
