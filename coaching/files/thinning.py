"""Many samples to as many as a chart shows."""

from collections.abc import Sequence
from itertools import batched

from coaching.files.shapes import Point
from integrations.records import DetailsRecord, LapRecord

MOST_SAMPLES = 600
SERIES = ("heart_rate", "speed_mps", "power_w")
DIGITS = {"heart_rate": 1, "speed_mps": 3, "power_w": 1}

type Samples = Sequence[float | None]


def details_of(laps: Sequence[LapRecord], points: Sequence[Point]) -> DetailsRecord:
    """Of a file's points; those that go back in time are left out."""
    kept: list[Point] = []
    for point in points:
        if not kept or point.at > kept[-1].at:
            kept.append(point)
    seconds = [(point.at - kept[0].at).total_seconds() for point in kept]
    series = {name: tuple(getattr(point, name) for point in kept) for name in SERIES}
    return thinned(DetailsRecord(laps=tuple(laps), time_s=tuple(seconds), **series))


def thinned(record: DetailsRecord) -> DetailsRecord:
    """At most MOST_SAMPLES of each series: the means of neighbours. A series that is empty throughout is dropped."""
    size = max(1, -(-len(record.time_s) // MOST_SAMPLES))
    series = {name: _means(getattr(record, name), size, DIGITS[name]) for name in SERIES}
    known = {name: samples for name, samples in series.items() if any(value is not None for value in samples)}
    times = tuple(round(group[0], 1) for group in batched(record.time_s, size))
    return DetailsRecord(laps=record.laps, time_s=times, **known)


def _means(samples: Samples, size: int, digits: int) -> tuple[float | None, ...]:
    return tuple(_mean(group, digits) for group in batched(samples, size))


def _mean(samples: Samples, digits: int) -> float | None:
    known = [value for value in samples if value is not None]
    return round(sum(known) / len(known), digits) if known else None
