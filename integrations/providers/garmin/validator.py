"""Keeps nonsense out of the product, and says beforehand what Garmin cannot express."""

import math
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import count

from integrations import errors
from integrations import shortcomings as short
from integrations.providers.garmin.provider import SLUG
from integrations.providers.garmin.translator import vocabulary as garmin
from integrations.records import (
    AccountRecord,
    ActivityRecord,
    End,
    EndKind,
    Problem,
    RepeatStep,
    Step,
    Target,
    TargetKind,
    WorkoutRecord,
    WorkoutStep,
)
from integrations.values import MOST_NAME_LETTERS

WE = "Garmin"
MOST_EXPANDED_STEPS = 500
MOST_ROUNDS = 500
DEEPEST_REPEAT = 3
HIGHEST_ZONE = 10
MOST_LEGS = 25
MANY_STEPS = 50  # what many watches hold
HEAVIEST_KG = 2_000
LONGEST_POOL = 500
LONGEST_ACTIVITY = timedelta(days=30)
LONGEST_DISTANCE_M = 10_000_000
HIGHEST_PULSE = 300
EARLIEST = datetime(1980, 1, 1, tzinfo=UTC)
LATEST = datetime(2100, 1, 1, tzinfo=UTC)

WEEK_S = 7 * 24 * 3600
# Above 0 and at most this; the kinds that are not here need no value.
MOST_OF_END = {
    EndKind.TIME: WEEK_S,
    EndKind.DISTANCE: 5_000_000,
    EndKind.CALORIES: 100_000,
    EndKind.POWER: 5_000,
    EndKind.HEART_RATE: HIGHEST_PULSE,
    EndKind.REPS: 10_000,
    EndKind.FIXED_REST: WEEK_S,
    EndKind.SEND_OFF: WEEK_S,
    EndKind.VELOCITY_LOSS: 100,
    EndKind.POWER_LOSS: 100,
}
# From and to, both included; pace and speed are metres per second, and standing still is neither.
RANGE_OF_TARGET = {
    TargetKind.HEART_RATE: (20, HIGHEST_PULSE),
    TargetKind.POWER: (0, 5_000),
    TargetKind.PACE: (0.05, 60),
    TargetKind.SPEED: (0.05, 60),
    TargetKind.CADENCE: (0, 400),
    TargetKind.GRADE: (-100, 100),
    TargetKind.RESISTANCE: (0, 1_000),
    TargetKind.CSS_OFFSET: (-600, 600),
}
ANY_RANGE = (-1e6, 1e6)
ZONES = {TargetKind.HEART_RATE: 5, TargetKind.POWER: 7}
ZONE_WORDS = {TargetKind.HEART_RATE: short.HEART_RATE_ZONE, TargetKind.POWER: "power"}

type _Placed = tuple[
    WorkoutStep, tuple[RepeatStep, ...]
]  # a step, and the repeats that begin with it: they have no number


def validate_account(record: AccountRecord) -> AccountRecord:
    _require(bool(record.external_id), "account", "has no id")
    return record


def validate_workout(record: WorkoutRecord) -> WorkoutRecord:
    """DataError names the step and the field; `context` holds both."""
    _require(0 < len(record.name.strip()) <= MOST_NAME_LETTERS, "name", "is empty or longer than 255 letters")
    for field in ("duration_s", "distance_m"):
        value = getattr(record, field)
        _require(value is None or 0 <= value <= LONGEST_DISTANCE_M, field, "is out of range")
    _require_pool(record.pool_length)
    expanded, number = 0, count(1)
    for segment in record.segments:
        _require_pool(segment.pool_length)
        expanded += _require_steps(segment.steps, number, depth=0)
    _require(expanded <= MOST_EXPANDED_STEPS, "steps", f"are {expanded:.6g}, more than {MOST_EXPANDED_STEPS}")
    return record


def validate_activity(record: ActivityRecord) -> ActivityRecord:
    _require(EARLIEST <= record.started_at < LATEST, "started_at", "is no plausible day")
    _require(0 < record.duration_s <= LONGEST_ACTIVITY.total_seconds(), "duration", "is not above 0 and up to 30 days")
    _require(record.distance_m is None or 0 <= record.distance_m <= LONGEST_DISTANCE_M, "distance", "is out of range")
    for field in ("avg_hr", "max_hr"):
        value = getattr(record, field)
        _require(value is None or 0 < value <= HIGHEST_PULSE, field, "is no heart rate")
    return record


def unsupported(record: WorkoutRecord) -> list[Problem]:
    """What Garmin would refuse or lose, in words for a coach; empty when the workout can be sent."""
    problems = [Problem(step=0, message=message) for message in _problems_of_workout(record)]
    placed = (pair for segment in record.segments for pair in _placed(segment.steps))
    for number, (step, opening) in enumerate(placed, start=1):
        problems += [Problem(step=number, message=message) for message in _problems_of_step(step, opening)]
    return problems


def warnings(record: WorkoutRecord) -> list[Problem]:
    """What Garmin takes but a watch may not."""
    if (steps := sum(1 for _ in record.flat_steps())) > MANY_STEPS:
        return [Problem(step=0, message=short.MANY_FOR_WATCHES.format(n=steps, most=MANY_STEPS))]
    return []


def _require(holds: bool, field: str, why: str, *, step: int = 0) -> None:
    if not holds:
        where = f"step {step}: " if step else ""
        raise errors.DataError(
            f"{where}{field} {why}", provider=SLUG, code="invalid", context={"step": step, "field": field}
        )


def _require_pool(length: float | None) -> None:
    _require(length is None or 0 < length <= LONGEST_POOL, "pool_length", "is out of range")


def _require_steps(steps: Sequence[Step], number: Iterator[int], *, depth: int) -> int:
    """How many steps an athlete does; `number` counts those that are written down."""
    return sum(
        _require_repeat(step, number, depth=depth + 1)
        if isinstance(step, RepeatStep)
        else _require_step(step, next(number))
        for step in steps
    )


def _require_repeat(repeat: RepeatStep, number: Iterator[int], *, depth: int) -> int:
    _require(depth <= DEEPEST_REPEAT, "repeat", f"stands more than {DEEPEST_REPEAT} deep")
    if repeat.end.kind == EndKind.ITERATIONS or repeat.count is not None:
        _require(1 <= (repeat.count or 0) <= MOST_ROUNDS, "repeat count", f"is not between 1 and {MOST_ROUNDS}")
    _require_end(repeat.end, step=0)
    return (repeat.count or 1) * _require_steps(repeat.steps, number, depth=depth)


def _require_step(step: WorkoutStep, number: int) -> int:
    _require_end(step.end, step=number)
    _require_target(step.target, "target", step=number)
    _require_target(step.second_target, "second target", step=number)
    weight = step.weight_kg
    _require(weight is None or 0 <= weight <= HEAVIEST_KG, "weight", "is out of range", step=number)
    return 1


def _require_end(end: End, *, step: int) -> None:
    _require_zone(end.zone, "end zone", step=step)
    most = MOST_OF_END.get(end.kind)
    if most is None or (end.value is None and end.zone):
        return
    _require(end.value is not None, end.kind.value, "has no value", step=step)
    _require(0 < (end.value or 0) <= most, end.kind.value, f"is not above 0 and up to {most}", step=step)


def _require_target(target: Target, field: str, *, step: int) -> None:
    _require_zone(target.zone, f"{field} zone", step=step)
    least, most = RANGE_OF_TARGET.get(target.kind, ANY_RANGE)
    for value in (target.low, target.high):
        if value is not None:
            within = math.isfinite(value) and least <= value <= most
            _require(within, f"{field} {target.kind.value}", f"is not between {least} and {most}", step=step)
    if target.low is not None and target.high is not None:
        _require(target.low <= target.high, field, "has its bounds the wrong way round", step=step)


def _require_zone(zone: int | None, field: str, *, step: int) -> None:
    _require(zone is None or 1 <= zone <= HIGHEST_ZONE, field, f"is not between 1 and {HIGHEST_ZONE}", step=step)


def _problems_of_workout(record: WorkoutRecord) -> Iterator[str]:
    if not record.name.strip():
        yield short.NO_NAME
    if len(record.name) > MOST_NAME_LETTERS:
        yield short.LONG_NAME.format(n=MOST_NAME_LETTERS)
    if not any(True for _ in record.flat_steps()):
        yield short.NO_STEPS
    if len(record.segments) > MOST_LEGS:
        yield short.MANY_LEGS.format(n=len(record.segments), p=WE, most=MOST_LEGS)
    for sport in sorted({record.sport, *(segment.sport for segment in record.segments)} - garmin.SPORTS.entries.keys()):
        yield short.NO_SPORT.format(p=WE, sport=short.spelled(sport))


def _placed(steps: Sequence[Step], opening: tuple[RepeatStep, ...] = ()) -> Iterator[_Placed]:
    for step in steps:
        if isinstance(step, RepeatStep):
            yield from _placed(step.steps, (*opening, step))
        else:
            yield step, opening
        opening = ()


def _problems_of_step(step: WorkoutStep, opening: tuple[RepeatStep, ...]) -> Iterator[str]:
    for repeat in opening:
        yield from _problems_of_repeat(repeat)
    name = short.spelled(step.intensity)
    if step.end.kind == EndKind.OTHER and not _holds(step.extras, "endCondition"):
        yield short.NO_SUCH_END.format(p=WE, whose=short.STEP.format(step=name))
    for target, field in ((step.target, "targetType"), (step.second_target, "secondaryTargetType")):
        yield from _problems_of_target(target, name, known=_holds(step.extras, field))


def _problems_of_repeat(repeat: RepeatStep) -> Iterator[str]:
    if repeat.end.kind == EndKind.ITERATIONS and repeat.count is None:
        yield short.ENDLESS_REPEAT
    if repeat.end.kind == EndKind.OTHER and not _holds(repeat.extras, "endCondition"):
        yield short.NO_SUCH_END.format(p=WE, whose=short.REPEAT)


def _problems_of_target(target: Target, step: str, *, known: bool) -> Iterator[str]:
    if target.kind == TargetKind.OTHER and not known:
        yield short.NO_SUCH_TARGET.format(p=WE, step=step)
    most = ZONES.get(target.kind)
    if most and target.zone and target.zone > most:
        yield short.HIGH_ZONE.format(step=step, kind=ZONE_WORDS[target.kind], zone=target.zone, p=WE, most=most)


def _holds(extras: Mapping[str, Mapping[str, object]], key: str) -> bool:
    return key in extras.get(SLUG, {})
