"""Arbitrary records for property tests, in the form that a provider's answer is read into."""

from typing import Any, Literal

from hypothesis import strategies as st

from integrations.records import (
    End,
    EndKind,
    Equipment,
    Intensity,
    RepeatStep,
    Segment,
    Sport,
    Stroke,
    Target,
    TargetKind,
    WorkoutRecord,
    WorkoutStep,
)

NO_WORKOUTS = {Sport.WALKING, Sport.HIKING, Sport.ROWING}  # sports that only activities have
type Pool = tuple[float | None, Literal["meter", "yard", ""]]
NO_POOL: Pool = (None, "")
POOLS: list[Pool] = [NO_POOL, (25.0, "meter"), (50.0, "meter"), (25.0, "yard")]

letters = st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"])
lines = st.text(letters, max_size=40).map(lambda text: " ".join(text.split()))
notes = st.lists(lines, max_size=3).map(lambda parts: "\n".join(parts).strip())
words = st.from_regex(r"[A-Z]{1,8}(_[A-Z]{1,8})?", fullmatch=True)
numbers = st.floats(min_value=0, max_value=5000, allow_nan=False).map(lambda value: value + 0.0)
zones = st.none() | st.integers(1, 10)
extra_values = st.booleans() | st.integers() | words | st.lists(st.integers(), max_size=3)
extras = st.dictionaries(st.from_regex(r"x[A-Za-z]{1,8}", fullmatch=True), extra_values, max_size=2).map(
    lambda kept: {"garmin": kept} if kept else {}
)


@st.composite
def ends(draw: st.DrawFn, kinds: list[EndKind]) -> End:
    return End(
        kind=draw(st.sampled_from(kinds)),
        value=draw(st.none() | numbers),
        compare=draw(st.sampled_from(["gt", "lt", None])),
        zone=draw(zones),
    )


@st.composite
def targets(draw: st.DrawFn) -> Target:
    kind = draw(st.sampled_from([kind for kind in TargetKind if kind != TargetKind.OTHER]))
    if kind == TargetKind.NONE:
        return Target()
    low, high = sorted((draw(numbers | st.just(0.0)), draw(numbers)))
    return Target(
        kind=kind,
        zone=draw(zones),
        low=draw(st.sampled_from([low, None])),
        high=draw(st.sampled_from([high, None])),
        unit=draw(st.sampled_from(["", "meter", "kilometer"])),
    )


@st.composite
def single_steps(draw: st.DrawFn) -> WorkoutStep:
    return WorkoutStep(
        intensity=draw(st.sampled_from(Intensity)),
        end=draw(ends([kind for kind in EndKind if kind != EndKind.OTHER])),
        target=draw(targets()),
        second_target=draw(targets()),
        stroke=draw(st.none() | st.sampled_from(Stroke)),
        equipment=draw(st.none() | st.sampled_from(Equipment)),
        exercise_category=draw(st.just("") | words),
        exercise=draw(st.just("") | words),
        weight_kg=draw(st.none() | st.integers(0, 500_000).map(lambda grams: grams / 1000)),
        distance_unit=draw(st.sampled_from(["", "meter", "kilometer", "mile", "yard"])),
        notes=draw(notes),
        extras=draw(extras),
    )


def repeats(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[RepeatStep]:
    counted = st.tuples(st.integers(1, 99), st.just(End(kind=EndKind.ITERATIONS)))
    until = st.tuples(st.none(), ends([EndKind.TIME, EndKind.DISTANCE, EndKind.LAP_BUTTON]))
    return st.builds(
        lambda ended, **fields: RepeatStep(count=ended[0], end=ended[1], **fields),
        counted | until,
        steps=st.lists(inner, max_size=3).map(tuple),
        skip_last_rest=st.booleans(),
        notes=notes,
        extras=extras,
    )


steps = single_steps() | repeats(single_steps() | repeats(single_steps()))


@st.composite
def segments(draw: st.DrawFn, sport: Sport, pool: Pool) -> Segment:
    length, unit = pool if sport == Sport.SWIMMING else NO_POOL
    return Segment(
        sport=sport,
        steps=tuple(draw(st.lists(steps, max_size=4))),
        pool_length=length,
        pool_unit=unit,
        notes=draw(notes),
        extras=draw(extras),
    )


@st.composite
def workouts(draw: st.DrawFn, sport: Sport) -> WorkoutRecord:
    pool = draw(st.sampled_from(POOLS))
    legs = [sport]
    if sport == Sport.MULTISPORT:
        legs = draw(st.lists(st.sampled_from([Sport.SWIMMING, Sport.CYCLING, Sport.RUNNING]), min_size=1, max_size=4))
    return WorkoutRecord(
        name=draw(lines.filter(bool)),
        sport=sport,
        segments=tuple(draw(segments(leg, pool)) for leg in legs),
        description=draw(notes),
        duration_s=draw(st.none() | numbers),
        distance_m=draw(st.none() | numbers),
        pool_length=pool[0],
        pool_unit=pool[1],
        extras=draw(extras),
    )
