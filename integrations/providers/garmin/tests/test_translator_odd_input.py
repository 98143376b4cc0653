"""Odd and hostile input: cleaned or refused as data, never an accident."""

from typing import Any

import pytest

from integrations import errors
from integrations.providers.garmin.tests.samples import only_step, workout
from integrations.providers.garmin.translator import to_summary, to_workout


@pytest.mark.parametrize(
    ("name", "cleaned"),
    [
        ("a\x00b\x1b[31mred\x1b[0m", "abred"),
        ("<script>alert(1)</script>", "<script>alert(1)</script>"),
        ("{{7*7}} {% x %}", "{{7*7}} {% x %}"),
        ("two\r\nlines\there", "two lines here"),
        ("half \ud83d pair", "half pair"),
        ("   ", "Untitled workout"),
        (None, "Untitled workout"),
        (12, "12"),
    ],
)
def test_names_are_cleaned_but_not_escaped(name: Any, cleaned: str) -> None:
    assert to_workout(workout(workoutName=name)).name == cleaned


def test_long_names_are_cut_to_what_garmin_takes() -> None:
    name = to_workout(workout(workoutName="ß" * 10_000)).name
    assert len(name) == 255
    assert name.endswith("ß…")


def test_control_letters_leave_notes_and_extras_but_line_breaks_stay() -> None:
    step = only_step(description="one\r\ntwo\x00", novel={"a\x00": "b\x00"})
    assert step.notes == "one\ntwo"
    assert step.extras == {"garmin": {"novel": {"a": "b"}}}


@pytest.mark.parametrize("number", ["abc", True, -5, 0, 1.5, 12345.0, 2**70, "9" * 30, "-3", [1], "١٢"])
def test_ids_that_are_none_are_refused(number: Any) -> None:
    for read in (to_workout, to_summary):
        with pytest.raises(errors.DataError) as caught:
            read(workout(workoutId=number))
        assert caught.value.context == {"field": "workoutId"}


@pytest.mark.parametrize("number", [12345, "12345"])
def test_ids_are_text(number: Any) -> None:
    assert to_workout(workout(workoutId=number)).external_id == "12345"


def nested(depth: int) -> dict[str, Any]:
    group: dict[str, Any] = {"numberOfIterations": 1, "workoutSteps": []}
    for _ in range(depth):
        group = {"numberOfIterations": 1, "workoutSteps": [group]}
    return group


def boxed(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize(
    "raw",
    [
        [],
        "workout",
        workout(sportType="running"),
        workout(workoutSegments={"a": 1}),
        workout(workoutSegments=["x"]),
        workout("step"),  # type: ignore[arg-type]
        workout(workoutName={"en": "x"}),
        workout(estimatedDurationInSecs=float("nan")),
        workout(estimatedDurationInSecs="1e999"),
        workout(estimatedDurationInSecs=10**400),
        workout(novel=float("inf")),
        workout(novel=boxed(200)),
        workout(nested(200)),
        workout({"endCondition": {"conditionTypeId": 2}, "endConditionValue": "soon"}),
        workout({"targetType": {"workoutTargetTypeId": 4}, "zoneNumber": 2.5}),
        workout({"numberOfIterations": 2.5, "workoutSteps": []}),
        workout(updatedDate="yesterday"),
        workout(updatedDate=10**30),
    ],
)
def test_nonsense_is_refused_as_data(raw: Any) -> None:
    with pytest.raises(errors.DataError):
        to_workout(raw)


@pytest.mark.parametrize(
    ("listed", "read"),
    [
        ("2026-10-02T06:30:15.0", "2026-10-02T06:30:15.0"),
        ("2026-10-02 06:30:15", "2026-10-02T06:30:15.000"),
        ("2026-10-02T08:30:15.0+02:00", "2026-10-02T06:30:15Z"),
        (1790922615000, "2026-10-02T06:30:15.0"),
    ],
)
def test_list_and_object_tell_the_same_version(listed: Any, read: Any) -> None:
    summary = to_summary({"workoutId": 1, "workoutName": "W", "updateDate": listed})
    assert summary.version == to_workout(workout(workoutId=1, updatedDate=read)).version == "2026-10-02T06:30:15.000000"


def test_a_later_stamp_is_another_version() -> None:
    versions = {to_workout(workout(updatedDate=f"2026-10-02T06:30:15.{part}")).version for part in ("0", "1", "123")}
    assert len(versions) == 3


def test_a_row_tells_its_marker() -> None:
    row = {"workoutId": 7, "workoutName": " Six\tby four ", "description": "hard\ntc-ref:Ab12", "updateDate": None}
    summary = to_summary(row)
    assert (summary.name, summary.description, summary.version) == ("Six by four", "hard\ntc-ref:Ab12", "")
