"""Strava's rows as records: what is kept, what is left, and what is set aside."""

import json
import math
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from integrations import errors
from integrations.providers.strava import translator, validator
from integrations.records import AccountRecord, Sport

ROW: dict[str, Any] = json.loads((Path(__file__).parent / "fixtures/activity_row.json").read_text(encoding="utf-8"))


def row(**changes: Any) -> dict[str, Any]:
    return ROW | changes


def test_a_row_becomes_a_record() -> None:
    record = validator.validate_activity(translator.to_activity(ROW))
    assert (record.external_id, record.account_id, record.sport) == ("15000000123", "7300001", Sport.RUNNING)
    assert record.name == "Hills before breakfast"
    assert record.started_at == datetime(2026, 3, 29, 0, 40, tzinfo=UTC)
    assert (record.utc_offset_s, record.duration_s, record.distance_m, record.ascent_m) == (3600, 2987, 9412.6, 143.2)
    assert (record.avg_hr, record.max_hr, record.energy_kcal) == (151, 178, None)
    assert record.extras["strava"]["sport_type"] == "TrailRun"


def test_places_gear_and_privacy_are_not_kept() -> None:
    kept = json.dumps(translator.to_activity(ROW).extras)
    assert not [word for word in ("latlng", "38.0", "made-up", "gear", "Sampletown", "private") if word in kept]


def test_the_local_starts_false_z_tells_the_offset_where_nothing_else_does() -> None:
    assert translator.to_activity(row(utc_offset=None)).utc_offset_s == 3600
    west = row(utc_offset=None, start_date_local="2026-03-28T17:10:00Z")
    assert translator.to_activity(west).utc_offset_s == -27_000
    assert translator.to_activity(row(utc_offset=None, start_date_local=None)).utc_offset_s == 0


@pytest.mark.parametrize(
    ("sport", "kind", "wanted"),
    [("VirtualRide", "Ride", Sport.CYCLING), (None, "Swim", Sport.SWIMMING), ("Kitesurf", "Kitesurf", Sport.OTHER)],
)
def test_the_newer_kind_goes_before_the_older(sport: str | None, kind: str, wanted: Sport) -> None:
    assert translator.to_activity(row(sport_type=sport, type=kind)).sport == wanted


def test_time_in_motion_goes_before_time_passed() -> None:
    assert translator.to_activity(row(moving_time=None)).duration_s == 3120
    with pytest.raises(errors.DataError):
        translator.to_activity(row(moving_time=None, elapsed_time=None))


def test_no_strap_is_no_heart_rate() -> None:
    record = translator.to_activity(row(average_heartrate=0, max_heartrate=None))
    assert (record.avg_hr, record.max_hr) == (None, None)


def test_a_name_is_one_line_of_visible_letters() -> None:
    assert translator.to_activity(row(name="  a\x00b\x1b[31m\u202e c\n")).name == "ab[31m c"
    assert len(translator.to_activity(row(name="x" * 9000)).name) == 255


@pytest.mark.parametrize(
    "changes",
    [
        {"id": None},
        {"id": "abc"},
        {"id": 2**70},
        {"id": 1.5},
        {"id": True},
        {"id": "٣"},
        {"id": 0},
        {"athlete": {"id": "../1"}},
        {"start_date": None},
        {"start_date": 1_700_000_000},
        {"start_date": "yesterday"},
        {"moving_time": "2987"},
        {"moving_time": math.nan},
        {"moving_time": math.inf},
        {"distance": "far"},
        {"average_heartrate": []},
        {"utc_offset": 90_000},
    ],
    ids=str,
)
def test_what_cannot_be_read_is_set_aside(changes: dict[str, Any]) -> None:
    with pytest.raises(errors.DataError):
        translator.to_activity(row(**changes))


@pytest.mark.parametrize(
    "changes",
    [
        {"athlete": None},
        {"start_date": "0001-01-01T00:00:00Z", "start_date_local": None},
        {"start_date": "9999-01-01T00:00:00Z"},
        {"moving_time": 0},
        {"moving_time": -5},
        {"moving_time": 99_999_999},
        {"distance": -1},
        {"distance": 1e308},
        {"total_elevation_gain": 1e9},
        {"average_heartrate": 900},
    ],
    ids=str,
)
def test_nonsense_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(errors.DataError):
        validator.validate_activity(translator.to_activity(row(**changes)))


def test_odd_extras_are_left_out() -> None:
    record = translator.to_activity(row(average_speed=math.inf, max_speed={"a": 1}, sport_type="x" * 500))
    assert set(record.extras["strava"]) & {"average_speed", "max_speed"} == set()
    assert len(record.extras["strava"]["sport_type"]) == 64


def test_an_account_is_its_number_and_a_name() -> None:
    raw = {"id": 7300001, "firstname": "Ada", "lastname": " Athlete\n", "measurement_preference": "feet", "city": "x"}
    assert translator.to_account(raw) == AccountRecord(external_id="7300001", name="Ada Athlete", units="imperial")
    assert translator.to_account({"id": 5, "firstname": None}).name == ""
    for odd in (None, "me", -1, True):
        with pytest.raises(errors.DataError):
            translator.to_account({"id": odd})
