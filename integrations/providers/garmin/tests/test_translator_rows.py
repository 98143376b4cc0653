"""Accounts, calendar and activities."""

import json
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from integrations import errors
from integrations.providers.garmin.translator import to_account, to_activity, to_calendar, to_schedule
from integrations.records import AccountRecord, ActivityRecord, ScheduleRecord, Sport

FIXTURES = Path(__file__).parent / "fixtures"


@pytest.fixture
def row() -> dict[str, Any]:
    return dict(json.loads((FIXTURES / "activity_row.json").read_text()))


def test_an_account_is_its_profile_id() -> None:
    profile = {"id": 1, "profileId": 5150, "displayName": "c0ach", "fullName": "Carla Coach"}
    settings = {"timeZone": "Europe/Lisbon", "measurementSystem": "metric"}
    assert to_account(profile | {"settings": settings}) == AccountRecord(
        external_id="5150", name="Carla Coach", time_zone="Europe/Lisbon", units="metric"
    )


@pytest.mark.parametrize(
    ("settings", "units"),
    [
        ({"measurementSystem": "statute_us"}, "imperial"),
        ({"userData": {"measurementSystem": "statute_uk"}}, "imperial"),
        ({"measurementSystem": "metric"}, "metric"),
        ({}, ""),
        (None, ""),
    ],
)
def test_units_of_an_account(settings: Any, units: str) -> None:
    assert to_account({"profileId": 1, "settings": settings}).units == units


def test_an_account_without_id_is_refused() -> None:
    with pytest.raises(errors.DataError):
        to_account({"displayName": "c0ach"})


@pytest.mark.parametrize("key", ["workoutScheduleId", "scheduleId", "id"])
def test_the_id_of_a_calendar_entry_has_three_names(key: str) -> None:
    raw = {key: 8, "workout": {"workoutId": 71, "workoutName": "Hills"}, "calendarDate": "2026-11-25"}
    assert to_schedule(raw) == ScheduleRecord(external_id="8", workout_id="71", on=date(2026, 11, 25), title="Hills")


@pytest.mark.parametrize("day", [None, "", "soon", 20261125, "2026-13-01"])
def test_an_entry_without_a_day_is_refused(day: Any) -> None:
    with pytest.raises(errors.DataError):
        to_schedule({"id": 8, "workoutId": 71, "date": day})


def test_a_month_gives_its_workouts_once() -> None:
    hills = {"id": 8, "itemType": "workout", "date": "2026-11-25", "workoutId": 71, "title": "Hills"}
    items = [
        hills,
        {"id": 7, "itemType": "activity", "date": "2026-11-25", "workoutId": 71},
        {"id": 9, "itemType": "workout", "date": "2026-11-26", "workoutId": None, "title": "A plan of Garmin's own"},
        dict(hills),
        {**hills, "id": 10},
    ]
    entries = list(to_calendar({"calendarItems": items}))
    assert [(entry.external_id, entry.workout_id) for entry in entries] == [("8", "71"), ("10", "71")]
    assert list(to_calendar({"calendarItems": None})) == []


def test_an_activity(row: dict[str, Any]) -> None:
    assert to_activity(row) == ActivityRecord(
        external_id="18000000007",
        account_id="5150",
        sport=Sport.RUNNING,
        name="Evening hills",
        started_at=datetime(2026, 11, 19, 23, 35, 40, tzinfo=UTC),
        utc_offset_s=-19800,
        duration_s=2751,
        distance_m=8123.4,
        ascent_m=212,
        avg_hr=152,
        max_hr=177,
        energy_kcal=640,
        workout_id="71000000001",
        extras={
            "garmin": {
                "movingDuration": 2740.5,
                "elapsedDuration": 2800.0,
                "aerobicTrainingEffect": 3.1,
                "manufacturer": "GARMIN",
                "typeKey": "trail_running",
            }
        },
    )


def test_no_place_and_no_name_of_a_person_is_kept(row: dict[str, Any]) -> None:
    kept = to_activity(row).model_dump_json()
    assert "Latitude" not in kept
    assert "Ada" not in kept


@pytest.mark.parametrize(
    ("kind", "sport"),
    [
        ({"typeKey": "open_water_swimming", "parentTypeId": 26}, Sport.SWIMMING),
        ({"typeKey": "unicycling_of_2031", "parentTypeId": 2}, Sport.CYCLING),
        ({"typeKey": "stand_up_paddleboarding_v2", "parentTypeId": 228}, Sport.OTHER),
        (None, Sport.OTHER),
    ],
)
def test_sports_of_activities(row: dict[str, Any], kind: Any, sport: Sport) -> None:
    assert to_activity({**row, "activityType": kind}).sport == sport


def test_without_a_start_in_gmt_the_stamp_in_milliseconds_serves(row: dict[str, Any]) -> None:
    then = to_activity({**row, "startTimeGMT": None, "beginTimestamp": 1795131340000}).started_at
    assert then == datetime(2026, 11, 19, 23, 35, 40, tzinfo=UTC)


def test_no_pulse_is_not_a_pulse_of_zero(row: dict[str, Any]) -> None:
    assert to_activity({**row, "averageHR": 0.0}).avg_hr is None


@pytest.mark.parametrize(
    "change",
    [
        {"activityId": None},
        {"activityId": "abc"},
        {"activityId": 2**70},
        {"activityId": 1.5},
        {"startTimeGMT": None},
        {"startTimeGMT": "99999-01-01 00:00:00"},
        {"startTimeGMT": "2026-02-30 00:00:00"},
        {"startTimeLocal": "2026-01-01 00:00:00"},
        {"duration": None},
        {"duration": "long"},
        {"distance": float("nan")},
        {"averageHR": [1] * 90_000},
    ],
)
def test_nonsense_is_refused_as_data(row: dict[str, Any], change: dict[str, Any]) -> None:
    with pytest.raises(errors.DataError):
        to_activity(row | change)
