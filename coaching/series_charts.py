"""Curves of an activity, drawn on the server. Words stand beside the drawing, so they never shrink with it."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from math import ceil, floor

from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext

from coaching import measures
from integrations.records import DetailsRecord, Sport

WIDTH, HEIGHT = 600, 160
BY_SPEED = {Sport.CYCLING, Sport.ROWING, Sport.OTHER, Sport.MULTISPORT, Sport.CARDIO}  # all others by pace
SLICES = 12
LEAST_SAMPLES = 2
LONGEST_GAP_S = 120.0  # between two samples that one stroke of the line may bridge
SLOWEST_SHOWN = 0.3  # of the middle speed: below it the curve touches the ground
NOT_GIVEN = "–"

type Samples = Sequence[float | None]
type Write = Callable[[float], str]


@dataclass(frozen=True, slots=True)
class Curve:
    """One series as a figure: the drawing, the words beside its axes, and its mean."""

    key: str
    title: str
    unit: str
    drawing: SafeString
    heights: tuple[str, ...]  # from the top down
    times: tuple[str, ...]
    mean: str


@dataclass(frozen=True, slots=True)
class Slice:
    """A row of the table: the means of a stretch of time, one of each curve."""

    times: str
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Kind:
    key: str
    title: str
    unit: str
    samples: Samples
    write: Write
    step: float  # the ends of the axis are multiples of it
    grounded: bool = False


def curves(details: DetailsRecord, *, sport: str, units: str) -> list[Curve]:
    return [_curve(kind, details.time_s) for kind in _kinds(details, sport, units)]


def slices(details: DetailsRecord, *, sport: str, units: str) -> list[Slice]:
    """The same figures as a table, in equal stretches of time."""
    kinds = _kinds(details, sport, units)
    if not kinds or not details.time_s[-1]:
        return []
    length = details.time_s[-1] / SLICES
    bounds = [index * length for index in range(SLICES + 1)]
    found = []
    for start, end in pairwise(bounds):
        inside = [index for index, at in enumerate(details.time_s) if start <= at < end or at == end == bounds[-1]]
        means = [_mean([kind.samples[index] for index in inside]) for kind in kinds]
        values = tuple(NOT_GIVEN if m is None else k.write(m) for k, m in zip(kinds, means, strict=True))
        found.append(Slice(f"{measures.clock(start)}–{measures.clock(end)}", values))
    return found


@dataclass(frozen=True, slots=True)
class Lap:
    """A row of the laps; "" where the source does not tell."""

    number: int
    time: str
    distance: str
    speed: str
    heart_rate: str
    power: str
    ascent: str


def laps(details: DetailsRecord, *, sport: str, units: str) -> list[Lap]:
    _, _, write = speed_words(sport, units)
    found = []
    for number, lap in enumerate(details.laps, start=1):
        speed = lap.avg_speed_mps
        if speed is None and lap.distance_m and lap.duration_s:
            speed = lap.distance_m / lap.duration_s
        found.append(
            Lap(
                number=number,
                time=measures.clock(lap.duration_s),
                distance=measures.distance(lap.distance_m, units) if lap.distance_m else "",
                speed=write(speed) if speed else "",
                heart_rate=f"{lap.avg_hr}" if lap.avg_hr else "",
                power=f"{lap.avg_power_w:.0f}" if lap.avg_power_w else "",
                ascent=measures.height(lap.ascent_m, units) if lap.ascent_m is not None else "",
            )
        )
    return found


def speed_words(sport: str, units: str) -> tuple[str, str, Write]:
    """How this sport's people write speed: title, unit, and the way to write metres a second."""
    if sport in BY_SPEED:
        factor, unit = measures.speed_unit(units)
        return gettext("Speed"), unit, lambda speed: measures.trimmed(speed * factor, 1)
    metres, unit = measures.pace_unit(units, swimming=sport == Sport.SWIMMING)
    return gettext("Pace"), unit, lambda speed: measures.pace(speed, metres) or NOT_GIVEN


def _kinds(details: DetailsRecord, sport: str, units: str) -> list[_Kind]:
    title, unit, write = speed_words(sport, units)
    offered = [
        _Kind("heart_rate", gettext("Heart rate"), "bpm", details.heart_rate, "{:.0f}".format, 10),
        _Kind("speed", title, unit, details.speed_mps, write, 0.1, grounded=True),
        _Kind("power", gettext("Power"), "W", details.power_w, "{:.0f}".format, 20),
    ]
    return [kind for kind in offered if sum(value is not None for value in kind.samples) >= LEAST_SAMPLES]


def _curve(kind: _Kind, times: Sequence[float]) -> Curve:
    known = [value for value in kind.samples if value is not None]
    low, high = _bounds(kind, known)
    mean = sum(known) / len(known)
    ends = times[-1] or 1.0
    y = partial(_y, low=low, high=high)
    path = _path([(at / ends * WIDTH, at, value) for at, value in zip(times, kind.samples, strict=True)], y)
    said = gettext("%(title)s over %(time)s: %(value)s %(unit)s on average") % {
        "title": kind.title,
        "time": measures.total_time(ends),
        "value": kind.write(mean),
        "unit": kind.unit,
    }
    drawing = (
        f'<svg class="curve curve-{kind.key}" viewBox="0 0 {WIDTH} {HEIGHT}" preserveAspectRatio="none" role="img">'
        f"<title>{escape(said)}</title>"
        f'<path class="grid" d="M0 .5H{WIDTH}M0 {HEIGHT / 2}H{WIDTH}M0 {HEIGHT - 0.5}H{WIDTH}"/>'
        f'<path class="mean" d="M0 {y(mean):.1f}H{WIDTH}"/><path class="line" d="{path}"/></svg>'
    )
    return Curve(
        key=kind.key,
        title=kind.title,
        unit=kind.unit,
        drawing=mark_safe(drawing),  # noqa: S308 - numbers, and escaped words
        heights=tuple(kind.write(value) for value in (high, (low + high) / 2, low)),
        times=tuple(measures.clock(ends * part / 4) for part in range(5)),
        mean=f"{kind.write(mean)} {kind.unit}",
    )


def _bounds(kind: _Kind, known: Sequence[float]) -> tuple[float, float]:
    """The ends of the axis. Standing still would press a curve of speeds to the top, so it ends above that."""
    low, high = min(known), max(known)
    if kind.grounded:
        low = max(low, sorted(known)[len(known) // 2] * SLOWEST_SHOWN)
    low, high = floor(low / kind.step) * kind.step, ceil(high / kind.step) * kind.step
    return (low, high) if high > low else (low - kind.step, high + kind.step)


def _y(value: float, *, low: float, high: float) -> float:
    """Downwards from the top, as drawings count; what lies outside of the axis stands at its end."""
    return HEIGHT - (min(max(value, low), high) - low) / (high - low) * HEIGHT


def _path(points: Sequence[tuple[float, float, float | None]], y: Callable[[float], float]) -> str:
    return " ".join(_strokes(points, y))


def _strokes(points: Sequence[tuple[float, float, float | None]], y: Callable[[float], float]) -> Iterator[str]:
    """A line that is broken where nothing was measured."""
    last: float | None = None
    for x, at, value in points:
        if value is None:
            last = None
            continue
        begins = last is None or at - last > LONGEST_GAP_S
        yield f"{'M' if begins else 'L'}{x:.1f} {y(value):.1f}"
        last = at


def _mean(values: Samples) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None
