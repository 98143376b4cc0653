"""What is let in, and what is refused before it is sent."""

from datetime import UTC, datetime
from typing import Any

import pytest

from integrations import errors
from integrations.providers.garmin import validator
from integrations.records import (
    AccountRecord,
    ActivityRecord,
    End,
    EndKind,
    Intensity,
    Problem,
    RepeatStep,
    Segment,
    Sport,
    Step,
    Target,
    TargetKind,
    WorkoutRecord,
    WorkoutStep,
)

EASY = WorkoutStep(end=End(kind=EndKind.TIME, value=600))


def workout(*steps: Step, **fields: Any) -> WorkoutRecord:
    sport = fields.setdefault("sport", Sport.RUNNING)
    return WorkoutRecord(**({"name": "W", "segments": (Segment(sport=sport, steps=steps),)} | fields))


def ended(kind: EndKind, value: float | None = None, **fields: Any) -> WorkoutStep:
    return WorkoutStep(end=End(kind=kind, value=value, **fields))


def aimed(kind: TargetKind, **fields: Any) -> WorkoutStep:
    return WorkoutStep(target=Target(kind=kind, **fields))


def deep(levels: int) -> Step:
    step: Step = EASY
    for _ in range(levels):
        step = RepeatStep(count=1, steps=(step,))
    return step


GOOD = [
    EASY,
    WorkoutStep(),
    deep(3),
    RepeatStep(count=500, steps=(EASY,)),
    RepeatStep(count=None, end=End(kind=EndKind.TIME, value=600), steps=(EASY,)),
    ended(EndKind.HEART_RATE, zone=3, compare="gt"),
    ended(EndKind.OTHER),
    aimed(TargetKind.HEART_RATE, zone=10),
    aimed(TargetKind.POWER, low=0, high=250),
    aimed(TargetKind.PACE, low=4.1, high=4.1),
    aimed(TargetKind.GRADE, low=-12),
    aimed(TargetKind.CSS_OFFSET, low=-5, high=5),
    WorkoutStep(weight_kg=0),
]


@pytest.mark.parametrize("step", GOOD)
def test_sense_comes_back_as_it_is(step: Step) -> None:
    record = workout(step)
    assert validator.validate_workout(record) is record


BAD = [
    (deep(4), "repeat"),
    (RepeatStep(count=501, steps=(EASY,)), "repeat count"),
    (RepeatStep(count=10**9, steps=(EASY,)), "repeat count"),
    (RepeatStep(count=0, steps=(EASY,)), "repeat count"),
    (RepeatStep(count=None, steps=(EASY,)), "repeat count"),
    (RepeatStep(count=250, steps=(EASY, EASY, EASY)), "steps"),
    (RepeatStep(count=None, end=End(kind=EndKind.TIME), steps=(EASY,)), "time"),
    (ended(EndKind.TIME), "time"),
    (ended(EndKind.TIME, 0), "time"),
    (ended(EndKind.DISTANCE, -400), "distance"),
    (ended(EndKind.DISTANCE, 1e308), "distance"),
    (ended(EndKind.REPS, 1e6), "reps"),
    (ended(EndKind.HEART_RATE, zone=99), "end zone"),
    (aimed(TargetKind.HEART_RATE, zone=99), "target zone"),
    (aimed(TargetKind.HEART_RATE, zone=0), "target zone"),
    (aimed(TargetKind.PACE, low=0, high=4), "target pace"),
    (aimed(TargetKind.SPEED, low=1, high=1e308), "target speed"),
    (aimed(TargetKind.POWER, low=-1, high=4), "target power"),
    (aimed(TargetKind.POWER, low=300, high=200), "target"),
    (aimed(TargetKind.OTHER, low=1e9), "target other"),
    (WorkoutStep(second_target=Target(kind=TargetKind.CADENCE, low=999)), "second target cadence"),
    (WorkoutStep(weight_kg=-1), "weight"),
]


@pytest.mark.parametrize(("step", "field"), BAD)
def test_nonsense_is_refused_by_field(step: Step, field: str) -> None:
    with pytest.raises(errors.DataError) as caught:
        validator.validate_workout(workout(step))
    assert caught.value.code == "invalid"
    assert caught.value.context["field"] == field


def test_the_step_is_counted_as_it_is_written_down() -> None:
    steps = (EASY, RepeatStep(count=9, steps=(EASY, ended(EndKind.TIME, -1))))
    with pytest.raises(errors.DataError, match=r"^step 3: time is not above 0") as caught:
        validator.validate_workout(workout(*steps))
    assert caught.value.context == {"step": 3, "field": "time"}


def test_the_steps_of_all_legs_count_together() -> None:
    legs = tuple(Segment(sport=Sport.RUNNING, steps=(EASY,) * 251) for _ in range(2))
    with pytest.raises(errors.DataError, match="steps are 502, more than 500"):
        validator.validate_workout(workout(sport=Sport.MULTISPORT, segments=legs))


@pytest.mark.parametrize(
    "fields", [{"name": "  "}, {"name": "x" * 256}, {"duration_s": -1}, {"distance_m": 1e12}, {"pool_length": -25}]
)
def test_workouts_out_of_range_are_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(errors.DataError):
        validator.validate_workout(workout(EASY, **fields))


def test_not_a_number_never_becomes_a_record() -> None:
    with pytest.raises(ValueError, match="finite"):
        End(kind=EndKind.TIME, value=float("nan"))


def activity(**fields: Any) -> ActivityRecord:
    whole: dict[str, Any] = {
        "external_id": "1",
        "sport": Sport.RUNNING,
        "started_at": datetime(2026, 1, 1, tzinfo=UTC),
        "duration_s": 60,
    }
    return ActivityRecord(**(whole | fields))


def test_a_plausible_activity_passes() -> None:
    record = activity(distance_m=0, avg_hr=150)
    assert validator.validate_activity(record) is record


@pytest.mark.parametrize(
    "fields",
    [
        {"duration_s": -1},
        {"duration_s": 0},
        {"duration_s": 31 * 86400},
        {"started_at": datetime(1, 1, 1, tzinfo=UTC)},
        {"started_at": datetime(9999, 1, 1, tzinfo=UTC)},
        {"distance_m": -1},
        {"avg_hr": -3},
        {"max_hr": 900},
    ],
)
def test_implausible_activities_are_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(errors.DataError):
        validator.validate_activity(activity(**fields))


def test_an_account_needs_an_id() -> None:
    with pytest.raises(errors.DataError):
        validator.validate_account(AccountRecord(external_id=""))


def test_what_garmin_can_express_has_no_problem() -> None:
    assert validator.unsupported(workout(EASY, RepeatStep(count=2, steps=(EASY,)))) == []


def test_problems_name_their_step() -> None:
    record = workout(
        RepeatStep(count=2, steps=(EASY, aimed(TargetKind.HEART_RATE, zone=6))),
        WorkoutStep(intensity=Intensity.REST, end=End(kind=EndKind.OTHER)),
        WorkoutStep(second_target=Target(kind=TargetKind.OTHER)),
        RepeatStep(count=None, steps=(EASY, EASY)),
    )
    assert validator.unsupported(record) == [
        Problem(step=2, message="The interval step asks for heart-rate zone 6; Garmin's heart-rate zones end at 5."),
        Problem(step=3, message="Garmin has no such end for the rest step."),
        Problem(step=4, message="Garmin has no such target for the interval step."),
        Problem(step=5, message="The repeat says neither how often nor until when."),
    ]


def test_what_came_from_garmin_can_go_back() -> None:
    kept = {"endCondition": {"conditionTypeId": 77}, "targetType": {"workoutTargetTypeId": 66}}
    step = WorkoutStep(end=End(kind=EndKind.OTHER), target=Target(kind=TargetKind.OTHER), extras={"garmin": kept})
    assert validator.unsupported(workout(step)) == []
    assert len(validator.unsupported(workout(step.model_copy(update={"extras": {"elsewhere": kept}})))) == 2


@pytest.mark.parametrize(
    ("record", "message"),
    [
        (workout(EASY, sport=Sport.WALKING), "Garmin has no walking workouts."),
        (workout(EASY, sport=Sport.ROWING), "Garmin has no rowing workouts."),
        (workout(EASY, name=" "), "The workout has no name."),
        (workout(EASY, name="x" * 300), "The name is longer than 255 letters."),
        (workout(), "The workout has no steps."),
        (workout(RepeatStep(count=2)), "The workout has no steps."),
        (
            workout(sport=Sport.MULTISPORT, segments=(Segment(sport=Sport.CYCLING, steps=(EASY,)),) * 26),
            "It has 26 legs; Garmin takes 25.",
        ),
        (
            workout(sport=Sport.MULTISPORT, segments=(Segment(sport=Sport.HIKING, steps=(EASY,)),)),
            "Garmin has no hiking workouts.",
        ),
    ],
)
def test_problems_of_the_whole(record: WorkoutRecord, message: str) -> None:
    assert validator.unsupported(record) == [Problem(step=0, message=message)]


def test_many_steps_are_a_warning_and_no_refusal() -> None:
    record = workout(*(EASY,) * 51)
    assert validator.unsupported(record) == []
    assert [problem.message for problem in validator.warnings(record)] == [
        "It has 51 steps; many watches hold only 50."
    ]
    assert validator.warnings(workout(*(EASY,) * 50)) == []
