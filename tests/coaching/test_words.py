"""What a coach and an athlete read about a workout."""

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from coaching import measures, words
from coaching.words import Line, also_set, in_one_line, step_in_words, steps_in_words
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
from tests.strategies import workouts

RUN = Segment(sport=Sport.RUNNING)
RIDE = Segment(sport=Sport.CYCLING)
SWIM = Segment(sport=Sport.SWIMMING, pool_length=25, pool_unit="meter")
YARDS = Segment(sport=Sport.SWIMMING, pool_length=25, pool_unit="yard")
GYM = Segment(sport=Sport.STRENGTH)


def step(kind: EndKind = EndKind.LAP_BUTTON, value: float | None = None, **fields: Any) -> WorkoutStep:
    return WorkoutStep(end=End(kind=kind, value=value), **fields)


def target(kind: TargetKind, low: float | None = None, high: float | None = None, zone: int | None = None) -> Target:
    return Target(kind=kind, low=low, high=high, zone=zone)


def workout(*steps: Step, segment: Segment = RUN, **fields: Any) -> WorkoutRecord:
    whole = {"name": "W", "sport": segment.sport, "segments": (segment.model_copy(update={"steps": steps}),)}
    return WorkoutRecord(**(whole | fields))


PACE = target(TargetKind.PACE, 1000 / 240, 1000 / 230)
FOUR_HUNDRED = step(EndKind.DISTANCE, 400, target=PACE)
REST = step(EndKind.TIME, 90, intensity=Intensity.REST)


@pytest.mark.parametrize(
    ("single", "segment", "metric", "imperial"),
    [
        (FOUR_HUNDRED, RUN, "400 m at 3:50–4:00 /km", "400 m at 6:10–6:26 /mi"),
        (step(EndKind.DISTANCE, 5000), RUN, "5 km", "3.11 mi"),
        (step(EndKind.DISTANCE, 1609.344), RUN, "1.61 km", "1 mi"),
        (step(EndKind.DISTANCE, 50), RIDE, "50 m", "55 yd"),
        (step(EndKind.DISTANCE, 1500), SWIM, "1500 m", "1500 m"),
        (step(EndKind.DISTANCE, 45.72), YARDS, "50 yd", "50 yd"),
        (step(EndKind.DISTANCE, 91.44), Segment(sport=Sport.SWIMMING), "91 m", "100 yd"),
        (REST, RUN, "90 s rest", "90 s rest"),
        (step(EndKind.TIME, 240, intensity=Intensity.RECOVERY), RUN, "4 min recovery", "4 min recovery"),
        (step(intensity=Intensity.COOLDOWN), RUN, "Cool down until you press lap", "Cool down until you press lap"),
        (
            step(EndKind.DISTANCE, 20000, target=target(TargetKind.SPEED, 8, 9)),
            RIDE,
            "20 km at 28.8–32.4 km/h",
            "12.43 mi at 17.9–20.1 mph",
        ),
        (
            step(EndKind.DISTANCE, 100, target=target(TargetKind.PACE, 1, 1.25)),
            SWIM,
            "100 m at 1:20–1:40 /100 m",
            "100 m at 1:20–1:40 /100 m",
        ),
        (
            step(EndKind.DISTANCE, 91.44, target=target(TargetKind.PACE, 0.9144)),
            YARDS,
            "100 yd at 1:40 /100 yd or faster",
            "100 yd at 1:40 /100 yd or faster",
        ),
        (
            step(EndKind.REPS, 10, exercise_category="BENCH_PRESS", exercise="BARBELL_BENCH_PRESS", weight_kg=60),
            GYM,
            "Barbell bench press, 10 reps, 60 kg",
            "Barbell bench press, 10 reps, 132 lb",
        ),
    ],
)
def test_units_are_the_readers(single: WorkoutStep, segment: Segment, metric: str, imperial: str) -> None:
    assert step_in_words(single, segment, "metric") == metric
    assert step_in_words(single, segment, "imperial") == imperial


@pytest.mark.parametrize(
    ("single", "segment", "text"),
    [
        (step(EndKind.TIME, 480, target=target(TargetKind.POWER, 240, 260)), RIDE, "8 min at 240–260 W"),
        (step(EndKind.TIME, 480, target=target(TargetKind.POWER, 250, 250)), RIDE, "8 min at 250 W"),
        (step(EndKind.TIME, 480, target=target(TargetKind.POWER, 240)), RIDE, "8 min at 240 W or more"),
        (step(EndKind.TIME, 480, target=target(TargetKind.HEART_RATE, None, 150)), RUN, "8 min at up to 150 bpm"),
        (step(EndKind.TIME, 480, target=target(TargetKind.HEART_RATE, zone=2)), RUN, "8 min in heart-rate zone 2"),
        (step(EndKind.TIME, 480, target=target(TargetKind.PACE, None, 4)), RUN, "8 min at 4:10 /km or slower"),
        (step(EndKind.TIME, 480, target=target(TargetKind.PACE, 0, 4)), RUN, "8 min at 4:10 /km or slower"),
        (step(EndKind.TIME, 480, target=target(TargetKind.PACE, 0, 0)), RUN, "8 min at any pace"),
        (step(EndKind.TIME, 60, target=target(TargetKind.CADENCE, 176, 184)), RUN, "60 s at 176–184 steps/min"),
        (step(EndKind.TIME, 60, target=target(TargetKind.CADENCE, 85, 95)), RIDE, "60 s at 85–95 rpm"),
        (step(EndKind.TIME, 60, target=target(TargetKind.GRADE, 4, 6)), RUN, "60 s at a grade of 4–6 %"),
        (step(EndKind.TIME, 60, target=target(TargetKind.RESISTANCE)), RIDE, "60 s with a resistance target"),
        (step(EndKind.TIME, 60, target=target(TargetKind.OTHER)), RUN, "60 s with a target of its author's own"),
        (step(EndKind.CALORIES, 100), RIDE, "100 kcal"),
        (step(EndKind.SEND_OFF, 105, intensity=Intensity.REST), SWIM, "Rest until 1:45 after the last start"),
        (step(EndKind.FIXED_REST, 15, intensity=Intensity.REST), SWIM, "15 s rest"),
        (step(EndKind.VELOCITY_LOSS, 20, exercise="SQUAT"), GYM, "Squat, until you are 20 % slower"),
        (step(EndKind.REPS, 1, exercise_category="PULL_UP"), GYM, "Pull up, 1 rep"),
        (step(EndKind.OTHER), RUN, "Until the end that its author set"),
        (
            step(EndKind.DISTANCE, 50, stroke=Stroke.FREESTYLE, equipment=Equipment.PADDLES),
            SWIM,
            "50 m freestyle with paddles",
        ),
        (
            step(EndKind.DISTANCE, 50, stroke=Stroke.MEDLEY, equipment=Equipment.PULL_BUOY),
            SWIM,
            "50 m individual medley with a pull buoy",
        ),
        (
            WorkoutStep(end=End(kind=EndKind.HEART_RATE, value=150, compare="gt")),
            RUN,
            "Until your heart rate is above 150 bpm",
        ),
        (
            WorkoutStep(end=End(kind=EndKind.POWER, zone=2, compare="lt"), intensity=Intensity.RECOVERY),
            RIDE,
            "Recovery until your power is below zone 2",
        ),
        (step(target=target(TargetKind.POWER, 200, 220)), RIDE, "Until you press lap, at 200–220 W"),
        (step(EndKind.TIME, 30, weight_kg=20), GYM, "30 s, 20 kg"),
    ],
)
def test_ends_and_targets_in_words(single: WorkoutStep, segment: Segment, text: str) -> None:
    assert step_in_words(single, segment, "metric") == text


def test_work_and_rest_read_as_coaches_write_them() -> None:
    record = workout(
        step(EndKind.TIME, 600, intensity=Intensity.WARMUP, target=target(TargetKind.HEART_RATE, zone=2)),
        RepeatStep(count=6, steps=(FOUR_HUNDRED, REST), skip_last_rest=True, notes="Even splits"),
        step(intensity=Intensity.COOLDOWN),
    )
    assert steps_in_words(record, "metric") == [
        Line("Warm up 10 min in heart-rate zone 2", kind="warmup"),
        Line(
            "6 × 400 m at 3:50–4:00 /km",
            note="Even splits\nThe last rest is left out.",
            steps=(Line("then 90 s rest", kind="rest"),),
            kind="repeat",
        ),
        Line("Cool down until you press lap", kind="cooldown"),
    ]
    assert in_one_line(record, "metric") == (
        "Warm up 10 min in heart-rate zone 2; 6 × 400 m at 3:50–4:00 /km, then 90 s rest; cool down until you press lap"
    )


def test_other_groups_list_their_steps() -> None:
    group = RepeatStep(count=3, steps=(FOUR_HUNDRED, REST, FOUR_HUNDRED))
    (line,) = steps_in_words(workout(RepeatStep(count=2, steps=(group, REST))), "metric")
    assert line.text == "Twice"
    assert [each.text for each in line.steps] == ["3 times", "90 s rest"]
    assert [each.text for each in line.steps[0].steps] == [
        "400 m at 3:50–4:00 /km",
        "90 s rest",
        "400 m at 3:50–4:00 /km",
    ]


def test_a_group_that_begins_with_a_rest_is_not_read_as_work() -> None:
    (line,) = steps_in_words(workout(RepeatStep(count=4, steps=(REST, FOUR_HUNDRED))), "metric")
    assert (line.text, len(line.steps)) == ("4 times", 2)


@pytest.mark.parametrize(("count", "text"), [(1, "400 m at 3:50–4:00 /km"), (5, "5 × 400 m at 3:50–4:00 /km")])
def test_a_group_of_one_is_one_line(count: int, text: str) -> None:
    (line,) = steps_in_words(workout(RepeatStep(count=count, steps=(FOUR_HUNDRED,))), "metric")
    assert (line.text, line.steps) == (text, ())


def test_a_group_of_nothing_does_not_fall_over() -> None:
    assert [line.text for line in steps_in_words(workout(RepeatStep(count=3)), "metric")] == ["3 times"]


def test_as_many_rounds_as_possible() -> None:
    group = RepeatStep(
        count=None, end=End(kind=EndKind.TIME, value=600), steps=(step(EndKind.REPS, 5, exercise="BURPEE"),)
    )
    (line,) = steps_in_words(workout(group, segment=GYM), "metric")
    assert line.text == "As many rounds as possible, 10 min"
    assert [each.text for each in line.steps] == ["Burpee, 5 reps"]


def test_a_second_target_is_told_beside_the_first() -> None:
    second = target(TargetKind.CADENCE, 85, 95)
    single = step(EndKind.TIME, 480, target=target(TargetKind.POWER, 240, 260), second_target=second)
    (line,) = steps_in_words(workout(single, segment=RIDE), "metric")
    assert (line.text, line.detail) == ("8 min at 240–260 W", "and at 85–95 rpm")
    (group,) = steps_in_words(workout(RepeatStep(count=3, steps=(single, REST)), segment=RIDE), "metric")
    assert group.note == "and at 85–95 rpm"


def test_legs_and_pools_have_a_heading() -> None:
    record = workout(sport=Sport.MULTISPORT).model_copy(
        update={"segments": (SWIM.model_copy(update={"steps": (FOUR_HUNDRED,)}), RIDE, RUN)}
    )
    assert [line.text for line in steps_in_words(record, "imperial")] == ["Swimming, 25 m pool", "Cycling", "Running"]
    (only,) = steps_in_words(workout(FOUR_HUNDRED, segment=YARDS), "metric")
    assert only.text == "Swimming, 25 yd pool"


def test_notes_and_what_is_only_kept_are_shown() -> None:
    kept = {
        "relativeWeight": "BODY_WEIGHT",
        "endCondition": {"conditionTypeId": 77, "conditionTypeKey": "blink.count"},
        "endConditionValue": 12.0,
        "isWheelchair": False,
        "withMusic": True,
        "providerExerciseSourceId": "BBt7",
        "empty": [],
    }
    single = step(EndKind.TIME, 60, notes="Stay tall", extras={"garmin": kept})
    (line,) = steps_in_words(workout(single), "metric")
    assert line.note == (
        "Stay tall\nAlso set at Garmin: relative weight body weight; end condition blink count; "
        "end condition value 12; with music."
    )


def test_what_is_kept_of_the_whole_is_cut_to_be_readable() -> None:
    kept: dict[str, Any] = {f"field{letter}": letter for letter in "abcdefgh"}
    record = workout(FOUR_HUNDRED, extras={"garmin": {"story": "x" * 500, **kept}})
    text = also_set(record)
    assert text.startswith("Also set at Garmin: story xxx")
    assert text.endswith("; and 3 more.")
    assert len(text) < 250
    assert also_set(workout(FOUR_HUNDRED)) == ""


@pytest.mark.parametrize(
    ("seconds", "step_text", "total"),
    [
        (0.4, "0.4 s", "0 s"),
        (45, "45 s", "45 s"),
        (90, "90 s", "2 min"),
        (119.7, "2 min", "2 min"),
        (150, "2:30 min", "2 min"),
        (2310, "38:30 min", "38 min"),
        (3599.6, "1:00:00 h", "1 h"),
        (5430, "1:30:30 h", "1 h 30 min"),
        (7200, "2:00:00 h", "2 h"),
    ],
)
def test_times(seconds: float, step_text: str, total: str) -> None:
    assert measures.step_time(seconds) == step_text
    assert measures.total_time(seconds) == total


@pytest.mark.parametrize(
    ("sport", "text"), [("running", "Running"), ("hiit", "HIIT"), ("multisport", "Multisport"), ("luge", "luge")]
)
def test_sports(sport: str, text: str) -> None:
    assert words.sport_in_words(sport) == text


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(st.sampled_from([Sport.RUNNING, Sport.SWIMMING, Sport.STRENGTH, Sport.MULTISPORT]).flatmap(workouts))
def test_every_workout_has_words(record: WorkoutRecord) -> None:
    def check(line: Line) -> None:
        assert line.text
        assert "None" not in line.text
        assert "  " not in line.text
        for inner in line.steps:
            check(inner)

    for units in ("metric", "imperial"):
        for line in steps_in_words(record, units):
            check(line)
        assert in_one_line(record, units) == in_one_line(record, units).strip()
