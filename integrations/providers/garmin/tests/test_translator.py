"""Workouts: what Garmin sends is understood, kept and sent back unchanged."""

import json
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from integrations import errors
from integrations.providers.garmin.tests.samples import only_step, workout
from integrations.providers.garmin.translator import from_workout, to_workout
from integrations.records import (
    End,
    EndKind,
    Equipment,
    Intensity,
    RepeatStep,
    Segment,
    Sport,
    Stroke,
    Target,
    TargetKind,
    WorkoutRecord,
    WorkoutStep,
)
from tests.strategies import NO_WORKOUTS, workouts

FIXTURES = Path(__file__).parent / "fixtures"
WITH_WORKOUTS = [sport for sport in Sport if sport not in NO_WORKOUTS]


@pytest.fixture
def run() -> dict[str, Any]:
    return dict(json.loads((FIXTURES / "run_of_server.json").read_text()))


def written_step(step: WorkoutStep, sport: Sport = Sport.RUNNING) -> dict[str, Any]:
    raw = from_workout(WorkoutRecord(name="W", sport=sport, segments=(Segment(sport=sport, steps=(step,)),)))
    return dict(raw["workoutSegments"][0]["workoutSteps"][0])


def walk(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield value
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            yield from walk(item)


def test_a_workout_of_the_server_is_understood_in_full(run: dict[str, Any]) -> None:
    record = to_workout(run)
    repeat = RepeatStep(
        count=6,
        skip_last_rest=True,
        steps=(
            WorkoutStep(
                end=End(kind=EndKind.DISTANCE, value=400),
                target=Target(kind=TargetKind.PACE, low=4.17, high=4.35),
                second_target=Target(kind=TargetKind.CADENCE, low=176, high=184),
                distance_unit="meter",
            ),
            WorkoutStep(intensity=Intensity.REST, end=End(kind=EndKind.TIME, value=90)),
        ),
    )
    assert record == WorkoutRecord(
        external_id="71000000001",
        version="2026-10-02T06:30:15.000000",
        name="Threshold 6 x 400",
        description="Keep the rests honest",
        sport=Sport.RUNNING,
        duration_s=2310,
        distance_m=6300.5,
        segments=(
            Segment(
                sport=Sport.RUNNING,
                steps=(
                    WorkoutStep(
                        intensity=Intensity.WARMUP,
                        end=End(kind=EndKind.TIME, value=600),
                        target=Target(kind=TargetKind.HEART_RATE, zone=2),
                        notes="Easy, then four strides",
                    ),
                    repeat,
                    WorkoutStep(intensity=Intensity.COOLDOWN, end=End(kind=EndKind.LAP_BUTTON)),
                ),
            ),
        ),
        extras={"garmin": {"isWheelchair": False}},
    )


def test_what_is_written_has_the_counters_and_no_mark_of_its_owner(run: dict[str, Any]) -> None:
    raw = from_workout(to_workout(run))
    steps = [item for item in walk(raw) if "stepOrder" in item]
    assert [(item["stepOrder"], item.get("childStepId")) for item in steps] == [
        (1, None),
        (2, 1),
        (3, 1),
        (4, 1),
        (5, None),
    ]
    group = steps[1]
    assert group["type"] == "RepeatGroupDTO"
    assert group["endConditionValue"] == group["numberOfIterations"] == 6
    assert group["stepType"] == {"stepTypeId": 6, "stepTypeKey": "repeat", "displayOrder": 6}
    assert (group["smartRepeat"], group["skipLastRestStep"]) == (False, True)
    assert steps[2]["targetValueOne"] == 4.17 < steps[2]["targetValueTwo"]
    assert raw["sportType"] == {"sportTypeId": 1, "sportTypeKey": "running", "displayOrder": 1}
    keys = {key for item in walk(raw) for key in item}
    assert not keys & {"workoutId", "ownerId", "author", "stepId", "createdDate", "updatedDate", "shared"}
    assert not [item for item in walk(raw) if None in item.values()]


def test_groups_in_groups_have_numbers_of_their_own() -> None:
    inner = RepeatStep(count=2, steps=(WorkoutStep(),))
    outer = RepeatStep(count=3, steps=(inner, WorkoutStep()))
    legs = tuple(Segment(sport=sport, steps=(outer,)) for sport in (Sport.CYCLING, Sport.RUNNING))
    raw = from_workout(WorkoutRecord(name="Brick", sport=Sport.MULTISPORT, segments=legs))
    counters = [(item["stepOrder"], item["childStepId"]) for item in walk(raw) if "stepOrder" in item]
    assert counters == [(1, 1), (2, 2), (3, 2), (4, 1), (5, 3), (6, 4), (7, 4), (8, 3)]
    assert [segment["segmentOrder"] for segment in raw["workoutSegments"]] == [1, 2]


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(st.data())
@pytest.mark.parametrize("sport", WITH_WORKOUTS)
def test_what_was_written_reads_the_same(sport: Sport, data: st.DataObject) -> None:
    record = data.draw(workouts(sport))
    raw = json.loads(json.dumps(from_workout(record), allow_nan=False))
    assert to_workout(raw) == record


def test_reading_writing_reading_loses_nothing(run: dict[str, Any]) -> None:
    first = to_workout(run)
    second = to_workout(from_workout(first))
    assert second == first.model_copy(update={"external_id": "", "version": ""})
    assert second.content_hash() == first.content_hash()


def test_what_is_unknown_is_kept_at_its_level_and_written_back() -> None:
    step = {
        "stepType": {"stepTypeId": 3},
        "endCondition": {"conditionTypeId": 77, "conditionTypeKey": "blink.count"},
        "endConditionValue": 12.0,
        "targetType": {"workoutTargetTypeId": 66, "workoutTargetTypeKey": "joy"},
        "targetValueOne": 9.0,
        "targetValueTwo": 3.0,
        "strokeType": {"strokeTypeId": 40, "strokeTypeKey": "moonwalk"},
        "providerExerciseSourceId": "abc",
        "stepId": 5,
    }
    raw = workout(step, sportType={"sportTypeId": 31, "sportTypeKey": "curling"}, subSportType="STONE", ownerId=9)
    raw["workoutSegments"][0]["novel"] = {"deep": [1, {"er": None}]}
    record = to_workout(raw)
    single = next(record.flat_steps())
    assert (record.sport, single.end, single.target) == (
        Sport.OTHER,
        End(kind=EndKind.OTHER),
        Target(kind=TargetKind.OTHER),
    )
    assert record.extras == {"garmin": {"sportType": raw["sportType"], "subSportType": "STONE"}}
    assert record.segments[0].extras == {"garmin": {"novel": {"deep": [1, {"er": None}]}}}
    written = from_workout(record)
    assert written["sportType"] == raw["sportType"]
    back = written["workoutSegments"][0]["workoutSteps"][0]
    kept = step.keys() - {"stepType", "stepId"}
    assert {key: back[key] for key in kept} == {key: step[key] for key in kept}
    assert to_workout(written) == record


@pytest.mark.parametrize(
    "kind",
    [
        WorkoutStep(end=End(kind=EndKind.OTHER)),
        WorkoutStep(target=Target(kind=TargetKind.OTHER)),
        WorkoutStep(second_target=Target(kind=TargetKind.OTHER)),
    ],
)
def test_a_kind_without_a_word_at_garmin_is_never_dropped_in_silence(kind: WorkoutStep) -> None:
    with pytest.raises(errors.UnsupportedError):
        written_step(kind)


def test_extras_cannot_claim_what_the_server_sets() -> None:
    record = WorkoutRecord(name="W", sport=Sport.RUNNING, extras={"garmin": {"workoutId": 1, "ownerId": 2, "fine": 3}})
    raw = from_workout(record)
    assert "workoutId" not in raw
    assert "ownerId" not in raw
    assert raw["fine"] == 3


def test_another_providers_extras_are_not_sent() -> None:
    assert "x" not in from_workout(WorkoutRecord(name="W", sport=Sport.RUNNING, extras={"elsewhere": {"x": 1}}))


def test_as_many_rounds_as_possible_ends_by_time() -> None:
    group: dict[str, Any] = {
        "type": "RepeatGroupDTO",
        "numberOfIterations": None,
        "endCondition": {"conditionTypeId": 2},
        "endConditionValue": 600,
        "workoutSteps": [],
    }
    record = to_workout(workout(group))
    assert record.segments[0].steps == (RepeatStep(count=None, end=End(kind=EndKind.TIME, value=600)),)
    back = from_workout(record)["workoutSegments"][0]["workoutSteps"][0]
    assert back["endCondition"]["conditionTypeKey"] == "time"
    assert "numberOfIterations" not in back


def test_the_rounds_of_a_repeat_are_found_in_either_place() -> None:
    steps: list[dict[str, Any]] = [{"endCondition": {"conditionTypeId": 1}}]
    for group in (
        {"numberOfIterations": "4", "workoutSteps": steps},
        {"endCondition": {"conditionTypeId": 7}, "endConditionValue": 4.0, "workoutSteps": steps},
    ):
        repeat = to_workout(workout(group)).segments[0].steps[0]
        assert isinstance(repeat, RepeatStep)
        assert (repeat.count, repeat.end) == (4, End(kind=EndKind.ITERATIONS))


def test_a_smart_repeat_stays_one() -> None:
    group: dict[str, Any] = {"numberOfIterations": 2, "smartRepeat": True, "workoutSteps": []}
    written = from_workout(to_workout(workout(group)))["workoutSegments"][0]["workoutSteps"][0]
    assert written["smartRepeat"] is True


def test_the_number_decides_and_the_word_serves_where_none_stands() -> None:
    by_number = only_step(stepType={"stepTypeId": 5, "stepTypeKey": "interval"})
    by_word = only_step(stepType={"stepTypeKey": "cooldown"}, targetType={"workoutTargetTypeKey": "cadence.zone"})
    assert by_number.intensity == Intensity.REST
    assert (by_word.intensity, by_word.target.kind) == (Intensity.COOLDOWN, TargetKind.CADENCE)


def test_numbers_as_text_and_absent_targets() -> None:
    step = only_step(targetType={"workoutTargetTypeId": "4"}, zoneNumber="3")
    assert step.target == Target(kind=TargetKind.HEART_RATE, zone=3)
    assert only_step().target == only_step(targetType=None).target == Target()


def test_values_beside_no_target_are_kept_unless_zero() -> None:
    step = only_step(targetType={"workoutTargetTypeId": 1}, targetValueOne=0.0, zoneNumber=4)
    assert step.target == Target()
    assert step.extras == {"garmin": {"zoneNumber": 4}}


def test_ends_by_pulse_zone_and_side() -> None:
    step = only_step(endCondition={"conditionTypeId": 6}, endConditionZone=2, endConditionCompare="lt")
    assert step.end == End(kind=EndKind.HEART_RATE, compare="lt", zone=2)
    back = written_step(step)
    assert (back["endConditionZone"], back["endConditionCompare"]) == (2, "lt")


@pytest.mark.parametrize(
    ("weight", "unit", "weight_kg"),
    [
        (60000.0, {"unitId": 8, "unitKey": "kilogram", "factor": 1000.0}, 60),
        (24947.58, {"unitId": 9, "unitKey": "pound", "factor": 453.59237}, 24.94758),
        (-1.0, {"unitId": 8, "unitKey": "kilogram", "factor": 1000.0}, None),
        (55.0, {"unitKey": "kilogram"}, 55),
        (100.0, {"unitKey": "pound"}, 45.359237),
        (17.5, None, 17.5),
        (None, {"unitId": 8, "unitKey": "kilogram", "factor": 1000.0}, None),
    ],
)
def test_weights_are_kilograms_here_and_grams_at_garmin(weight: Any, unit: Any, weight_kg: float | None) -> None:
    step = only_step(weightValue=weight, weightUnit=unit)
    assert step.weight_kg == weight_kg
    if weight_kg is not None:
        assert written_step(step)["weightValue"] == pytest.approx(weight_kg * 1000)
        assert written_step(step)["weightUnit"]["unitId"] in (8, 9)


def test_a_swim_names_pool_stroke_and_equipment_everywhere() -> None:
    raw = workout(
        {"strokeType": {"strokeTypeId": 6}, "equipmentType": {"equipmentTypeId": 3}},
        {"stepType": {"stepTypeId": 5}, "endCondition": {"conditionTypeId": 8}, "endConditionValue": 15},
        sportType={"sportTypeId": 4},
        poolLength="25",
        poolLengthUnit={"unitId": 230, "unitKey": "yard", "factor": 91.44},
    )
    record = to_workout(raw)
    first, rest = record.flat_steps()
    assert (first.stroke, first.equipment) == (Stroke.FREESTYLE, Equipment.PADDLES)
    assert (rest.stroke, rest.equipment, rest.end.kind) == (None, None, EndKind.FIXED_REST)
    assert (record.segments[0].pool_length, record.segments[0].pool_unit) == (25, "yard")
    segment = from_workout(record)["workoutSegments"][0]
    assert (segment["poolLength"], segment["poolLengthUnit"]["unitKey"]) == (25, "yard")
    assert segment["sportType"] == {"sportTypeId": 4, "sportTypeKey": "swimming", "displayOrder": 3}
    assert segment["workoutSteps"][1]["strokeType"] == {"strokeTypeId": 0, "displayOrder": 0}


def test_what_is_read_is_left_alone(run: dict[str, Any]) -> None:
    before = deepcopy(run)
    to_workout(run)
    assert run == before
