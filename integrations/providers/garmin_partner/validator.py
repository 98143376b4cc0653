"""Keeps nonsense out of the product, and says beforehand what the Training API cannot express."""

import math
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta

from integrations import errors
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
        found.append(Problem(step=0, message=f"It has {steps} steps; many watches hold only {MANY_STEPS}."))
    if any(step.distance_unit not in ("", "meter") for step in record.flat_steps()):
        words = "Distances keep their length; the watch shows them in the unit that it is set to."
        found.append(Problem(step=0, message=words))
    return found


def _require(holds: bool, field: str, why: str) -> None:
    if not holds:
        raise errors.DataError(f"{field} {why}", provider=SLUG, code="invalid", context={"field": field})


def _problems_of_workout(record: WorkoutRecord) -> Iterator[str]:
    if not record.name.strip():
        yield "The workout has no name."
    if len(record.name) > MOST_NAME_LETTERS:
        yield f"The name is longer than {MOST_NAME_LETTERS} letters."
    if len(record.description) > MOST_TEXT:
        yield f"The description, with our reference, has {len(record.description)} letters; Garmin takes {MOST_TEXT}."
    if not any(True for _ in record.flat_steps()):
        yield "The workout has no steps."
    yield from _problems_of_legs(record)
    for sport in sorted({record.sport, *(segment.sport for segment in record.segments)} - garmin.SPORTS.keys()):
        yield f"Garmin's partner programme has no {_words(sport)} workouts."


def _problems_of_legs(record: WorkoutRecord) -> Iterator[str]:
    legs, is_several = record.segments, record.sport == Sport.MULTISPORT
    if len(legs) > 1 and not is_several:
        yield f"It has {len(legs)} legs; only multisport workouts have more than one."
    if len(legs) > MOST_LEGS:
        yield f"It has {len(legs)} legs; Garmin takes {MOST_LEGS}."
    most = MOST_STEPS_OF_LEGS if is_several else MOST_STEPS
    if (steps := sum(_count(leg.steps) for leg in legs)) > most:
        yield f"It has {steps} steps, repeats counted; Garmin takes {most}."
    for place, leg in enumerate(legs, start=1):
        yield from _problems_of_leg(leg, place)


def _problems_of_leg(leg: Segment, place: int) -> Iterator[str]:
    if leg.notes:
        yield f"The notes of leg {place} have no place at Garmin. Put them into a step or into the description."
    if leg.sport == Sport.MULTISPORT:
        yield f"Leg {place} has no sport of its own."


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
    name = _words(step.intensity)
    if step.intensity == Intensity.MAIN and sport != Sport.SWIMMING:
        yield "Garmin's partner programme knows main steps in swims alone."
    if not _holds(step.extras, "durationType"):
        yield from _problems_of_end(step.end, f"the {name} step", garmin.ENDS)
    for target, field in ((step.target, "targetType"), (step.second_target, "secondaryTargetType")):
        if not _holds(step.extras, field):
            yield from _problems_of_target(target, name)
    if step.stroke == Stroke.DRILL and not _holds(step.extras, "drillType"):
        yield f"The {name} step is a drill; Garmin's partner programme asks which: kick, pull or butterfly."


def _problems_of_repeat(repeat: RepeatStep) -> Iterator[str]:
    if repeat.end.kind == EndKind.ITERATIONS:
        if repeat.count is None or repeat.count < 1:
            yield "The repeat says neither how often nor until when."
        return
    if repeat.count is not None:
        yield "The repeat says both how often and until when."
    if not _holds(repeat.extras, "repeatType"):
        yield from _problems_of_end(repeat.end, "a repeat", garmin.REPEATS)


def _problems_of_end(end: End, whose: str, known: Mapping[tuple[EndKind, garmin.Compare | None], str]) -> Iterator[str]:
    kinds = {kind for kind, _ in known}
    if end.kind not in kinds:
        by = "such a thing" if end.kind == EndKind.OTHER else _words(end.kind)
        yield f"Garmin's partner programme cannot end {whose} by {by}."
    elif (end.kind, end.compare) not in known:
        how = "cannot be one to go above or below" if end.compare else "says neither above nor below"
        yield f"The {_words(end.kind)} that ends {whose} {how}."
    if end.zone is not None:
        yield f"Garmin's partner programme cannot end {whose} by a zone."
    elif end.kind in kinds and end.kind != EndKind.LAP_BUTTON and not (end.value and end.value > 0):
        yield f"The {_words(end.kind)} that ends {whose} has no value."


def _problems_of_target(target: Target, step: str) -> Iterator[str]:
    if target.kind not in garmin.TARGETS:
        kind = "such" if target.kind == TargetKind.OTHER else _words(target.kind)
        yield f"Garmin's partner programme has no {kind} target for the {step} step."
    elif target.kind != TargetKind.NONE:
        yield from _problems_of_range(target, step)


def _problems_of_range(target: Target, step: str) -> Iterator[str]:
    name = _words(target.kind)
    bounds = [bound for bound in (target.low, target.high) if bound is not None]
    if not bounds and target.zone is None:
        yield f"The {name} target of the {step} step names neither a zone nor a range."
    if len(bounds) == 1:
        yield f"The {name} range of the {step} step has one bound; Garmin takes two."
    if not all(math.isfinite(bound) for bound in bounds) or bounds != sorted(bounds):
        yield f"The {name} range of the {step} step has its bounds the wrong way round."


def _holds(extras: Mapping[str, Mapping[str, object]], key: str) -> bool:
    return key in extras.get(SLUG, {})


def _words(value: str) -> str:
    return value.replace("_", " ")
