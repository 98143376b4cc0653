"""Laps and streams as Strava tells of them."""

from typing import Any

from integrations.providers.strava.translator import to_details

LAP = {
    "moving_time": 600,
    "distance": 2000.5,
    "average_speed": 3.3,
    "average_heartrate": 148.6,
    "total_elevation_gain": 12,
}


def raw(**streams: list[Any]) -> dict[str, Any]:
    return {
        "laps": [LAP],
        "streams": {key: {"data": samples, "series_type": "time"} for key, samples in streams.items()},
    }


def test_streams_stand_beside_their_clock() -> None:
    found = to_details(raw(time=[0, 3, 6], heartrate=[120, None, 130], velocity_smooth=[0.0, 3.1, 3.2]))
    assert (found.time_s, found.heart_rate, found.speed_mps) == ((0, 3, 6), (120, None, 130), (0, 3.1, 3.2))
    assert found.power_w == ()
    (lap,) = found.laps
    assert (lap.duration_s, lap.avg_hr, lap.avg_power_w) == (600, 149, None)


def test_a_stream_of_another_length_is_worth_nothing() -> None:
    found = to_details(raw(time=[0, 3, 6], heartrate=[120, 121]))
    assert found.heart_rate == ()


def test_moments_that_go_back_are_left_out() -> None:
    found = to_details(raw(time=[0, 5, 4, 9], watts=[1, 2, 3, 9_999]))
    assert (found.time_s, found.power_w) == ((0, 5, 9), (1, 2, None))


def test_an_activity_without_streams_has_its_laps() -> None:
    found = to_details({"laps": [LAP], "streams": {}})
    assert (len(found.laps), found.time_s) == (1, ())
