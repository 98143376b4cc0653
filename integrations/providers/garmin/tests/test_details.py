"""Laps and samples as Garmin's routes `splits` and `details` tell of them."""

import pytest

from integrations import errors
from integrations.providers.garmin.translator import to_details

LAP = {
    "duration": 300.0,
    "distance": "1000.5",
    "averageHR": 151.0,
    "maxHR": 0,
    "averageSpeed": 3.33,
    "averagePower": None,
}
KEYS = ("directPower", "sumElapsedDuration", "directHeartRate", "directSpeed", "directAirTemperature")


def raw(*rows: list[object], keys: tuple[str, ...] = KEYS) -> dict[str, object]:
    described = [{"metricsIndex": place, "key": key, "unit": {"key": "x"}} for place, key in enumerate(keys)]
    metrics = [{"metrics": row} for row in rows]
    return {"splits": {"lapDTOs": [LAP]}, "details": {"metricDescriptors": described, "activityDetailMetrics": metrics}}


def test_columns_are_found_by_their_names_wherever_they_stand() -> None:
    found = to_details(raw([210, 0.0, 120, 3.1, 18], [None, 5.0, 125, 3.2, 18]))
    assert (found.time_s, found.heart_rate) == ((0, 5), (120, 125))
    assert (found.power_w, found.speed_mps) == ((210, None), (3.1, 3.2))


def test_what_a_lap_does_not_tell_is_nothing_and_not_zero() -> None:
    (lap,) = to_details(raw()).laps
    assert (lap.duration_s, lap.distance_m, lap.avg_hr) == (300, 1000.5, 151)
    assert (lap.max_hr, lap.avg_power_w, lap.ascent_m) == (None, None, None)


def test_moments_count_from_the_first_where_there_is_no_duration() -> None:
    keys = ("directTimestamp", "directHeartRate")
    found = to_details(raw([1_795_000_000_000, 120], [1_795_000_004_500, 121], keys=keys))
    assert found.time_s == (0, 4.5)


def test_rows_that_go_back_or_are_short_or_mean_nothing_are_left_out() -> None:
    found = to_details(raw([210, 0.0, 120, 3.1], [210, 0.0, 130, 3.1], [210], [9e9, 7.0, -4, 900]))
    assert list(found.time_s) == [0, 7]
    assert (found.heart_rate[1], found.speed_mps[1], found.power_w[1]) == (None, None, None)


def test_an_activity_that_was_typed_in_has_neither() -> None:
    assert to_details({"splits": {"lapDTOs": []}, "details": {"metricDescriptors": None}}).time_s == ()


@pytest.mark.parametrize("details", [[], "text", {"activityDetailMetrics": 5}, {"metricDescriptors": [[]]}])
def test_another_shape_is_refused(details: object) -> None:
    with pytest.raises(errors.DataError):
        to_details({"splits": {}, "details": details})
