"""Workouts there and back, and what a summary becomes."""

import json
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from integrations import errors
from integrations.providers.garmin_partner import translator, validator
from integrations.providers.garmin_partner.translator import vocabulary as garmin
from integrations.records import (
    MARKER,
    AccountRecord,
    End,
    EndKind,
    Equipment,
    Intensity,
    RepeatStep,
    ScheduleRecord,
    Segment,
    Sport,
    Step,
    Stroke,
    Target,
    TargetKind,
    WorkoutRecord,
    WorkoutStep,
)
from tests.strategies import NO_WORKOUTS, lines, notes, workouts

FIXTURES = Path(__file__).parent / "fixtures"
WORKOUT: dict[str, Any] = json.loads((FIXTURES / "workout.json").read_text(encoding="utf-8"))
SUMMARY: dict[str, Any] = json.loads((FIXTURES / "summary.json").read_text(encoding="utf-8"))
VALUES = st.floats(1, 5000).map(lambda value: round(value, 3))


def summary(**changes: Any) -> dict[str, Any]:
    return SUMMARY | changes


def of(*steps: Step, sport: Sport = Sport.RUNNING, **fields: Any) -> WorkoutRecord:
    return WorkoutRecord(name="W", sport=sport, segments=(Segment(sport=sport, steps=steps),), **fields)


def written(*steps: Step, sport: Sport = Sport.RUNNING) -> dict[str, Any]:
    raw: dict[str, Any] = translator.from_workout(of(*steps, sport=sport))["segments"][0]["steps"][0]
    return raw


def _with_marks(item: dict[str, Any]) -> dict[str, Any]:
    """What only another provider knows: its own words, the unit a number was typed in."""
    if "extras" in item:
        item["extras"] = item["extras"] | {"garmin": {"isWheelchair": False}}
    if item.get("unit") == "":
        item["unit"] = "kilometer"
    if "distance_unit" in item:
        item["distance_unit"] = "mile"
    return item


ends = st.sampled_from(sorted(garmin.ENDS)).flatmap(
    lambda key: st.just(End()) if key[0] == EndKind.LAP_BUTTON else st.builds(
        End, kind=st.just(key[0]), compare=st.just(key[1]), value=VALUES
    )
)  # fmt: skip
until = st.sampled_from(sorted(garmin.REPEATS)).flatmap(
    lambda key: st.builds(End, kind=st.just(key[0]), compare=st.just(key[1]), value=VALUES)
)


@st.composite
def targets(draw: st.DrawFn) -> Target:
    kind = draw(st.sampled_from(sorted(garmin.TARGETS)))
    if kind == TargetKind.NONE:
        return Target()
    low, high = sorted((draw(VALUES), draw(VALUES)))
    zone = draw(st.none() | st.integers(1, 5))
    unit = draw(st.sampled_from(["", garmin.PERCENT]))
    return Target(kind=kind, zone=zone, unit=unit) if zone else Target(kind=kind, low=low, high=high, unit=unit)


def steps(sport: Sport) -> st.SearchStrategy[Step]:
    single = st.builds(
        WorkoutStep,
        intensity=st.sampled_from([each for each in Intensity if each != Intensity.MAIN or sport == Sport.SWIMMING]),
        end=ends,
        target=targets(),
        second_target=targets(),
        stroke=st.none() | st.sampled_from(sorted(garmin.STROKES)),
        equipment=st.none() | st.sampled_from(Equipment),
        exercise_category=st.sampled_from(["", "SQUAT"]),
        exercise=st.sampled_from(["", "BARBELL_BACK_SQUAT"]),
        weight_kg=st.none() | st.sampled_from([0.0, 20.0, 62.5]),
        notes=notes,
        extras=st.sampled_from([{}, {"garmin_partner": {"drillType": "KICK"}}]),
    )
    counted = st.builds(RepeatStep, count=st.integers(1, 50), steps=st.lists(single, min_size=1, max_size=3).map(tuple))
    ended = st.builds(RepeatStep, end=until, steps=st.tuples(single), skip_last_rest=st.booleans(), notes=notes)
    return single | counted | ended


@st.composite
def expressible(draw: st.DrawFn) -> WorkoutRecord:
    sport = draw(st.sampled_from(sorted(garmin.SPORTS)))
    legs = [sport] if sport != Sport.MULTISPORT else [Sport.SWIMMING, Sport.CYCLING, Sport.RUNNING]
    pool: dict[str, Any] = draw(st.sampled_from([{}, {"pool_length": 25.0, "pool_unit": "yard"}]))
    segments = tuple(
        Segment(
            sport=leg,
            steps=tuple(draw(st.lists(steps(leg), min_size=1, max_size=4))),
            **(pool if leg == Sport.SWIMMING else {}),
        )
        for leg in legs
    )
    return WorkoutRecord(
        name=draw(lines.filter(bool)), sport=sport, segments=segments, description=draw(notes), **pool
    )  # fmt: skip


@given(expressible())
def test_whatever_can_be_expressed_comes_back_as_it_was(record: WorkoutRecord) -> None:
    assert validator.unsupported(record) == []
    raw = json.loads(json.dumps(translator.from_workout(record)))
    again = validator.validate_workout(translator.to_workout(raw))
    assert again == record


@given(expressible())
def test_estimates_units_and_other_providers_marks_stay_behind_and_nothing_else(record: WorkoutRecord) -> None:
    marked = json.loads(record.model_dump_json(), object_hook=_with_marks)
    foreign = WorkoutRecord.model_validate(marked | {"duration_s": 3600, "distance_m": 9000})
    assert foreign != record
    assert validator.unsupported(foreign) == []
    assert translator.to_workout(translator.from_workout(foreign)) == record


@given(st.sampled_from([sport for sport in Sport if sport not in NO_WORKOUTS]).flatmap(workouts))
def test_what_cannot_be_sent_is_refused_in_words(record: WorkoutRecord) -> None:
    for problem in validator.unsupported(record):
        assert problem.message.endswith(".")
        assert problem.message[0].isupper()
        assert 0 <= problem.step <= len(list(record.flat_steps()))


def test_a_workout_of_the_server_is_understood_in_full() -> None:
    record = translator.to_workout(WORKOUT)
    assert (record.external_id, record.version) == ("1500000777", "2026-11-03T07:00:00.000000")
    assert (record.name, record.description, record.sport, record.extras) == (
        "6 x 400",
        "Even splits",
        Sport.RUNNING,
        {},
    )
    [segment] = record.segments
    assert segment.steps == (
        WorkoutStep(
            intensity=Intensity.WARMUP,
            end=End(kind=EndKind.TIME, value=600),
            target=Target(kind=TargetKind.HEART_RATE, zone=2),
        ),
        RepeatStep(
            count=6,
            skip_last_rest=True,
            steps=(
                WorkoutStep(
                    end=End(kind=EndKind.DISTANCE, value=400),
                    target=Target(kind=TargetKind.PACE, low=4.1667, high=4.3478),
                ),
                WorkoutStep(intensity=Intensity.REST, end=End(kind=EndKind.TIME, value=90), notes="Walk"),
            ),
        ),
        WorkoutStep(intensity=Intensity.COOLDOWN),
    )


def test_what_is_written_is_numbered_through_and_names_no_owner() -> None:
    raw = translator.from_workout(translator.to_workout(WORKOUT))
    assert not raw.keys() & {"workoutId", "ownerId", "createdDate", "updatedDate"}
    server = json.loads(json.dumps(WORKOUT["segments"]), object_hook=lambda item: item | {"stepId": None})
    plain = json.loads(json.dumps(server), object_hook=lambda item: {k: v for k, v in item.items() if v is not None})
    for step in (plain[0]["steps"][1], raw["segments"][0]["steps"][1]):
        step.pop("skipLastRestStep")
    assert raw["segments"] == plain


def test_the_source_is_our_reference_where_there_is_one() -> None:
    with_marker = of(WorkoutStep(), description=f"See {MARKER}old\n\n{MARKER}Ab3dE6gH1j")
    assert translator.from_workout(with_marker)["workoutSourceId"] == f"{MARKER}Ab3dE6gH1j"
    plain = translator.from_workout(of(WorkoutStep()))
    assert plain["workoutSourceId"] == plain["workoutProvider"] == "TransformCoaching"
    assert all(len(raw) <= 20 for raw in (plain["workoutProvider"], f"{MARKER}Ab3dE6gH1j"))


def test_heart_rate_and_power_end_from_above_or_below() -> None:
    for kind, compare, word in [
        (EndKind.HEART_RATE, "lt", "HR_LESS_THAN"),
        (EndKind.POWER, "gt", "POWER_GREATER_THAN"),
    ]:
        raw = written(WorkoutStep(end=End(kind=kind, compare=compare, value=150)))  # type: ignore[arg-type]
        assert (raw["durationType"], raw["durationValue"]) == (word, 150)
    raw = written(RepeatStep(end=End(kind=EndKind.HEART_RATE, compare="gt", value=170), steps=(WorkoutStep(),)))
    assert (raw["repeatType"], raw["repeatValue"]) == ("REPEAT_UNTIL_HR_GREATER_THAN", 170)


def test_percent_counts_to_a_hundred_and_says_so() -> None:
    target = Target(kind=TargetKind.POWER, low=80, high=90, unit="percent")
    raw = written(WorkoutStep(target=target, second_target=target))
    assert (raw["targetValueType"], raw["targetValueLow"], raw["targetValueHigh"]) == ("PERCENT", 80, 90)
    assert (raw["secondaryTargetValueType"], raw["secondaryTargetValueLow"]) == ("PERCENT", 80)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"durationType": "TIME_AT_VALID_CDA", "durationValue": 5}, "durationType"),
        ({"durationType": "DISTANCE", "durationValue": 1, "durationValueType": "MILE"}, "durationType"),
        ({"targetType": "POWER_30S", "targetValueLow": 200}, "targetType"),
        ({"strokeType": "RIMO"}, "strokeType"),
    ],
)
def test_a_word_that_we_have_no_field_for_stays_as_it_came(changes: dict[str, Any], field: str) -> None:
    step = {"type": "WorkoutStep", "stepOrder": 1, "intensity": "ACTIVE", "durationType": "OPEN", "targetType": "OPEN"}
    raw = WORKOUT | {"segments": [{"segmentOrder": 1, "sport": "RUNNING", "steps": [step | changes]}]}
    record = translator.to_workout(raw)
    assert validator.unsupported(record) == []
    again = translator.from_workout(record)["segments"][0]["steps"][0]
    assert {name: again.get(name) for name in changes} == changes
    assert record.segments[0].steps[0].extras["garmin_partner"][field] == changes[field]


@pytest.mark.parametrize(
    "odd",
    [
        {"segments": {}}, {"segments": [7]}, {"segments": [{"steps": 7}]}, {"segments": [{"steps": [None]}]},
        {"workoutId": 1.5}, {"workoutId": -1}, {"workoutName": 7}, {"updatedDate": "yesterday"},
        {"segments": [{"steps": [{"durationType": "TIME", "durationValue": "long"}]}]},
        {"segments": [{"steps": [{"targetType": "PACE", "targetValueLow": float("nan")}]}]},
        {"segments": [{"steps": [{"repeatValue": 1.5, "steps": []}]}]},
    ],
    ids=str,
)  # fmt: skip
def test_what_is_no_workout_is_a_data_error(odd: dict[str, Any]) -> None:
    with pytest.raises(errors.DataError):
        translator.to_workout(WORKOUT | odd)


def test_groups_that_never_end_are_refused() -> None:
    step: dict[str, Any] = {"type": "WorkoutStep"}
    for _ in range(100):
        step = {"type": "WorkoutRepeatStep", "repeatValue": 2, "steps": [step]}
    with pytest.raises(errors.DataError):
        translator.to_workout(WORKOUT | {"segments": [{"steps": [step]}]})


# --- rows


def test_a_summary_becomes_an_activity() -> None:
    record = validator.validate_activity(translator.to_activity(SUMMARY))
    assert (record.external_id, record.account_id, record.sport) == ("22000000123", "d3a1f0", Sport.RUNNING)
    assert (record.name, record.utc_offset_s, record.duration_s) == ("Hills before breakfast", 3600, 2987)
    assert record.started_at == datetime(2026, 3, 29, 0, 40, tzinfo=UTC)
    assert (record.distance_m, record.ascent_m, record.energy_kcal) == (9412.6, 143.2, 640)
    assert (record.avg_hr, record.max_hr) == (151, 178)
    assert record.extras["garmin_partner"]["averageRunCadenceInStepsPerMinute"] == 172


def test_garmins_own_figures_and_places_are_not_read() -> None:
    text = translator.to_activity(SUMMARY).model_dump_json()
    assert not [word for word in ("rainingEffect", "recovery", "vO2", "rainingLoad", "38.1", "atitude") if word in text]


def test_what_was_not_measured_is_not_there() -> None:
    bare = {key: SUMMARY[key] for key in ("summaryId", "startTimeInSeconds", "durationInSeconds")}
    record = validator.validate_activity(translator.to_activity(bare))
    assert (record.distance_m, record.ascent_m, record.avg_hr, record.energy_kcal) == (None, None, None, None)
    assert (record.account_id, record.sport, record.extras) == ("", Sport.OTHER, {})
    assert translator.to_activity(summary(averageHeartRateInBeatsPerMinute=0)).avg_hr is None


@pytest.mark.parametrize(
    "odd",
    [
        {"summaryId": None}, {"summaryId": ""}, {"summaryId": "a b"}, {"summaryId": "x" * 65}, {"summaryId": ["1"]},
        {"userId": ["d3a1"]}, {"startTimeInSeconds": None}, {"startTimeInSeconds": "now"},
        {"startTimeInSeconds": 10**18}, {"startTimeInSeconds": True}, {"startTimeInSeconds": float("inf")},
        {"startTimeOffsetInSeconds": 90_000}, {"durationInSeconds": None}, {"durationInSeconds": "1"},
        {"distanceInMeters": float("nan")}, {"averageHeartRateInBeatsPerMinute": []},
    ],
    ids=str,
)  # fmt: skip
def test_a_summary_that_cannot_be_read_is_a_data_error(odd: dict[str, Any]) -> None:
    with pytest.raises(errors.DataError):
        translator.to_activity(summary(**odd))


def test_an_account_is_its_id_and_what_it_allows() -> None:
    raw = {"userId": "d3a1f0", "permissions": ["ACTIVITY_EXPORT"]}
    assert translator.to_account(raw) == AccountRecord(external_id="d3a1f0", permissions=("ACTIVITY_EXPORT",))
    assert translator.to_account({"userId": "d3a1f0"}).permissions is None
    oddities: list[dict[str, Any]] = [
        {}, {"userId": None}, {"userId": "d3a1f0", "permissions": "all"}, {"userId": {}},
    ]  # fmt: skip
    for odd in oddities:
        with pytest.raises(errors.DataError):
            translator.to_account(odd)


@pytest.mark.parametrize("name", ["workoutScheduleId", "scheduleId"])
def test_an_entry_of_the_calendar_has_one_of_two_names_for_its_number(name: str) -> None:
    raw = {name: 600000001, "workoutId": 1500000777, "date": "2026-12-01"}
    wanted = ScheduleRecord(external_id="600000001", workout_id="1500000777", on=date(2026, 12, 1))
    assert translator.to_schedule(raw) == wanted
    assert list(translator.to_calendar({"schedules": [raw]})) == [wanted]
    for odd in (raw | {"date": "soon"}, raw | {name: None}, raw | {"workoutId": None}):
        with pytest.raises(errors.DataError):
            translator.to_schedule(odd)


def test_a_created_workout_is_its_own_row() -> None:
    row = translator.to_summary(WORKOUT)
    assert (row.external_id, row.name, row.description) == ("1500000777", "6 x 400", "Even splits")
    assert row.created_at == datetime(2026, 11, 2, 6, 30, 15, tzinfo=UTC)
    with pytest.raises(errors.DataError):
        translator.to_summary({"workoutName": "No number"})


def test_every_drill_equipment_and_stroke_has_a_word() -> None:
    assert set(garmin.EQUIPMENT) == set(Equipment)
    assert set(garmin.STROKES) == set(Stroke) - {Stroke.DRILL}
    assert set(garmin.INTENSITIES) == set(Intensity)
