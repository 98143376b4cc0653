"""What somebody may write as a workout: within what people do and watches hold. Pure; names the field."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from integrations.records import End, EndKind, RepeatStep, Segment, Step, Target, TargetKind, WorkoutRecord, WorkoutStep

MOST_STEPS = 500  # each repeat counted as often as it is done
DEEPEST = 3
MOST_ROUNDS = 99
MOST_SEGMENTS = 10
HIGHEST_ZONE = 7
LONGEST_NAME, LONGEST_TEXT = 120, 2000
MEASURED = {EndKind.TIME, EndKind.DISTANCE, EndKind.CALORIES, EndKind.REPS, EndKind.FIXED_REST, EndKind.SEND_OFF}
LARGEST = {EndKind.TIME: 86_400.0, EndKind.DISTANCE: 1_000_000.0}  # a day, 1,000 km
LARGEST_ELSE = 100_000.0
SIGNED = {TargetKind.GRADE, TargetKind.CSS_OFFSET}
FASTEST_MPS = 40.0
HEAVIEST_KG = 1_000.0
LONGEST_POOL = 1_000.0


class Fault(NamedTuple):
    field: str  # as a path: segments.0.steps.2.end.value
    message: str


def faults(record: WorkoutRecord) -> list[Fault]:
    """All that is wrong with it, at most twenty."""
    found = [*_of_frame(record), *_of_size(record)]
    if not found:
        for i, segment in enumerate(record.segments):
            found += _of_segment(f"segments.{i}", segment)
    return found[:20]


def expanded(steps: Sequence[Step]) -> int:
    """How many single steps a watch goes through; rounds without a number count once."""
    return sum((step.count or 1) * expanded(step.steps) if isinstance(step, RepeatStep) else 1 for step in steps)


def depth(steps: Sequence[Step]) -> int:
    return max((1 + depth(step.steps) for step in steps if isinstance(step, RepeatStep)), default=0)


def _of_frame(record: WorkoutRecord) -> Iterator[Fault]:
    if not 1 <= len(record.name.strip()) <= LONGEST_NAME:
        yield Fault("name", f"has 1 to {LONGEST_NAME} letters")
    if len(record.description) > LONGEST_TEXT:
        yield Fault("description", f"has at most {LONGEST_TEXT} letters")
    for name in ("external_id", "version"):
        if getattr(record, name):
            yield Fault(name, "is ours to set; leave it out")
    if record.extras:
        yield Fault("extras", "come from a provider; leave them out")
    yield from _within("duration_s", record.duration_s, LARGEST[EndKind.TIME])
    yield from _within("distance_m", record.distance_m, LARGEST[EndKind.DISTANCE])
    yield from _within("pool_length", record.pool_length, LONGEST_POOL)


def _of_size(record: WorkoutRecord) -> Iterator[Fault]:
    if not 1 <= len(record.segments) <= MOST_SEGMENTS:
        yield Fault("segments", f"are 1 to {MOST_SEGMENTS}")
    for i, segment in enumerate(record.segments):
        if not segment.steps:
            yield Fault(f"segments.{i}.steps", "has at least one step")
        if depth(segment.steps) > DEEPEST:
            yield Fault(f"segments.{i}.steps", f"repeats stand in each other at most {DEEPEST} deep")
    if sum(expanded(segment.steps) for segment in record.segments) > MOST_STEPS:
        yield Fault("segments", f"come to at most {MOST_STEPS} steps, repeats counted as often as they are done")


def _of_segment(path: str, segment: Segment) -> Iterator[Fault]:
    if segment.extras:
        yield Fault(f"{path}.extras", "come from a provider; leave them out")
    yield from _of_text(path, segment.notes)
    yield from _within(f"{path}.pool_length", segment.pool_length, LONGEST_POOL)
    yield from _of_steps(f"{path}.steps", segment.steps)


def _of_steps(path: str, steps: Sequence[Step]) -> Iterator[Fault]:
    for i, step in enumerate(steps):
        at = f"{path}.{i}"
        if step.extras:
            yield Fault(f"{at}.extras", "come from a provider; leave them out")
        yield from _of_text(at, step.notes)
        yield from _of_end(f"{at}.end", step.end)
        yield from _of_repeat(at, step) if isinstance(step, RepeatStep) else _of_step(at, step)


def _of_repeat(at: str, step: RepeatStep) -> Iterator[Fault]:
    if step.count is not None and not 1 <= step.count <= MOST_ROUNDS:
        yield Fault(f"{at}.count", f"is 1 to {MOST_ROUNDS}")
    if not step.steps:
        yield Fault(f"{at}.steps", "has at least one step")
    yield from _of_steps(f"{at}.steps", step.steps)


def _of_step(at: str, step: WorkoutStep) -> Iterator[Fault]:
    yield from _of_target(f"{at}.target", step.target)
    yield from _of_target(f"{at}.second_target", step.second_target)
    yield from _within(f"{at}.weight_kg", step.weight_kg, HEAVIEST_KG)
    for name in ("exercise_category", "exercise", "distance_unit"):
        if len(getattr(step, name)) > LONGEST_NAME:
            yield Fault(f"{at}.{name}", f"has at most {LONGEST_NAME} letters")


def _of_end(at: str, end: End) -> Iterator[Fault]:
    if end.kind in MEASURED and end.value is None:
        yield Fault(f"{at}.value", f"is needed for {end.kind}")
    yield from _within(f"{at}.value", end.value, LARGEST.get(end.kind, LARGEST_ELSE))
    yield from _of_zone(at, end.zone)


def _of_target(at: str, target: Target) -> Iterator[Fault]:
    yield from _of_zone(at, target.zone)
    most = FASTEST_MPS if target.kind in {TargetKind.PACE, TargetKind.SPEED} else LARGEST_ELSE
    least = -most if target.kind in SIGNED else 0.0
    for name, value in (("low", target.low), ("high", target.high)):
        if value is not None and not (least < value <= most):
            yield Fault(f"{at}.{name}", f"is more than {least:g} and at most {most:g}")
    if target.low is not None and target.high is not None and target.low > target.high:
        yield Fault(f"{at}.low", "is not above high")
    if len(target.unit) > LONGEST_NAME:
        yield Fault(f"{at}.unit", f"has at most {LONGEST_NAME} letters")


def _of_zone(at: str, zone: int | None) -> Iterator[Fault]:
    if zone is not None and not 1 <= zone <= HIGHEST_ZONE:
        yield Fault(f"{at}.zone", f"is 1 to {HIGHEST_ZONE}")


def _of_text(at: str, text: str) -> Iterator[Fault]:
    if len(text) > LONGEST_TEXT:
        yield Fault(f"{at}.notes", f"has at most {LONGEST_TEXT} letters")


def _within(field: str, value: float | None, most: float) -> Iterator[Fault]:
    if value is not None and not 0 < value <= most:
        yield Fault(field, f"is more than 0 and at most {most:g}")
