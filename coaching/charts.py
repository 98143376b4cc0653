"""Small pictures and sums of a workout's steps, drawn on the server; colours and dark mode are the stylesheet's."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import batched, islice
from typing import Literal

from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext

from coaching import words
from coaching.measures import SLOWEST_MPS, total_time
from integrations.records import (
    EndKind,
    Intensity,
    RepeatStep,
    Segment,
    Sport,
    Step,
    Target,
    TargetKind,
    WorkoutRecord,
    WorkoutStep,
)

SIZES = {"card": (120, 32), "page": (720, 180)}
MOST_BARS = 300
MOST_PLAYED = 5_000  # steps ever looked at, whatever a stored record says
MOST_ROUNDS = 50  # drawn where the athlete decides how many
TITLED_LETTERS = 300

# Guesses, where the workout does not say: a jog, an easy ride, a quiet swim.
USUAL_MPS = {Sport.RUNNING: 2.9, Sport.CYCLING: 7.5, Sport.SWIMMING: 0.9, Sport.ROWING: 3.5, Sport.WALKING: 1.4}
OTHER_MPS = 1.5
KCAL_PER_S = 10 / 60
SECONDS_PER_REP = 3.0
OPEN_S = {Intensity.REST: 60.0, Intensity.RECOVERY: 120.0}
OPEN_EXERCISE_S = 45.0
OTHER_OPEN_S = 300.0

RESTING = {Intensity.REST: 0, Intensity.RECOVERY: 1}
USUAL_EFFORT = {
    Intensity.WARMUP: 2,
    Intensity.COOLDOWN: 2,
    Intensity.INTERVAL: 4,
    Intensity.MAIN: 3,
    Intensity.OTHER: 2,
}
HIGHEST_ZONE = {TargetKind.POWER: 7}
# How far below the workout's hardest target of the same kind an effort still is 5, 4, 3, 2.
SHARES = ((0.95, 5), (0.88, 4), (0.78, 3), (0.6, 2))
HEIGHTS = (0.12, 0.28, 0.44, 0.62, 0.8, 1.0)


@dataclass(frozen=True)
class Totals:
    """The sums over every round. `exact` when each step says how long it takes; distances count only what is known."""

    duration_s: float
    distance_m: float | None
    exact: bool


@dataclass(frozen=True)
class _Played:
    """One step as the athlete meets it, rounds counted out."""

    step: WorkoutStep
    segment: Segment
    repeated: bool = False


@dataclass(frozen=True)
class _Bar:
    seconds: float
    effort: int
    kind: Intensity
    title: str


def totals(record: WorkoutRecord) -> Totals:
    played = list(_played(record))
    seconds = [_seconds(item) for item in played]
    metres = [length for item in played if (length := _metres(item)) is not None]
    return Totals(
        duration_s=sum(value for value, _ in seconds),
        distance_m=sum(metres) if metres else None,
        exact=bool(seconds) and all(exact for _, exact in seconds),
    )


def played(record: WorkoutRecord) -> list[tuple[WorkoutStep, Segment]]:
    """Each step as often as it is done, in order; of endless repeats the first few hundred."""
    return [(item.step, item.segment) for item in _played(record)]


def step_profile(record: WorkoutRecord, *, size: Literal["card", "page"] = "card", units: str = "metric") -> SafeString:
    """The steps as bars: as wide as they last, as high as they are hard. An SVG without any style of its own."""
    width, height = SIZES[size]
    bars = _bars(record, units, titled=size == "page")
    drawn = "".join(_drawn(bars, width, height - 1, titled=size == "page"))
    axis = f'<line class="axis" x1="0" y1="{height - 0.5}" x2="{width}" y2="{height - 0.5}"/>'
    title = escape(gettext("Step profile of %(name)s") % {"name": record.name})
    return mark_safe(  # noqa: S308 - numbers, words of our enums, and escaped text
        f'<svg class="profile profile-{size}" viewBox="0 0 {width} {height}" role="img">'
        f"<title>{title}</title><desc>{escape(_description(record, units))}</desc>{drawn}{axis}</svg>"
    )


def _description(record: WorkoutRecord, units: str) -> str:
    sums = totals(record)
    if not sums.duration_s:
        return gettext("No steps.")
    about = (
        total_time(sums.duration_s) if sums.exact else gettext("about %(time)s") % {"time": total_time(sums.duration_s)}
    )
    text = f"{_capitalised(about)}: {words.in_one_line(record, units)}"
    return text if len(text) <= TITLED_LETTERS else text[: TITLED_LETTERS - 1] + "…"


def _capitalised(text: str) -> str:
    return text[:1].upper() + text[1:]


def _drawn(bars: Sequence[_Bar], width: int, height: int, *, titled: bool) -> Iterator[str]:
    whole = sum(bar.seconds for bar in bars) or 1.0
    gap = min(width / 360, width / (4 * len(bars))) if bars else 0
    x = 0.0
    for bar in bars:
        wide = width * bar.seconds / whole
        high = height * HEIGHTS[bar.effort]
        shape = (
            f'x="{x:.2f}" y="{height - high:.2f}" width="{max(wide - gap, 0.2):.2f}" height="{high:.2f}" '
            f'class="effort-{bar.effort} kind-{bar.kind.value}"'
        )
        yield f"<rect {shape}><title>{escape(bar.title)}</title></rect>" if titled else f"<rect {shape}/>"
        x += wide


def _bars(record: WorkoutRecord, units: str, *, titled: bool) -> list[_Bar]:
    """One for each step; of very many, neighbours are drawn together, as hard as the hardest of them."""
    played = list(_played(record))
    hardest = _hardest(played)
    bars = [
        _Bar(
            seconds=max(_seconds(item)[0], 0.001),
            effort=_effort(item, hardest),
            kind=item.step.intensity,
            title=words.step_in_words(item.step, item.segment, units) if titled else "",
        )
        for item in played
    ]
    together = -(-len(bars) // MOST_BARS)
    return [_merged(group) for group in batched(bars, together)] if together > 1 else bars


def _merged(group: Sequence[_Bar]) -> _Bar:
    hardest = max(group, key=lambda bar: bar.effort)
    return replace(hardest, seconds=sum(bar.seconds for bar in group))


def _played(record: WorkoutRecord) -> Iterator[_Played]:
    return islice((item for segment in record.segments for item in _played_segment(segment)), MOST_PLAYED)


def _played_segment(segment: Segment) -> Iterator[_Played]:
    for step in segment.steps:
        yield from _played_step(step, segment, repeated=False)


def _played_step(step: Step, segment: Segment, *, repeated: bool) -> Iterator[_Played]:
    if isinstance(step, WorkoutStep):
        yield _Played(step, segment, repeated)
        return
    once = list(
        islice((item for child in step.steps for item in _played_step(child, segment, repeated=True)), MOST_PLAYED)
    )
    rounds = _rounds(step, once)
    for turn in range(rounds):
        yield from once[:-1] if step.skip_last_rest and turn == rounds - 1 and _ends_in_rest(step) else once


def _rounds(repeat: RepeatStep, once: Sequence[_Played]) -> int:
    """As often as it says; until a time is over, as often as fits."""
    if not once:
        return 0
    if repeat.count is not None:
        return repeat.count
    if repeat.end.kind != EndKind.TIME or not repeat.end.value:
        return 1
    seconds = sum(_seconds(item)[0] for item in once) or 1.0
    return max(1, min(MOST_ROUNDS, round(repeat.end.value / seconds)))


def _ends_in_rest(repeat: RepeatStep) -> bool:
    last = repeat.steps[-1]
    return isinstance(last, WorkoutStep) and last.intensity in RESTING


def _seconds(item: _Played) -> tuple[float, bool]:
    """How long the step takes, and whether it says so itself."""
    end, value = item.step.end, item.step.end.value
    if value is not None and end.kind in (EndKind.TIME, EndKind.FIXED_REST):
        return value, True
    if value is not None and end.kind == EndKind.DISTANCE:
        return value / (_mps(item.step) or USUAL_MPS.get(item.segment.sport, OTHER_MPS)), False
    if value is not None and end.kind == EndKind.CALORIES:
        return value / KCAL_PER_S, False
    if value is not None and end.kind == EndKind.REPS:
        return value * SECONDS_PER_REP, False
    if item.step.intensity not in OPEN_S and (item.step.exercise or item.step.exercise_category):
        return OPEN_EXERCISE_S, False
    return OPEN_S.get(item.step.intensity, OTHER_OPEN_S), False


def _metres(item: _Played) -> float | None:
    end = item.step.end
    if end.kind == EndKind.DISTANCE:
        return end.value
    speed = _mps(item.step)
    return end.value * speed if end.kind == EndKind.TIME and end.value is not None and speed else None


def _mps(step: WorkoutStep) -> float | None:
    """The speed in the middle of a pace or speed target."""
    for target in (step.target, step.second_target):
        if target.kind in (TargetKind.PACE, TargetKind.SPEED):
            middle = _middle(target)
            return middle if middle is not None and middle >= SLOWEST_MPS else None
    return None


def _middle(target: Target) -> float | None:
    bounds = [value for value in (target.low, target.high) if value is not None]
    return sum(bounds) / len(bounds) if bounds else None


def _hardest(played: Iterable[_Played]) -> dict[TargetKind, float]:
    """The highest target of each kind, where a workout has several to compare."""
    found: dict[TargetKind, set[float]] = {}
    for item in played:
        middle = _middle(item.step.target)
        if middle is not None and item.step.intensity not in RESTING:
            found.setdefault(item.step.target.kind, set()).add(middle)
    return {kind: max(values) for kind, values in found.items() if len(values) > 1 and max(values) > 0}


def _effort(item: _Played, hardest: dict[TargetKind, float]) -> int:
    """0 for rest to 5 for all out: what its zone says, else its target beside the others, else what such steps are."""
    step, target = item.step, item.step.target
    if step.intensity in RESTING:
        return RESTING[step.intensity]
    if target.zone:
        highest = HIGHEST_ZONE.get(target.kind, 5)
        return max(1, min(5, round(target.zone * 5 / highest)))
    middle = _middle(target)
    if middle is not None and target.kind in hardest:
        share = middle / hardest[target.kind]
        return next((effort for least, effort in SHARES if share >= least), 1)
    usual = USUAL_EFFORT.get(step.intensity, 2)
    return usual if item.repeated or step.intensity != Intensity.INTERVAL else usual - 1
