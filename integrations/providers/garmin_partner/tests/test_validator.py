"""What cannot be sent is named before any call; nonsense of Garmin's is set aside."""

from datetime import UTC, datetime
from typing import Any

import pytest

from integrations import errors
from integrations.providers.garmin_partner import translator, validator
from integrations.records import (
    ActivityRecord,
    End,
    EndKind,
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

PACE = Target(kind=TargetKind.PACE, low=3, high=4)


def of(*steps: Step, sport: Sport = Sport.RUNNING, **fields: Any) -> WorkoutRecord:
    segments = fields.pop("segments", (Segment(sport=sport, steps=steps),))
    return WorkoutRecord(name=fields.pop("name", "W"), sport=sport, segments=segments, **fields)


def until(kind: EndKind, **fields: Any) -> WorkoutStep:
    return WorkoutStep(end=End(kind=kind, **fields))


def towards(**fields: Any) -> WorkoutStep:
    return WorkoutStep(target=Target(**fields))


STEP = WorkoutStep()
REFUSED = [
    (of(name=" "), 0, "has no name"),
    (of(STEP, name="x" * 256), 0, "longer than 255"),
    (of(STEP, description="x" * 1025), 0, "1025 letters; Garmin takes 1024"),
    (of(), 0, "has no steps"),
    (of(STEP, sport=Sport.HIIT), 0, "no hiit workouts"),
    (of(STEP, sport=Sport.ROWING), 0, "no rowing workouts"),
    (of(segments=(Segment(sport=Sport.RUNNING, steps=(STEP,)),) * 2), 0, "only multisport"),
    (of(sport=Sport.MULTISPORT, segments=(Segment(sport=Sport.CYCLING, steps=(STEP,)),) * 26), 0, "Garmin takes 25"),
    (of(sport=Sport.MULTISPORT, segments=(Segment(sport=Sport.MULTISPORT, steps=(STEP,)),)), 0, "sport of its own"),
    (of(segments=(Segment(sport=Sport.RUNNING, steps=(STEP,), notes="x"),)), 0, "notes of leg 1"),
    (of(*[STEP] * 101), 0, "101 steps"),
    (of(*[RepeatStep(count=2, steps=(STEP,))] * 51), 0, "102 steps, repeats counted"),
    (of(STEP, until(EndKind.VELOCITY_LOSS, value=20)), 2, "velocity loss"),
    (of(until(EndKind.OTHER)), 1, "by such a thing"),
    (of(until(EndKind.TIME)), 1, "time that ends the interval step has no value"),
    (of(until(EndKind.DISTANCE, value=0)), 1, "has no value"),
    (of(until(EndKind.HEART_RATE, value=150)), 1, "neither above nor below"),
    (of(until(EndKind.TIME, value=1, compare="gt")), 1, "above or below"),
    (of(until(EndKind.HEART_RATE, zone=4, compare="gt")), 1, "by a zone"),
    (of(towards(kind=TargetKind.STROKE)), 1, "no stroke target"),
    (of(towards(kind=TargetKind.OTHER)), 1, "no such target"),
    (of(towards(kind=TargetKind.PACE)), 1, "neither a zone nor a range"),
    (of(towards(kind=TargetKind.PACE, low=3)), 1, "has one bound"),
    (of(towards(kind=TargetKind.PACE, low=4, high=3)), 1, "wrong way round"),
    (of(WorkoutStep(second_target=Target(kind=TargetKind.CSS_OFFSET, low=1, high=2))), 1, "no css offset target"),
    (of(WorkoutStep(intensity=Intensity.MAIN)), 1, "in swims alone"),
    (of(WorkoutStep(stroke=Stroke.DRILL), sport=Sport.SWIMMING), 1, "which: kick, pull or butterfly"),
    (of(STEP, RepeatStep(steps=(STEP,))), 2, "neither how often nor until when"),
    (of(RepeatStep(count=2, end=End(kind=EndKind.TIME, value=9), steps=(STEP,))), 1, "both how often and until when"),
    (of(RepeatStep(end=End(), steps=(STEP,))), 1, "cannot end a repeat by lap button"),
]


@pytest.mark.parametrize(
    ("record", "step", "words"), REFUSED, ids=lambda value: value if isinstance(value, str) else ""
)
def test_what_cannot_be_expressed_is_named_with_its_step(record: WorkoutRecord, step: int, words: str) -> None:
    assert [problem.step for problem in validator.unsupported(record) if words in problem.message] == [step]


def test_what_can_be_expressed_is_not_held_up() -> None:
    steps = (
        WorkoutStep(intensity=Intensity.WARMUP, end=End(kind=EndKind.TIME, value=600)),
        RepeatStep(count=3, steps=(RepeatStep(count=2, steps=(until(EndKind.DISTANCE, value=400),)),)),
        WorkoutStep(target=PACE, end=End(kind=EndKind.HEART_RATE, value=120, compare="lt")),
    )
    assert validator.unsupported(of(*steps, description="x" * 1024)) == []
    legs = tuple(Segment(sport=sport, steps=(STEP,) * 80) for sport in (Sport.SWIMMING, Sport.CYCLING, Sport.RUNNING))
    assert validator.unsupported(of(sport=Sport.MULTISPORT, segments=legs)) == []


@pytest.mark.parametrize("step", [until(EndKind.OTHER), towards(kind=TargetKind.OTHER)], ids=["end", "target"])
def test_what_is_refused_cannot_be_written_either(step: WorkoutStep) -> None:
    with pytest.raises(errors.UnsupportedError):
        translator.from_workout(of(step))


def test_a_watch_may_hold_less_and_shows_its_own_unit() -> None:
    assert validator.warnings(of(*[STEP] * 50)) == []
    [many] = validator.warnings(of(*[STEP] * 51))
    assert "51 steps" in many.message
    [unit] = validator.warnings(of(WorkoutStep(distance_unit="mile")))
    assert "unit" in unit.message


ACTIVITY: dict[str, Any] = {
    "external_id": "1", "sport": Sport.RUNNING, "started_at": datetime(2026, 3, 1, tzinfo=UTC), "duration_s": 1800,
}  # fmt: skip


@pytest.mark.parametrize(
    "odd",
    [
        {"started_at": datetime(1970, 1, 1, tzinfo=UTC)}, {"started_at": datetime(2101, 1, 1, tzinfo=UTC)},
        {"duration_s": 0}, {"duration_s": -1}, {"duration_s": 31 * 86_400}, {"distance_m": -1}, {"distance_m": 3e7},
        {"ascent_m": -1}, {"ascent_m": 3e5}, {"avg_hr": 0}, {"max_hr": 301},
    ],
    ids=str,
)  # fmt: skip
def test_an_activity_that_cannot_be_is_set_aside(odd: dict[str, Any]) -> None:
    fine = ActivityRecord(**ACTIVITY)
    assert validator.validate_activity(fine) is fine
    with pytest.raises(errors.DataError):
        validator.validate_activity(ActivityRecord(**ACTIVITY | odd))


@pytest.mark.parametrize(
    "odd",
    [
        of(STEP, name=" "), of(*[STEP] * 251), of(until(EndKind.TIME, value=-1)),
        of(towards(kind=TargetKind.PACE, low=4, high=3)),
    ],
    ids=["name", "steps", "end", "target"],
)  # fmt: skip
def test_a_workout_that_no_page_could_show_is_refused(odd: WorkoutRecord) -> None:
    with pytest.raises(errors.DataError):
        validator.validate_workout(odd)
