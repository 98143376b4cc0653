"""Laps and samples of one activity: what the routes `splits` and `details` say of it."""

from collections.abc import Mapping, Sequence
from typing import Any

from integrations.providers.garmin.translator.values import VALUES, Fields
from integrations.records import DetailsRecord, LapRecord

MOST_LAPS = 1_000
MOST_SAMPLES = 20_000
SERIES = {"heart_rate": "directHeartRate", "speed_mps": "directSpeed", "power_w": "directPower"}
CLOCKS = ("sumElapsedDuration", "sumDuration", "directTimestamp")
HIGHEST = {"heart_rate": 260, "speed_mps": 150, "power_w": 5_000}


def to_details(raw: dict[str, Any]) -> DetailsRecord:
    """`raw` has both answers, by the names of their routes."""
    laps = VALUES.listed(Fields(raw.get("splits"), "splits").take("lapDTOs"), "lapDTOs")[:MOST_LAPS]
    details = Fields(raw.get("details"), "details")
    columns = _columns(VALUES.listed(details.take("metricDescriptors"), "metricDescriptors"))
    rows = VALUES.listed(details.take("activityDetailMetrics"), "activityDetailMetrics")
    if len(rows) > MOST_SAMPLES:
        raise VALUES.unreadable("activityDetailMetrics", "has more rows than were asked for")
    return DetailsRecord(laps=tuple(_lap(lap) for lap in laps), **_series(columns, rows))


def _lap(raw: Any) -> LapRecord:
    fields = Fields(raw, "lap")
    return LapRecord(
        duration_s=fields.number("duration") or 0.0,
        distance_m=fields.number("distance"),
        ascent_m=fields.number("elevationGain"),
        avg_hr=_pulse(fields.number("averageHR")),
        max_hr=_pulse(fields.number("maxHR")),
        avg_speed_mps=fields.number("averageSpeed"),
        avg_power_w=fields.number("averagePower"),
    )


def _columns(descriptors: Sequence[Any]) -> dict[str, int]:
    """Which place of a row holds which metric: it differs from activity to activity."""
    found = {}
    for raw in descriptors:
        fields = Fields(raw, "metricDescriptor")
        place = fields.whole("metricsIndex")
        if place is not None and 0 <= place < 200:
            found[str(fields.take("key"))] = place
    return found


def _series(columns: Mapping[str, int], rows: Sequence[Any]) -> dict[str, Any]:
    clock = next((key for key in CLOCKS if key in columns), None)
    if clock is None:
        return {}
    scale = 1000 if clock == "directTimestamp" else 1
    timed = [(at / scale, row) for row in rows if (at := _cell(row, columns[clock])) is not None]
    kept = [pair for index, pair in enumerate(timed) if index == 0 or pair[0] > timed[index - 1][0]]
    if not kept:
        return {}
    start = kept[0][0] if clock == "directTimestamp" else 0.0
    found: dict[str, Any] = {"time_s": tuple(at - start for at, _ in kept)}
    for name, key in SERIES.items():
        if key in columns:
            found[name] = tuple(_within(_cell(row, columns[key]), HIGHEST[name]) for _, row in kept)
    return found


def _cell(row: Any, place: int) -> float | None:
    metrics = VALUES.listed(Fields(row, "row").take("metrics"), "metrics")
    return VALUES.number(metrics[place], "metric") if place < len(metrics) else None


def _within(value: float | None, most: float) -> float | None:
    return value if value is not None and 0 <= value <= most else None


def _pulse(value: float | None) -> int | None:
    return round(value) if value and 20 <= value <= 260 else None
