"""Weeks of an athlete, summed up from his daily totals; what a coach may not see is no part of his sums."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta

from django.db.models import Sum
from django.utils import dateformat
from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext

from accounts.models import User
from coaching import measures, policies, words
from coaching.models import DailyTotal
from coaching.plain import lowered

WEEKS = 52
WIDTH, HEIGHT = 520, 140
GAP = 2
MOST_SPORTS = 5  # with a colour of their own; the rest is one more
REST, LAST = "rest", "sport-9"
_DISTANCES = {"metric": (1000.0, "km"), "imperial": (measures.METRES_PER_MILE, "mi")}


@dataclass(slots=True)
class Sums:
    activities_n: int = 0
    duration_s: float = 0.0
    distance_m: float = 0.0
    load: float = 0.0

    def add(self, other: "Sums") -> None:
        self.activities_n += other.activities_n
        self.duration_s += other.duration_s
        self.distance_m += other.distance_m
        self.load += other.load


@dataclass(slots=True)
class Week:
    """Seven days from `start` on, by sport and in all."""

    start: date
    sports: dict[str, Sums] = field(default_factory=lambda: defaultdict(Sums))
    whole: Sums = field(default_factory=Sums)

    @property
    def by_time(self) -> list[tuple[str, Sums]]:
        return sorted(self.sports.items(), key=lambda item: -item[1].duration_s)


@dataclass(frozen=True, slots=True)
class Bars:
    """One figure: the drawing and the words at its axes."""

    key: str
    title: str
    drawing: SafeString
    heights: tuple[str, ...]
    dates: tuple[date, ...]


@dataclass(frozen=True, slots=True)
class _Measure:
    """What the bars are as high as; `size` is its unit in ours."""

    key: str
    title: str
    size: float
    unit: str

    def of(self, sums: Sums) -> float:
        return float(getattr(sums, self.key)) / self.size

    def written(self, value: float) -> str:
        return f"{measures.trimmed(value, 1)} {self.unit}".strip()


def weeks(athlete: User, viewer: User, today: date, *, with_heart_rate: bool) -> list[Week]:
    """The last 52, oldest first, weeks beginning as the viewer has set. One query.

    Without heart rate there is no load: who knows the time could tell the one from the other.
    """
    first = week_start(today, viewer.week_start) - timedelta(weeks=WEEKS - 1)
    found = {first + timedelta(weeks=number): Week(first + timedelta(weeks=number)) for number in range(WEEKS)}
    totals = DailyTotal.objects.filter(athlete=athlete, day__gte=first, day__lte=today)
    if athlete != viewer:
        totals = totals.exclude(source__in=policies.standing().hidden_from_coach)
    fields = ("activities_n", "duration_s", "distance_m", "load")
    rows = totals.values_list("day", "sport").annotate(*(Sum(name) for name in fields))
    for day, sport, *values in rows:
        sums = Sums(*values)
        sums.load *= with_heart_rate
        week = found[week_start(day, viewer.week_start)]
        week.sports[sport].add(sums)
        week.whole.add(sums)
    return list(found.values())


def week_start(day: date, first_weekday: int) -> date:
    return day - timedelta(days=(day.weekday() - first_weekday) % 7)


def main_sports(found: Iterable[Week]) -> list[str]:
    """Those with most time, each with a colour of its own."""
    times: dict[str, float] = defaultdict(float)
    for week in found:
        for sport, sums in week.sports.items():
            times[sport] += sums.duration_s
    return sorted(times, key=lambda sport: (-times[sport], sport))[:MOST_SPORTS]


def has_rest(found: Sequence[Week]) -> bool:
    """Whether there are sports beside the main ones."""
    return len({sport for week in found for sport in week.sports}) > MOST_SPORTS


def bars(found: Sequence[Week], units: str) -> list[Bars]:
    """Time, distance and load; what nobody recorded is left out."""
    classes = {sport: f"sport-{place}" for place, sport in enumerate(main_sports(found), start=1)}
    offered = [
        _Measure("duration_s", gettext("Time"), 3600.0, "h"),
        _Measure("distance_m", gettext("Distance"), *_DISTANCES["imperial" if units == "imperial" else "metric"]),
        _Measure("load", gettext("Load"), 1.0, ""),
    ]
    return [_bars(found, classes, kind) for kind in offered if any(kind.of(week.whole) for week in found)]


def _bars(found: Sequence[Week], classes: Mapping[str, str], kind: _Measure) -> Bars:
    top = _rounded_up(max(kind.of(week.whole) for week in found))
    wide = WIDTH / len(found)
    drawn = "".join(_bar(week, classes, kind, top, x=place * wide) for place, week in enumerate(found))
    said = escape(
        gettext("%(title)s per week over %(n)s weeks, at most %(value)s")
        % {"title": kind.title, "n": len(found), "value": kind.written(top)}
    )
    drawing = (
        f'<svg class="week-bars" viewBox="0 0 {WIDTH} {HEIGHT}" preserveAspectRatio="none" role="img">'
        f'<title>{said}</title><path class="grid" d="M0 .5H{WIDTH}M0 {HEIGHT / 2}H{WIDTH}M0 {HEIGHT - 0.5}H{WIDTH}"/>'
        f"{drawn}</svg>"
    )
    heights = tuple(kind.written(top * part) for part in (1, 0.5, 0))
    marks = tuple(found[place].start for place in (0, len(found) // 2, -1))
    return Bars(kind.key, kind.title, mark_safe(drawing), heights, marks)  # noqa: S308 - numbers, and escaped words


def _bar(week: Week, classes: Mapping[str, str], kind: _Measure, top: float, *, x: float) -> str:
    """The sports of one week on top of each other, in the same order every week."""
    y, parts, wide = float(HEIGHT), [], WIDTH / WEEKS - GAP
    order = sorted(week.sports, key=lambda sport: classes.get(sport, LAST))
    for sport in order:
        high = kind.of(week.sports[sport]) / top * HEIGHT
        if high > 0:
            y -= high
            name = classes.get(sport, f"sport-{REST}")
            parts.append(f'<rect class="{name}" x="{x:.1f}" y="{y:.1f}" width="{wide:.1f}" height="{high:.1f}"/>')
    if not parts:
        return ""
    kinds = ", ".join(lowered(words.sport_in_words(sport)) for sport in order)
    said = gettext("Week of %(start)s: %(title)s %(value)s, %(kinds)s") % {
        "start": dateformat.format(week.start, gettext("j F Y")),
        "title": lowered(kind.title),
        "value": kind.written(kind.of(week.whole)),
        "kinds": kinds,
    }
    return f"<g><title>{escape(said)}</title>{''.join(parts)}</g>"


def _rounded_up(value: float) -> float:
    """The next 1, 2, 4, 5, 8 or 10 of its power of ten, so that the half of it is a plain number, too."""
    power = 1.0
    while power * 10 <= value:
        power *= 10
    while power > value > 0:
        power /= 10
    return next(step * power for step in (1, 2, 4, 5, 6, 8, 10) if step * power >= value)
