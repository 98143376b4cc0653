"""Workouts in words, in the reader's units. Plain text: templates escape it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

from django.utils.translation import gettext, gettext_noop, ngettext

from coaching import measures
from coaching.extras_words import extras_in_words, kept_in_words
from coaching.measures import Pool, trimmed
from coaching.plain import lowered
from integrations.records import (
    End,
    EndKind,
    Equipment,
    Intensity,
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

SPORT_WORDS = {
    Sport.RUNNING: gettext_noop("Running"),
    Sport.CYCLING: gettext_noop("Cycling"),
    Sport.SWIMMING: gettext_noop("Swimming"),
    Sport.STRENGTH: gettext_noop("Strength"),
    Sport.CARDIO: gettext_noop("Cardio"),
    Sport.YOGA: gettext_noop("Yoga"),
    Sport.PILATES: gettext_noop("Pilates"),
    Sport.HIIT: "HIIT",
    Sport.MOBILITY: gettext_noop("Mobility"),
    Sport.MULTISPORT: gettext_noop("Multisport"),
    Sport.WALKING: gettext_noop("Walking"),
    Sport.HIKING: gettext_noop("Hiking"),
    Sport.ROWING: gettext_noop("Rowing"),
    Sport.OTHER: gettext_noop("Other"),
}
STROKE_WORDS = {
    Stroke.ANY: gettext_noop("any stroke"),
    Stroke.BACKSTROKE: gettext_noop("backstroke"),
    Stroke.BREASTSTROKE: gettext_noop("breaststroke"),
    Stroke.DRILL: gettext_noop("drill"),
    Stroke.BUTTERFLY: gettext_noop("butterfly"),
    Stroke.FREESTYLE: gettext_noop("freestyle"),
    Stroke.MEDLEY: gettext_noop("individual medley"),
}
EQUIPMENT_WORDS = {
    Equipment.FINS: gettext_noop("fins"),
    Equipment.PADDLES: gettext_noop("paddles"),
    Equipment.PULL_BUOY: gettext_noop("a pull buoy"),
    Equipment.KICKBOARD: gettext_noop("a kickboard"),
    Equipment.SNORKEL: gettext_noop("a snorkel"),
}
TARGET_WORDS = {
    TargetKind.HEART_RATE: gettext_noop("heart-rate"),
    TargetKind.HEART_RATE_LAP: gettext_noop("average heart-rate"),
    TargetKind.POWER: gettext_noop("power"),
    TargetKind.POWER_LAP: gettext_noop("average power"),
    TargetKind.PACE: gettext_noop("pace"),
    TargetKind.SPEED: gettext_noop("speed"),
    TargetKind.CADENCE: gettext_noop("cadence"),
    TargetKind.GRADE: gettext_noop("grade"),
    TargetKind.RESISTANCE: gettext_noop("resistance"),
    TargetKind.INSTRUCTION: gettext_noop("instruction"),
    TargetKind.STROKE: gettext_noop("stroke"),
    TargetKind.CSS_OFFSET: gettext_noop("critical-swim-speed"),
}
SIDES = {"gt": gettext_noop("above"), "lt": gettext_noop("below"), None: gettext_noop("at")}
ENDS = {EndKind.HEART_RATE: gettext_noop("heart rate"), EndKind.POWER: gettext_noop("power")}
CONDITIONS = {
    EndKind.SEND_OFF: gettext_noop("until {1} after the last start"),
    # xgettext:no-python-format
    EndKind.VELOCITY_LOSS: gettext_noop("until you are {0} % slower"),
    # xgettext:no-python-format
    EndKind.POWER_LOSS: gettext_noop("until you have lost {0} % of power"),
}
UNITS = {
    TargetKind.HEART_RATE: (gettext_noop("at"), "bpm"),
    TargetKind.HEART_RATE_LAP: (gettext_noop("at an average of"), "bpm"),
    TargetKind.POWER: (gettext_noop("at"), "W"),
    TargetKind.POWER_LAP: (gettext_noop("at an average of"), "W"),
    TargetKind.GRADE: (gettext_noop("at a grade of"), "%"),
    TargetKind.RESISTANCE: (gettext_noop("at a resistance of"), ""),
    TargetKind.CSS_OFFSET: (gettext_noop("at critical swim speed and"), "s"),
    TargetKind.INSTRUCTION: (gettext_noop("by feel, level"), ""),
}
LEADS = {Intensity.WARMUP: gettext_noop("Warm up"), Intensity.COOLDOWN: gettext_noop("Cool down")}
TAILS = {Intensity.REST: gettext_noop("rest"), Intensity.RECOVERY: gettext_noop("recovery")}

# Keys of ids, pictures and other matters between programs.


@dataclass(frozen=True)
class Line:
    """One step, or a group of them with `steps`. `detail` says more about it, `note` is what its author wrote."""

    text: str
    detail: str = ""
    note: str = ""
    steps: tuple["Line", ...] = ()
    kind: str = ""


@dataclass(frozen=True)
class _Reader:
    """What the words depend on beside the step itself."""

    units: str
    sport: Sport
    pool: Pool = ""


def steps_in_words(record: WorkoutRecord, units: str) -> list[Line]:
    """A line for each step, a group for each repeat, and one for each leg when there are several."""
    legs = [_leg(segment, units) for segment in record.segments]
    if len(legs) == 1 and not record.segments[0].notes and not record.segments[0].pool_length:
        return list(legs[0].steps)
    return legs


def in_one_line(record: WorkoutRecord, units: str) -> str:
    """The whole workout as one sentence, for mails and for those who hear the chart."""
    lines = steps_in_words(record, units)
    return _capitalised("; ".join(_spoken(line) for line in lines))


def _spoken(line: Line) -> str:
    text = line.text if line.kind == "leg" else lowered(line.text)
    if not line.steps:
        return text
    between = ", " if line.steps[0].text.startswith(gettext("then ")) else ": "
    return text + between + ", ".join(_spoken(step) for step in line.steps)


def also_set(record: WorkoutRecord) -> str:
    """What a provider holds about the workout and its legs that we keep but do not understand."""
    return extras_in_words([record.extras, *(segment.extras for segment in record.segments)])


def sport_in_words(sport: str) -> str:
    return gettext(SPORT_WORDS[Sport(sport)]) if sport in Sport else sport


def step_in_words(step: WorkoutStep, segment: Segment, units: str) -> str:
    return _text(step, _Reader(units, segment.sport, _pool(segment, units)))


def _leg(segment: Segment, units: str) -> Line:
    reader = _Reader(units, segment.sport, _pool(segment, units))
    text = sport_in_words(segment.sport)
    if segment.pool_length:
        length = f"{trimmed(segment.pool_length, 2)} {'yd' if reader.pool == 'yard' else 'm'}"
        text += gettext(", %(length)s pool") % {"length": length}
    return Line(text=text, note=segment.notes, steps=_lines(segment.steps, reader), kind="leg")


def _pool(segment: Segment, units: str) -> Pool:
    """What a swim is measured in: the pool's unit, else the reader's small one."""
    if segment.pool_length:
        return segment.pool_unit or "meter"
    if segment.sport == Sport.SWIMMING:
        return "yard" if units == "imperial" else "meter"
    return ""


def _lines(steps: Sequence[Step], reader: _Reader) -> tuple[Line, ...]:
    return tuple(_group(step, reader) if isinstance(step, RepeatStep) else _line(step, reader) for step in steps)


def _group(repeat: RepeatStep, reader: _Reader) -> Line:
    inner = _lines(repeat.steps, reader)
    notes = (
        repeat.notes,
        gettext("The last rest is left out.") if repeat.skip_last_rest else "",
        kept_in_words(repeat.extras),
    )
    if repeat.count is None:
        until = _until(repeat.end, reader) or _measure(repeat.end, reader)
        text = gettext("As many rounds as possible, %(until)s") % {"until": until}
        return Line(text=text, note=_sentences(*notes), steps=inner, kind="repeat")
    if not _reads_as_one(repeat):
        return Line(text=_times(repeat.count), note=_sentences(*notes), steps=inner, kind="repeat")
    work, *rests = inner
    return Line(
        text=f"{repeat.count} × {lowered(work.text)}" if repeat.count > 1 else work.text,
        detail=work.detail if not rests else "",
        note=_sentences(work.detail if rests else "", work.note, *notes),
        steps=tuple(replace(rest, text=gettext("then ") + lowered(rest.text)) for rest in rests),
        kind="repeat",
    )


def _reads_as_one(repeat: RepeatStep) -> bool:
    """Whether it is work, or work and a rest: coaches write that as "6 × 400 m", then the rest."""
    if not repeat.steps or len(repeat.steps) > 2:
        return False
    work, *rests = repeat.steps
    return _rests(work) is False and all(_rests(step) for step in rests)


def _rests(step: Step) -> bool | None:
    """None for a group, which is neither."""
    return step.intensity in TAILS if isinstance(step, WorkoutStep) else None


def _times(count: int) -> str:
    return {1: gettext("Once"), 2: gettext("Twice")}.get(count, gettext("%(n)s times") % {"n": count})


def _line(step: WorkoutStep, reader: _Reader) -> Line:
    second = _target(step.second_target, reader)
    return Line(
        text=_text(step, reader),
        detail=gettext("and %(second)s") % {"second": second} if second else "",
        note=_sentences(step.notes, kept_in_words(step.extras)),
        kind=step.intensity.value,
    )


def _text(step: WorkoutStep, reader: _Reader) -> str:
    measure, until, target = _measure(step.end, reader), _until(step.end, reader), _target(step.target, reader)
    if step.exercise or step.exercise_category:
        parts = [_exercise(step), measure, until, _weight(step, reader), target]
        return ", ".join(part for part in parts if part)
    how = " ".join(part for part in (_stroke(step), _equipment(step), target) if part)
    if step.intensity in TAILS and measure:
        text = f"{measure} {gettext(TAILS[step.intensity])}"
    else:
        lead = _capitalised(gettext((LEADS | TAILS).get(step.intensity, "")))
        text = " ".join(part for part in (lead, measure, until) if part)
    joined = " ".join(part for part in (text, how) if part) if measure else ", ".join(filter(None, (text, how)))
    weight = _weight(step, reader)
    return _capitalised(f"{joined}, {weight}" if weight else joined)


def _measure(end: End, reader: _Reader) -> str:
    """An amount, where the end is one."""
    if end.value is None:
        return ""
    match end.kind:
        case EndKind.TIME | EndKind.FIXED_REST:
            return measures.step_time(end.value)
        case EndKind.DISTANCE:
            on_track = reader.sport == Sport.RUNNING and measures.is_track_distance(end.value)
            return measures.distance(end.value, "metric" if on_track else reader.units, pool=reader.pool)
        case EndKind.CALORIES:
            return f"{trimmed(end.value, 0)} kcal"
        case EndKind.REPS:
            return ngettext("%(n)s rep", "%(n)s reps", round(end.value)) % {"n": trimmed(end.value, 0)}
    return ""


def _until(end: End, reader: _Reader) -> str:
    """A condition, where the end is no amount."""
    if _measure(end, reader):
        return ""
    if end.kind == EndKind.LAP_BUTTON:
        return gettext("until you press lap")
    if end.kind in (EndKind.HEART_RATE, EndKind.POWER) and (end.value is not None or end.zone):
        return gettext("until your %(what)s is %(side)s %(threshold)s") % {
            "what": gettext(ENDS[end.kind]),
            "side": gettext(SIDES[end.compare]),
            "threshold": _threshold(end),
        }
    if end.value is not None and end.kind in CONDITIONS:
        return gettext(CONDITIONS[end.kind]).format(trimmed(end.value, 0), measures.clock(end.value))
    return gettext("until the end that its author set")


def _threshold(end: End) -> str:
    if end.value is None:
        return gettext("zone %(zone)s") % {"zone": end.zone}
    return f"{trimmed(end.value, 0)} {'bpm' if end.kind == EndKind.HEART_RATE else 'W'}"


def _target(target: Target, reader: _Reader) -> str:
    if target.kind == TargetKind.NONE:
        return ""
    name = gettext(TARGET_WORDS.get(target.kind, _words(target.kind)))
    if target.kind == TargetKind.OTHER:
        return gettext("with a target of its author's own")
    if target.low is None and target.high is None:
        if target.zone:
            return gettext("in %(name)s zone %(zone)s") % {"name": name, "zone": target.zone}
        return gettext("with a %(name)s target") % {"name": name}
    if target.kind in (TargetKind.PACE, TargetKind.SPEED):
        return gettext("at %(speed)s") % {"speed": _velocity(target, reader)}
    before, unit = _unit(target.kind, name, reader)
    return f"{before} {measures.span(target.low, target.high, unit, partial(trimmed, digits=0))}"


def _unit(kind: TargetKind, name: str, reader: _Reader) -> tuple[str, str]:
    if kind == TargetKind.CADENCE:
        beats = {Sport.RUNNING: gettext("steps/min"), Sport.SWIMMING: gettext("strokes/min")}
        return gettext("at"), beats.get(reader.sport, gettext("rpm"))
    if kind not in UNITS:
        return gettext("with a %(name)s target of") % {"name": name}, ""
    before, unit = UNITS[kind]
    return gettext(before), unit


def _velocity(target: Target, reader: _Reader) -> str:
    """Pace counts backwards: the faster bound is the smaller number, and comes first."""
    if target.kind == TargetKind.SPEED:
        factor, unit = measures.speed_unit(reader.units)
        return measures.span(target.low, target.high, unit, lambda value: trimmed(value * factor, 1))
    metres, unit = measures.pace_unit(reader.units, swimming=reader.sport == Sport.SWIMMING, pool=reader.pool)
    slow, fast = measures.pace(target.low, metres), measures.pace(target.high, metres)
    if slow and fast and slow != fast:
        return f"{fast}–{slow} {unit}"
    if slow and fast:
        return f"{slow} {unit}"
    if not slow and not fast:
        return gettext("any pace")
    faster, slower = gettext("%(pace)s or faster"), gettext("%(pace)s or slower")
    return faster % {"pace": f"{slow} {unit}"} if slow else slower % {"pace": f"{fast} {unit}"}


def _exercise(step: WorkoutStep) -> str:
    return _capitalised(_words(step.exercise or step.exercise_category).lower())


def _weight(step: WorkoutStep, reader: _Reader) -> str:
    return measures.weight(step.weight_kg, reader.units) if step.weight_kg else ""


def _stroke(step: WorkoutStep) -> str:
    return gettext(STROKE_WORDS[step.stroke]) if step.stroke else ""


def _equipment(step: WorkoutStep) -> str:
    if not step.equipment:
        return ""
    return gettext("with %(equipment)s") % {"equipment": gettext(EQUIPMENT_WORDS[step.equipment])}


def _sentences(*parts: str) -> str:
    return "\n".join(part for part in parts if part)


def _words(value: str) -> str:
    return value.replace("_", " ")


def _capitalised(text: str) -> str:
    return text[:1].upper() + text[1:]
