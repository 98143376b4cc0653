"""Keeps nonsense out of the product, and says beforehand what the Training API cannot express."""

import math
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta

from integrations import errors
from integrations import shortcomings as short
from integrations.providers.garmin_partner.provider import SLUG
from integrations.providers.garmin_partner.translator import vocabulary as garmin
from integrations.records import (
    AccountRecord,
    ActivityRecord,
    End,
    EndKind,
    Intensity,
    Problem,
    RepeatStep,
    Segment,
    Sport,
    Step,
    Stroke,
    Target,
    TargetKind,
    WorkoutRecord,
    WorkoutStep,
)
from integrations.values import MOST_NAME_LETTERS

WE, GARMIN = short.PARTNER_PROGRAMME, "Garmin"
MOST_TEXT = 1024  # letters of a description
MOST_STEPS, MOST_STEPS_OF_LEGS, MOST_LEGS = 100, 250, 25
MANY_STEPS = 50  # what many watches hold
LONGEST_ACTIVITY = timedelta(days=30)
LONGEST_DISTANCE_M = 20_000_000
HIGHEST_ASCENT_M = 200_000
HIGHEST_PULSE = 300
EARLIEST = datetime(1980, 1, 1, tzinfo=UTC)
LATEST = datetime(2100, 1, 1, tzinfo=UTC)

type _Placed = tuple[WorkoutStep, Sport, tuple[RepeatStep, ...]]  # a step, its leg's sport, the repeats it opens


def validate_account(record: AccountRecord) -> AccountRecord:
    _require(bool(record.external_id), "userId", "is missing")
    return record


def validate_workout(record: WorkoutRecord) -> WorkoutRecord:
    """What we read back is what we wrote, or what a person made of it: only what no page could show is refused."""
    _require(0 < len(record.name.strip()) <= MOST_NAME_LETTERS, "name", "is empty or longer than 255 letters")
    steps = list(record.flat_steps())
    _require(len(steps) <= MOST_STEPS_OF_LEGS, "steps", f"are {len(steps)}, more than {MOST_STEPS_OF_LEGS}")
    for step in steps:
        _require(step.end.value is None or step.end.value >= 0, step.end.kind.value, "is below 0")
        for target in (step.target, step.second_target):
            in_order = target.low is None or target.high is None or target.low <= target.high
            _require(in_order, "target", "has its bounds the wrong way round")
    return record


def validate_activity(record: ActivityRecord) -> ActivityRecord:
    _require(EARLIEST <= record.started_at < LATEST, "startTimeInSeconds", "is no plausible day")
    longest = LONGEST_ACTIVITY.total_seconds()
    _require(0 < record.duration_s <= longest, "durationInSeconds", "is not above 0 and up to 30 days")
    for field, most in (("distance_m", LONGEST_DISTANCE_M), ("ascent_m", HIGHEST_ASCENT_M)):
        value = getattr(record, field)
        _require(value is None or 0 <= value <= most, field, "is out of range")
    for field in ("avg_hr", "max_hr"):
        value = getattr(record, field)
        _require(value is None or 0 < value <= HIGHEST_PULSE, field, "is no heart rate")
    return record


def unsupported(record: WorkoutRecord) -> list[Problem]:
    """What Garmin would refuse or lose, in words for a coach; empty when the workout can be sent."""
    problems = [Problem(step=0, message=message) for message in _problems_of_workout(record)]
    placed = (found for leg in record.segments for found in _placed(leg.steps, leg.sport))
    for number, (step, sport, opening) in enumerate(placed, start=1):
        problems += [Problem(step=number, message=message) for message in _problems_of_step(step, sport, opening)]
    return problems


def warnings(record: WorkoutRecord) -> list[Problem]:
    """What Garmin takes but a watch may not, or shows otherwise."""
    found = []
    if (steps := sum(1 for _ in record.flat_steps())) > MANY_STEPS:
        found.append(Problem(step=0, message=short.MANY_FOR_WATCHES.format(n=steps, most=MANY_STEPS)))
    if any(step.distance_unit not in ("", "meter") for step in record.flat_steps()):
        found.append(Problem(step=0, message=short.WATCH_UNITS))
    return found


def _require(holds: bool, field: str, why: str) -> None:
    if not holds:
        raise errors.DataError(f"{field} {why}", provider=SLUG, code="invalid", context={"field": field})


def _problems_of_workout(record: WorkoutRecord) -> Iterator[str]:
    if not record.name.strip():
        yield short.NO_NAME
    if len(record.name) > MOST_NAME_LETTERS:
        yield short.LONG_NAME.format(n=MOST_NAME_LETTERS)
    if len(record.description) > MOST_TEXT:
        yield short.LONG_DESCRIPTION.format(n=len(record.description), p=GARMIN, most=MOST_TEXT)
    if not any(True for _ in record.flat_steps()):
        yield short.NO_STEPS
    yield from _problems_of_legs(record)
    for sport in sorted({record.sport, *(segment.sport for segment in record.segments)} - garmin.SPORTS.keys()):
        yield short.NO_SPORT.format(p=WE, sport=short.spelled(sport))


def _problems_of_legs(record: WorkoutRecord) -> Iterator[str]:
    legs, is_several = record.segments, record.sport == Sport.MULTISPORT
    if len(legs) > 1 and not is_several:
        yield short.LEGS_OF_ONE_SPORT.format(n=len(legs))
    if len(legs) > MOST_LEGS:
        yield short.MANY_LEGS.format(n=len(legs), p=GARMIN, most=MOST_LEGS)
    most = MOST_STEPS_OF_LEGS if is_several else MOST_STEPS
    if (steps := sum(_count(leg.steps) for leg in legs)) > most:
        yield short.MANY_STEPS.format(n=steps, p=GARMIN, most=most)
    for place, leg in enumerate(legs, start=1):
        yield from _problems_of_leg(leg, place)


def _problems_of_leg(leg: Segment, place: int) -> Iterator[str]:
    if leg.notes:
        yield short.LEG_NOTES.format(n=place, p=GARMIN)
    if leg.sport == Sport.MULTISPORT:
        yield short.LEG_WITHOUT_SPORT.format(n=place)


def _count(steps: Sequence[Step]) -> int:
    return sum(1 + _count(step.steps) if isinstance(step, RepeatStep) else 1 for step in steps)


def _placed(steps: Sequence[Step], sport: Sport, opening: tuple[RepeatStep, ...] = ()) -> Iterator[_Placed]:
    for step in steps:
        if isinstance(step, RepeatStep):
            yield from _placed(step.steps, sport, (*opening, step))
        else:
            yield step, sport, opening
        opening = ()


def _problems_of_step(step: WorkoutStep, sport: Sport, opening: tuple[RepeatStep, ...]) -> Iterator[str]:
    for repeat in opening:
        yield from _problems_of_repeat(repeat)
    name = short.spelled(step.intensity)
    if step.intensity == Intensity.MAIN and sport != Sport.SWIMMING:
        yield short.MAIN_STEP.format(p=WE)
    if not _holds(step.extras, "durationType"):
        yield from _problems_of_end(step.end, short.STEP.format(step=name), garmin.ENDS)
    for target, field in ((step.target, "targetType"), (step.second_target, "secondaryTargetType")):
        if not _holds(step.extras, field):
            yield from _problems_of_target(target, name)
    if step.stroke == Stroke.DRILL and not _holds(step.extras, "drillType"):
        yield short.WHICH_DRILL.format(step=name, p=WE)


def _problems_of_repeat(repeat: RepeatStep) -> Iterator[str]:
    if repeat.end.kind == EndKind.ITERATIONS:
        if repeat.count is None or repeat.count < 1:
            yield short.ENDLESS_REPEAT
        return
    if repeat.count is not None:
        yield short.REPEAT_WITH_TWO_ENDS
    if not _holds(repeat.extras, "repeatType"):
        yield from _problems_of_end(repeat.end, short.REPEAT, garmin.REPEATS)


def _problems_of_end(end: End, whose: str, known: Mapping[tuple[EndKind, garmin.Compare | None], str]) -> Iterator[str]:
    kind, kinds = short.spelled(end.kind), {kind for kind, _ in known}
    if end.kind not in kinds:
        by = short.SUCH_A_THING if end.kind == EndKind.OTHER else kind
        yield short.NO_END_BY.format(p=WE, whose=whose, by=by)
    elif (end.kind, end.compare) not in known:
        words = short.END_WITH_SIDE if end.compare else short.END_WITHOUT_SIDE
        yield words.format(kind=kind, whose=whose)
    if end.zone is not None:
        yield short.NO_END_BY_ZONE.format(p=WE, whose=whose)
    elif end.kind in kinds and end.kind != EndKind.LAP_BUTTON and not (end.value and end.value > 0):
        yield short.END_WITHOUT_VALUE.format(kind=kind, whose=whose)


def _problems_of_target(target: Target, step: str) -> Iterator[str]:
    if target.kind not in garmin.TARGETS:
        words = short.NO_SUCH_TARGET if target.kind == TargetKind.OTHER else short.NO_TARGET
        yield words.format(p=WE, kind=short.spelled(target.kind), step=step)
    elif target.kind != TargetKind.NONE:
        yield from _problems_of_range(target, step)


def _problems_of_range(target: Target, step: str) -> Iterator[str]:
    name = short.spelled(target.kind)
    bounds = [bound for bound in (target.low, target.high) if bound is not None]
    if not bounds and target.zone is None:
        yield short.TARGET_WITHOUT_VALUE.format(kind=name, step=step)
    if len(bounds) == 1:
        yield short.HALF_A_RANGE.format(kind=name, step=step, p=GARMIN)
    if not all(math.isfinite(bound) for bound in bounds) or bounds != sorted(bounds):
        yield short.RANGE_BACKWARDS.format(kind=name, step=step)


def _holds(extras: Mapping[str, Mapping[str, object]], key: str) -> bool:
    return key in extras.get(SLUG, {})
