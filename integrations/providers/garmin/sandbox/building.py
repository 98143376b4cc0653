"""Short words for writing workouts in Garmin's own JSON, as a phone would post them."""

from typing import Any

from integrations.providers.garmin.sandbox import shapes

METER = {"unitId": 1, "unitKey": "meter", "factor": 100.0}
KILOMETER = {"unitId": 2, "unitKey": "kilometer", "factor": 100000.0}
KILOGRAM = {"unitId": 8, "unitKey": "kilogram", "factor": 1000.0}
GRAMS = 1000

type Raw = dict[str, Any]


def kind(name: str, word: str) -> Raw:
    """A type object with its number and word."""
    prefix, words = shapes.KINDS[name]
    number = next(number for number, known in words.items() if known == word)
    return {f"{prefix}Id": number, f"{prefix}Key": word}


def target(word: str, low: float | None = None, high: float | None = None, *, zone: int | None = None) -> Raw:
    bounds = {"targetValueOne": low, "targetValueTwo": high, "zoneNumber": zone}
    given = {key: value for key, value in bounds.items() if value is not None}
    return {"targetType": kind("targetType", word), **given}


def pace(slow: str, fast: str) -> Raw:
    """A pace range given as minutes:seconds per kilometre."""
    return target("pace.zone", _speed(slow), _speed(fast))


def _speed(text: str) -> float:
    minutes, seconds = text.split(":")
    return round(1000 / (int(minutes) * 60 + int(seconds)), 4)


def heart(zone: int) -> Raw:
    return target("heart.rate.zone", zone=zone)


def beats(low: int, high: int) -> Raw:
    return target("heart.rate.zone", float(low), float(high))


def watts(low: int, high: int) -> Raw:
    return target("power.zone", float(low), float(high))


def power(zone: int) -> Raw:
    return target("power.zone", zone=zone)


def and_cadence(aim: Raw, low: int, high: int) -> Raw:
    """A second target beside the first."""
    second = {"secondaryTargetType": kind("targetType", "cadence"), "secondaryTargetValueOne": float(low)}
    return aim | second | {"secondaryTargetValueTwo": float(high)}


def and_zone(aim: Raw, zone: int) -> Raw:
    """A heart rate zone as the second target."""
    return aim | {"secondaryTargetType": kind("targetType", "heart.rate.zone"), "secondaryZoneNumber": zone}


def step(intensity: str, end: str, value: float | None = None, aim: Raw | None = None, **more: Any) -> Raw:
    return {
        "type": "ExecutableStepDTO", "stepType": kind("stepType", intensity),
        "endCondition": kind("endCondition", end), **({} if value is None else {"endConditionValue": float(value)}),
        **(aim or target("no.target")), **more,
    }  # fmt: skip


def go(minutes: float, aim: Raw | None = None, note: str | None = None) -> Raw:
    return step("interval", "time", minutes * 60, aim, **_noted(note))


def run(meters: float, aim: Raw | None = None, note: str | None = None) -> Raw:
    unit = KILOMETER if meters >= 2000 else METER
    return step("interval", "distance", meters, aim, preferredEndConditionUnit=unit, **_noted(note))


def rest(seconds: float, note: str | None = None) -> Raw:
    return step("rest", "time", seconds, **_noted(note))


def easy(minutes: float, aim: Raw | None = None, note: str | None = None) -> Raw:
    return step("recovery", "time", minutes * 60, aim, **_noted(note))


def warm(minutes: float = 10, aim: Raw | None = None) -> Raw:
    return step("warmup", "time", minutes * 60, aim or heart(2))


def cool(minutes: float = 0) -> Raw:
    """Down for some minutes, or until the button is pressed."""
    return step("cooldown", "time", minutes * 60) if minutes else step("cooldown", "lap.button")


def _noted(note: str | None) -> Raw:
    return {"description": note} if note else {}


def repeat(times: int, *steps: Raw, **more: Any) -> Raw:
    return {
        "type": shapes.REPEAT, "stepType": kind("stepType", "repeat"), "smartRepeat": False,
        "endCondition": kind("endCondition", "iterations"), "endConditionValue": float(times),
        "numberOfIterations": times, "workoutSteps": list(steps), **more,
    }  # fmt: skip


def rounds_for(minutes: float, *steps: Raw) -> Raw:
    """As many rounds as possible: no count, ended by time."""
    end = {"endCondition": kind("endCondition", "time"), "endConditionValue": minutes * 60.0}
    return repeat(0, *steps) | end | {"numberOfIterations": None}


def swim(meters: int, stroke: str = "free", gear: str = "", aim: Raw | None = None, note: str | None = None) -> Raw:
    words: Raw = {"preferredEndConditionUnit": METER, "strokeType": kind("strokeType", stroke), **_noted(note)}
    if gear:
        words["equipmentType"] = kind("equipmentType", gear)
    return step("interval", "distance", meters, aim, **words)


def wall(seconds: float) -> Raw:
    """A rest of so many seconds at the wall."""
    return step("rest", "fixed.rest", seconds)


def send_off(seconds: float) -> Raw:
    """The next one starts so many seconds after this one did."""
    return step("rest", "fixed.repetition", seconds)


def lift(category: str, exercise: str, reps: int, kilograms: float = 0, note: str | None = None) -> Raw:
    weight: Raw = {"weightValue": kilograms * GRAMS, "weightUnit": KILOGRAM} if kilograms else {}
    return step("interval", "reps", reps, category=category, exerciseName=exercise, **weight, **_noted(note))


def hold(category: str, exercise: str, seconds: float, note: str | None = None) -> Raw:
    return step("interval", "time", seconds, category=category, exerciseName=exercise, **_noted(note))


def sets(count: int, *moves: Raw, pause: float = 90) -> Raw:
    return repeat(count, *moves, rest(pause), skipLastRestStep=True)


def pool(meters: float = 25) -> Raw:
    return {"poolLength": meters, "poolLengthUnit": METER}


def yards() -> Raw:
    return {"poolLength": 25.0, "poolLengthUnit": {"unitId": 230, "unitKey": "yard", "factor": 91.44}}


def workout(
    name: str, sport: str, *steps: Raw, minutes: float, note: str | None = None, water: Raw | None = None
) -> Raw:
    """One sport, one segment. `minutes` is Garmin's estimate, which is often not the sum of the steps."""
    kinds = {"sportType": kind("sportType", sport)}
    segment = {"segmentOrder": 1, **kinds, "workoutSteps": list(steps), **(water or {})}
    return {
        "workoutName": name, **kinds, "workoutSegments": [segment], "estimatedDurationInSecs": round(minutes * 60),
        **_noted(note), **(water or {}),
    }  # fmt: skip


def several(name: str, *legs: tuple[str, Raw], minutes: float, note: str | None = None) -> Raw:
    """Several sports, one segment each."""
    segments = [
        {"segmentOrder": number, "sportType": kind("sportType", sport), "workoutSteps": [leg]}
        for number, (sport, leg) in enumerate(legs, start=1)
    ]
    return workout(name, "multi_sport", minutes=minutes, note=note) | {
        "workoutSegments": segments, "isSessionTransitionEnabled": True,
    }  # fmt: skip
