"""The sandbox's library, calendar and activities, as the unmodified library and our translator meet them."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from garminconnect import Garmin, GarminConnectConnectionError
from garminconnect.exceptions import GarminConnectNotFoundError
from garminconnect.exercises import EXERCISES

from integrations.providers.garmin import translator, validator
from integrations.providers.garmin.sandbox import library
from integrations.providers.garmin.sandbox.garmin import GarminSandbox
from integrations.providers.garmin.sandbox.state import State
from integrations.records import EndKind, Sport, TargetKind, WorkoutRecord
from integrations.sandbox import Store

BEN = "athlete2@sandbox.example"
TIME, NO_TARGET = {"conditionTypeId": 2}, {"workoutTargetTypeId": 1}
REST = {"type": "ExecutableStepDTO", "stepType": {"stepTypeId": 5}, "endCondition": TIME, "endConditionValue": 60}
POSTED = {
    "workoutName": "Mine",
    "sportType": {"sportTypeId": 4},
    "workoutSegments": [
        {
            "segmentOrder": 1,
            "sportType": {"sportTypeKey": "swimming"},
            "workoutSteps": [
                REST,
                {
                    "type": "RepeatGroupDTO",
                    "numberOfIterations": 2,
                    "workoutSteps": [REST, {"type": "RepeatGroupDTO", "numberOfIterations": 3, "workoutSteps": [REST]}],
                },
                REST | {"targetType": NO_TARGET, "something": "new"},
            ],
        }
    ],
}


def flat(steps: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for step in steps:
        yield step
        yield from flat(step.get("workoutSteps", []))


def test_a_posted_workout_comes_back_as_the_server_writes_it(garmin: Garmin, box: GarminSandbox) -> None:
    made = garmin.upload_workout(POSTED)
    steps = list(flat(made["workoutSegments"][0]["workoutSteps"]))
    assert made["sportType"] == {"sportTypeId": 4, "sportTypeKey": "swimming", "displayOrder": 3}
    assert made["workoutSegments"][0]["sportType"]["sportTypeId"] == 4
    assert [step["stepOrder"] for step in steps] == [1, 2, 3, 4, 5, 6]
    assert [step["childStepId"] for step in steps] == [None, 1, 1, 2, 2, None]
    assert len({step["stepId"] for step in steps}) == 6
    assert steps[0]["endCondition"] == {
        "conditionTypeId": 2, "conditionTypeKey": "time", "displayOrder": 2, "displayable": True,
    }  # fmt: skip
    assert (steps[0]["zoneNumber"], steps[5]["something"]) == (None, "new")
    assert made["author"]["fullName"] == "Ben Breeze"
    assert made["ownerId"] == box.state.people[BEN]["profile"]
    assert garmin.get_workout_by_id(made["workoutId"]) == made


def test_every_create_makes_a_new_workout_and_the_listing_has_no_steps(garmin: Garmin) -> None:
    before = garmin.get_workout_count()["totalCount"]
    first, second = garmin.upload_workout(POSTED), garmin.upload_workout(POSTED)
    assert first["workoutId"] != second["workoutId"]
    assert garmin.get_workout_count()["totalCount"] == before + 2
    newest = garmin.connectapi(
        "/workout-service/workouts", params={"start": 0, "limit": 2, "orderBy": "CREATED_DATE", "orderSeq": "DESC"}
    )
    assert [row["workoutId"] for row in newest] == [second["workoutId"], first["workoutId"]]
    assert all("workoutSegments" not in row and "updatedDate" not in row and row["updateDate"] for row in newest)
    assert len(garmin.get_workouts(before, 100)) == 2
    assert garmin.get_workouts(before + 2, 100) == []


def test_replace_keeps_id_birthday_and_calendar(garmin: Garmin) -> None:
    made = garmin.upload_workout(POSTED)
    entry = garmin.schedule_workout(made["workoutId"], "2026-12-01")["workoutScheduleId"]
    garmin.update_workout(made["workoutId"], made | {"workoutName": "Renamed"})
    now = garmin.get_workout_by_id(made["workoutId"])
    assert (now["workoutName"], now["createdDate"]) == ("Renamed", made["createdDate"])
    assert now["updatedDate"] > made["updatedDate"]
    assert garmin.get_scheduled_workout_by_id(entry)["workout"]["workoutName"] == "Renamed"
    copied = garmin.copy_workout(made["workoutId"], "A copy")
    assert copied["workoutId"] != made["workoutId"]
    assert garmin.get_workout_by_id(copied["workoutId"])["workoutName"] == "A copy"


def test_the_calendar_doubles_moves_spills_over_and_forgets(garmin: Garmin) -> None:
    made = garmin.upload_workout(POSTED)["workoutId"]
    first = garmin.schedule_workout(made, "2026-12-01")["workoutScheduleId"]
    second = garmin.schedule_workout(made, "2026-12-01")["workoutScheduleId"]
    assert first != second

    def planned(year: int, month: int) -> list[tuple[int, str]]:
        items = garmin.get_scheduled_workouts(year, month)["calendarItems"]
        return [(item["id"], item["date"]) for item in items if item["itemType"] == "workout"]

    assert planned(2026, 12) == [(first, "2026-12-01"), (second, "2026-12-01")]
    assert planned(2026, 11) == planned(2026, 12), "the view of a month shows days of the next"
    assert planned(2026, 10) == []
    garmin.reschedule_workout(second, "2027-01-15")
    assert planned(2027, 1) == [(second, "2027-01-15")]
    period = garmin.get_scheduled_workouts_by_period("2026-12-01", "2026-12-31")
    assert [row["workoutScheduleId"] for row in period] == [first]
    garmin.unschedule_workout(first)
    assert planned(2026, 12) == []
    with pytest.raises(GarminConnectNotFoundError):
        garmin.unschedule_workout(first)
    garmin.delete_workout(made)
    assert planned(2027, 1) == []
    with pytest.raises(GarminConnectNotFoundError):
        garmin.delete_workout(made)


def test_what_was_done_stands_in_the_calendar_beside_what_is_planned(garmin: Garmin) -> None:
    yesterday = datetime.now(UTC).date() - timedelta(days=1)
    items = garmin.get_scheduled_workouts(yesterday.year, yesterday.month)["calendarItems"]
    assert yesterday.isoformat() in {item["date"] for item in items if item["itemType"] == "activity"}


@pytest.mark.parametrize(
    "body", [{}, {"workoutName": "No steps"}, POSTED | {"workoutName": " "}, POSTED | {"workoutSegments": "none"}]
)
def test_what_is_no_workout_is_refused_and_not_kept(garmin: Garmin, body: dict[str, Any]) -> None:
    before = garmin.get_workout_count()
    with pytest.raises(GarminConnectConnectionError, match="400"):
        garmin.client.post("connectapi", "/workout-service/workout", json=body, api=True)
    assert garmin.get_workout_count() == before


@pytest.mark.parametrize("day", ["", "tomorrow", "2026-13-40"])
def test_no_day_is_no_entry(garmin: Garmin, box: GarminSandbox, day: str) -> None:
    made = garmin.upload_workout(POSTED)["workoutId"]
    with pytest.raises(GarminConnectConnectionError, match="400"):
        garmin.client.post("connectapi", f"/workout-service/schedule/{made}", json={"date": day}, api=True)
    assert box.state.people[BEN]["schedules"] == {}


def test_the_vocabulary_is_the_servers(garmin: Garmin) -> None:
    types = garmin.get_workout_types()
    assert {"sportTypeId": 4, "sportTypeKey": "swimming", "displayOrder": 3} in types["workoutSportTypes"]
    assert {"workoutTargetTypeId": 6, "workoutTargetTypeKey": "pace.zone", "displayOrder": 6} in types[
        "workoutTargetTypes"
    ]


def test_activities_are_read_by_day_and_a_late_one_finds_its_place(garmin: Garmin, box: GarminSandbox) -> None:
    rows: list[Any] = list(garmin.get_activities(0, 100))
    days = [row["startTimeLocal"] for row in rows]
    assert len(rows) == garmin.count_activities() == 40
    assert days == sorted(days, reverse=True)
    since = (datetime.now(UTC).date() - timedelta(days=5)).isoformat()
    assert len(garmin.get_activities_by_date(since)) == 5
    box.change(BEN, "train", "", (date.fromisoformat(since) - timedelta(days=10)).isoformat())
    assert len(garmin.get_activities_by_date(since)) == 5
    assert garmin.count_activities() == 41
    now: list[Any] = list(garmin.get_activities(0, 100))
    days = [row["startTimeLocal"] for row in now]
    assert days == sorted(days, reverse=True)
    assert {row["activityId"] for row in now} > {row["activityId"] for row in rows}
    assert garmin.get_devices()[0]["productDisplayName"]


def test_a_person_at_garmin_changes_the_library(garmin: Garmin, box: GarminSandbox) -> None:
    first, second = garmin.get_workouts(0, 2)
    garmin.schedule_workout(second["workoutId"], "2026-12-01")
    box.change(BEN, "rename", str(first["workoutId"]), "Renamed there")
    box.change(BEN, "delete", str(second["workoutId"]), "")
    box.change(BEN, "add", "", "New there")
    rows = garmin.get_workouts(0, 100)
    assert (rows[0]["workoutName"], rows[-1]["workoutName"]) == ("Renamed there", "New there")
    assert rows[0]["updateDate"] > first["updateDate"]
    assert second["workoutId"] not in {row["workoutId"] for row in rows}
    assert box.accounts()[2]["calendar"] == []


@pytest.mark.parametrize(("fault", "repeated"), [("shift", True), ("", False)])
def test_rows_that_move_while_one_pages_are_seen_twice(
    garmin: Garmin, box: GarminSandbox, fault: str, repeated: bool
) -> None:
    box.set_fault(BEN, fault)
    first, second = garmin.get_workouts(0, 20), garmin.get_workouts(20, 20)
    assert bool({row["workoutId"] for row in first} & {row["workoutId"] for row in second}) is repeated


def test_another_users_answer_names_another_owner(garmin: Garmin, box: GarminSandbox) -> None:
    key = garmin.get_workouts(0, 1)[0]["workoutId"]
    box.set_fault(BEN, "foreign")
    assert garmin.get_workout_by_id(key)["ownerId"] != box.state.people[BEN]["profile"]
    box.set_fault(BEN, "foreign-profile")
    assert garmin.connectapi("/userprofile-service/socialProfile")["profileId"] != box.state.people[BEN]["profile"]


@pytest.fixture(scope="module")
def coach() -> dict[str, Any]:
    """The coach's account, as it is at the start."""
    return State(Store()).people["coach@sandbox.example"]  # type: ignore[no-any-return]


def test_the_coachs_library_is_wide(coach: dict[str, Any]) -> None:
    records = [validator.validate_workout(translator.to_workout(raw)) for raw in coach["workouts"].values()]
    steps = [step for record in records for step in record.flat_steps()]
    assert len({record.name for record in records}) == len(records) >= 60
    assert {record.sport for record in records} >= set(Sport) - {
        Sport.OTHER, Sport.WALKING, Sport.HIKING, Sport.ROWING,
    }  # fmt: skip
    assert {step.end.kind for step in steps} >= {
        EndKind.LAP_BUTTON, EndKind.TIME, EndKind.DISTANCE, EndKind.CALORIES, EndKind.HEART_RATE, EndKind.REPS,
        EndKind.FIXED_REST, EndKind.SEND_OFF,
    }  # fmt: skip
    assert {step.target.kind for step in steps} >= {
        TargetKind.HEART_RATE, TargetKind.POWER, TargetKind.PACE, TargetKind.SPEED, TargetKind.CADENCE,
        TargetKind.RESISTANCE, TargetKind.OTHER,
    }  # fmt: skip
    assert any(step.second_target.kind == TargetKind.CADENCE for step in steps)
    names = {record.name for record in records}
    assert "<script>alert(1)</script>" in names
    assert 255 in {len(name) for name in names}
    assert any(record.extras for record in records)


def of_the_author(record: WorkoutRecord) -> dict[str, Any]:
    """All but the server's own estimates."""
    return {key: value for key, value in record.content().items() if key not in {"duration_s", "distance_m"}}


def test_what_our_writer_posts_the_sandbox_stores_as_the_same_workout(coach: dict[str, Any]) -> None:
    state = State(Store())
    for raw in coach["workouts"].values():
        record = translator.to_workout(raw)
        posted = translator.from_workout(record)
        again = translator.to_workout(state.put_workout(state.people[BEN], posted))
        assert of_the_author(again) == of_the_author(record), record.name


def test_its_exercises_are_in_garmins_catalogue() -> None:
    known = {(entry["category"], entry["exercise"]) for entry in EXERCISES}
    used = {
        (step["category"], step["exerciseName"])
        for raw in library.catalogue()
        for segment in raw["workoutSegments"]
        for step in flat(segment["workoutSteps"])
        if "category" in step
    }
    assert len(used) > 10
    assert used <= known, used - known


def test_the_libraries_are_the_same_at_every_start_and_differ_between_accounts() -> None:
    one, two = State(Store()).people, State(Store()).people
    assert {email: person["workouts"] for email, person in one.items()} == {
        email: person["workouts"] for email, person in two.items()
    }
    ben, chen = one[BEN]["workouts"], one["athlete3@sandbox.example"]["workouts"]
    assert len(ben) == len(chen) == 64

    def targets(workouts: dict[str, Any], name: str) -> list[Any]:
        raw = next(raw for raw in workouts.values() if raw["workoutName"] == name)
        return [step.get("targetValueOne") for step in flat(raw["workoutSegments"][0]["workoutSteps"])]

    assert targets(ben, "5 × 1000 m") != targets(chen, "5 × 1000 m")
