"""Records: one canonical form, that survives storage."""

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from integrations.records import (
    SCHEMA,
    End,
    EndKind,
    RepeatStep,
    Segment,
    Sport,
    WorkoutRecord,
    WorkoutStep,
)
from tests.strategies import workouts

RUN = WorkoutRecord(
    name="Four times two",
    sport=Sport.RUNNING,
    segments=(
        Segment(
            sport=Sport.RUNNING,
            steps=(
                WorkoutStep(notes="a"),
                RepeatStep(
                    count=4, steps=(WorkoutStep(notes="b"), RepeatStep(count=2, steps=(WorkoutStep(notes="c"),)))
                ),
                WorkoutStep(notes="d"),
            ),
        ),
    ),
)


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(st.sampled_from([Sport.RUNNING, Sport.SWIMMING, Sport.MULTISPORT]).flatmap(workouts))
def test_content_survives_storage(record: WorkoutRecord) -> None:
    stored = json.loads(json.dumps(record.content(), allow_nan=False))
    again = WorkoutRecord.from_content(stored)
    assert again == record
    assert again.content_hash() == record.content_hash()


def test_where_it_came_from_is_no_content() -> None:
    moved = RUN.model_copy(update={"external_id": "9", "version": "later"})
    assert moved.content() == RUN.content()
    assert moved.content_hash() == RUN.content_hash()


@pytest.mark.parametrize(
    "change", [{"name": "Five"}, {"description": "x"}, {"duration_s": 1.0}, {"extras": {"garmin": {"x": 1}}}]
)
def test_content_has_another_hash_when_it_changes(change: dict[str, object]) -> None:
    assert RUN.model_copy(update=change).content_hash() != RUN.content_hash()


def test_the_kind_of_a_step_is_stored_though_it_is_a_default() -> None:
    assert RUN.content() == {
        "schema": SCHEMA,
        "name": "Four times two",
        "sport": "running",
        "segments": [
            {
                "sport": "running",
                "steps": [
                    {"type": "step", "notes": "a"},
                    {
                        "type": "repeat",
                        "count": 4,
                        "steps": [
                            {"type": "step", "notes": "b"},
                            {"type": "repeat", "count": 2, "steps": [{"type": "step", "notes": "c"}]},
                        ],
                    },
                    {"type": "step", "notes": "d"},
                ],
            }
        ],
    }


def test_flat_steps_are_those_written_down_once_each() -> None:
    assert [step.notes for step in RUN.flat_steps()] == ["a", "b", "c", "d"]


def test_records_do_not_change_and_share_nothing() -> None:
    with pytest.raises(ValidationError):
        RUN.name = "x"
    first, second = WorkoutStep(), WorkoutStep()
    first.extras["garmin"] = {"x": 1}
    assert second.extras == {}


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_no_number_that_is_none(value: float) -> None:
    with pytest.raises(ValidationError):
        End(kind=EndKind.TIME, value=value)


def test_unknown_content_is_refused() -> None:
    with pytest.raises(ValidationError):
        WorkoutRecord.from_content(RUN.content() | {"colour": "red"})
