"""A coach's library in Garmin's own JSON, and the shapes in which the real server answers it."""

import time
from collections.abc import Callable, Iterator
from copy import deepcopy
from datetime import UTC, datetime, timedelta
from typing import Any

SPORTS = {
    "running": (1, 1), "cycling": (2, 2), "swimming": (4, 3), "strength_training": (5, 5), "cardio_training": (6, 6),
    "yoga": (7, 7), "pilates": (8, 8), "hiit": (9, 9), "multi_sport": (10, 10), "mobility": (11, 11),
}  # fmt: skip
STEPS = {"warmup": 1, "cooldown": 2, "interval": 3, "recovery": 4, "rest": 5, "repeat": 6}
ENDS = {"lap.button": 1, "time": 2, "distance": 3, "calories": 4, "power": 5, "heart.rate": 6, "iterations": 7,
        "fixed.rest": 8, "fixed.repetition": 9, "reps": 10}  # fmt: skip
TARGETS = {"no.target": 1, "power.zone": 2, "cadence": 3, "heart.rate.zone": 4, "speed.zone": 5, "pace.zone": 6}
STROKES = {"any_stroke": 1, "backstroke": 2, "breaststroke": 3, "drill": 4, "fly": 5, "free": 6}
GEAR = {"fins": 1, "kickboard": 2, "paddles": 3, "pull_buoy": 4}
METER = {"unitId": 1, "unitKey": "meter", "factor": 100.0}
KILOGRAM = {"unitId": 8, "unitKey": "kilogram", "factor": 1000.0}
FIRST_DAY = datetime(2026, 1, 5, 8, 0, tzinfo=UTC)
EMPTY_STEP = {
    "childStepId": None, "description": None, "endConditionValue": None, "endConditionCompare": None, "targetValueOne": None,
    "targetValueTwo": None, "targetValueUnit": None, "zoneNumber": None, "secondaryTargetType": None,
    "secondaryTargetValueOne": None, "secondaryTargetValueTwo": None, "secondaryZoneNumber": None, "endConditionZone": None,
    "category": None, "exerciseName": None, "weightValue": None, "weightUnit": None, "preferredEndConditionUnit": None,
}  # fmt: skip

type Raw = dict[str, Any]


def now() -> float:
    return time.time()


def stamp(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.0")


def later(text: str) -> str:
    """A stamp after `text`, and not before this moment."""
    seen = datetime.strptime(text[:19], "%Y-%m-%dT%H:%M:%S").replace(tzinfo=UTC)
    return stamp(max(datetime.now(UTC), seen + timedelta(seconds=1)))


def sport(key: str) -> Raw:
    return {"sportTypeId": SPORTS[key][0], "sportTypeKey": key, "displayOrder": SPORTS[key][1]}


def target(key: str, low: float | None = None, high: float | None = None, *, zone: int | None = None) -> Raw:
    kind = {"workoutTargetTypeId": TARGETS[key], "workoutTargetTypeKey": key, "displayOrder": TARGETS[key]}
    return {"targetType": kind, "targetValueOne": low, "targetValueTwo": high, "zoneNumber": zone}


def pace(slow: str, fast: str) -> Raw:
    """A pace range given as minutes:seconds per kilometre."""
    return target("pace.zone", _speed(slow), _speed(fast))


def _speed(text: str) -> float:
    minutes, seconds = text.split(":")
    return round(1000 / (int(minutes) * 60 + int(seconds)), 4)


def step(kind: str, end: str, value: float | None = None, aim: Raw | None = None, **more: Any) -> Raw:
    return {
        "type": "ExecutableStepDTO",
        "stepType": {"stepTypeId": STEPS[kind], "stepTypeKey": kind, "displayOrder": STEPS[kind]},
        "endCondition": {
            "conditionTypeId": ENDS[end],
            "conditionTypeKey": end,
            "displayOrder": ENDS[end],
            "displayable": True,
        },
        "endConditionValue": value,
        **(aim or target("no.target")),
        **more,
    }


def repeat(times: int, *steps: Raw, **more: Any) -> Raw:
    return {
        "type": "RepeatGroupDTO",
        "stepType": {"stepTypeId": 6, "stepTypeKey": "repeat", "displayOrder": 6},
        "endCondition": {"conditionTypeId": 7, "conditionTypeKey": "iterations", "displayOrder": 7, "displayable": False},
        "endConditionValue": float(times), "numberOfIterations": times, "smartRepeat": False,
        "workoutSteps": list(steps), **more,
    }  # fmt: skip


def rounds_for(seconds: int, *steps: Raw) -> Raw:
    """As many rounds as possible: no count, ended by time."""
    group = repeat(0, *steps)
    end = {"conditionTypeId": 2, "conditionTypeKey": "time", "displayOrder": 2, "displayable": True}
    return group | {"endCondition": end, "endConditionValue": float(seconds), "numberOfIterations": None}


def workout(name: str, key: str, *steps: Raw, description: str | None = None, seconds: int = 0, **more: Any) -> Raw:
    segment = {"segmentOrder": 1, "sportType": sport(key), "workoutSteps": list(steps)}
    if "poolLength" in more:
        segment |= {"poolLength": more["poolLength"], "poolLengthUnit": more["poolLengthUnit"]}
    return {
        "workoutName": name, "description": description, "sportType": sport(key), "workoutSegments": [segment],
        "estimatedDurationInSecs": seconds, **more,
    }  # fmt: skip


def simple(name: str) -> Raw:
    return workout(name or "New workout", "running", step("interval", "time", 1800.0), seconds=1800)


def swim(meters: int, stroke: str = "free", gear: str = "", **more: Any) -> Raw:
    equipment = {
        "equipmentTypeId": GEAR.get(gear, 0),
        "equipmentTypeKey": gear or None,
        "displayOrder": GEAR.get(gear, 0),
    }
    kind = {"strokeTypeId": STROKES[stroke], "strokeTypeKey": stroke, "displayOrder": STROKES[stroke]}
    words: Raw = {"preferredEndConditionUnit": METER, "strokeType": kind, "equipmentType": equipment, **more}
    return step("interval", "distance", float(meters), **words)


def lift(category: str, exercise: str, reps: int, kilograms: float | None = None) -> Raw:
    weight: Raw = {"weightValue": kilograms * 1000, "weightUnit": KILOGRAM} if kilograms else {}
    return step("interval", "reps", float(reps), category=category, exerciseName=exercise, **weight)


WARM, COOL = step("warmup", "time", 600.0, target("heart.rate.zone", zone=2)), step("cooldown", "lap.button")
POOL: Raw = {"poolLength": 25.0, "poolLengthUnit": METER}


def _running() -> Iterator[Raw]:
    for count, meters, slow, fast, rest in [
        (6, 400, "4:00", "3:50", 90), (8, 200, "3:40", "3:25", 60), (5, 1000, "4:20", "4:10", 120), (4, 1600, "4:30", "4:20", 180),
        (10, 300, "3:45", "3:35", 60), (3, 2000, "4:35", "4:25", 180), (12, 200, "3:35", "3:20", 45), (6, 800, "4:10", "4:00", 120),
    ]:  # fmt: skip
        yield workout(
            f"{count} × {meters} m", "running", WARM,
            repeat(count, step("interval", "distance", float(meters), pace(slow, fast)), step("rest", "time", float(rest))), COOL,
            seconds=2700, description="Even splits. Stop one too early rather than one too late.",
        )  # fmt: skip
    for minutes in (25, 30, 35, 40, 45, 50, 60, 75, 90):
        yield workout(f"Easy {minutes} min", "running", step("interval", "time", minutes * 60.0, target("heart.rate.zone", zone=2)),
                      seconds=minutes * 60)  # fmt: skip
    for kilometers in (12, 14, 16, 18, 20, 24, 28):
        yield workout(f"Long run {kilometers} km", "running",
                      step("interval", "distance", kilometers * 1000.0, target("heart.rate.zone", 128.0, 145.0)), seconds=kilometers * 345)  # fmt: skip
    for minutes in (15, 20, 25, 30, 40):
        yield workout(f"Tempo {minutes} min", "running", WARM, step("interval", "time", minutes * 60.0, pace("4:40", "4:25")), COOL,
                      seconds=minutes * 60 + 1200)  # fmt: skip
    yield workout("Hills 10 × 45 s", "running", WARM,
                  repeat(10, step("interval", "time", 45.0, target("heart.rate.zone", zone=5), description="Uphill, tall and quick"),
                         step("recovery", "lap.button", description="Walk down")), COOL, seconds=2400)  # fmt: skip
    yield workout("Pyramid 1-2-3-2-1", "running", WARM,
                  *[part for n in (1, 2, 3, 2, 1) for part in (step("interval", "time", n * 60.0, target("heart.rate.zone", zone=4)),
                                                               step("recovery", "time", n * 30.0))], COOL, seconds=2500)  # fmt: skip
    yield workout(
        "Until 150 bpm", "running", step("interval", "heart.rate", 150.0, endConditionCompare="gt"), COOL, seconds=1200
    )


def _cycling() -> Iterator[Raw]:
    cadence: Raw = {"secondaryTargetType": {"workoutTargetTypeId": 3, "workoutTargetTypeKey": "cadence", "displayOrder": 3},
               "secondaryTargetValueOne": 85.0, "secondaryTargetValueTwo": 95.0}  # fmt: skip
    for count, minutes, low, high in [
        (3, 8, 240, 260),
        (2, 20, 225, 240),
        (5, 5, 265, 285),
        (4, 10, 235, 250),
        (6, 3, 290, 320),
    ]:
        yield workout(
            f"{count} × {minutes} min threshold", "cycling", step("warmup", "time", 900.0, target("power.zone", zone=2)),
            repeat(count, step("interval", "time", minutes * 60.0, target("power.zone", float(low), float(high)), **cadence),
                   step("recovery", "time", 240.0, target("power.zone", zone=1))), step("cooldown", "time", 600.0),
            seconds=1500 + count * (minutes * 60 + 240),
        )  # fmt: skip
    for hours in (1, 1.5, 2, 3, 4):
        yield workout(
            f"Endurance {hours:g} h",
            "cycling",
            step("interval", "time", hours * 3600, target("power.zone", zone=2)),
            seconds=int(hours * 3600),
        )
    yield workout("Over-unders", "cycling", WARM,
                  repeat(3, repeat(4, step("interval", "time", 60.0, target("power.zone", 270.0, 285.0)),
                                   step("interval", "time", 120.0, target("power.zone", 225.0, 240.0))),
                         step("recovery", "time", 300.0)), COOL, seconds=4200)  # fmt: skip
    yield workout(
        "Burn 500 kcal", "cycling", step("interval", "calories", 500.0, target("speed.zone", 7.5, 9.0)), seconds=3600
    )
    yield workout(
        "Sprints on feel",
        "cycling",
        WARM,
        repeat(8, step("interval", "lap.button"), step("rest", "time", 180.0)),
        COOL,
        seconds=2700,
    )


def _swimming() -> Iterator[Raw]:
    for count, meters, rest in [(8, 50, 15), (10, 100, 20), (6, 200, 30), (16, 25, 10)]:
        pause = step("rest", "fixed.rest", float(rest))
        yield workout(f"{count} × {meters} m free", "swimming", swim(200, "any_stroke"), repeat(count, swim(meters), pause),
                      swim(100, "backstroke"), seconds=1800, **POOL)  # fmt: skip
    yield workout("Send-off 10 × 100 on 1:50", "swimming", swim(300, "any_stroke"),
                  repeat(10, swim(100), step("rest", "fixed.repetition", 110.0)), seconds=1900, **POOL)  # fmt: skip
    yield workout("Toys", "swimming", swim(200), swim(200, "free", "pull_buoy"), swim(200, "free", "paddles"), swim(100, "fly", "fins"),
                  swim(100, "drill", "kickboard"), swim(100, "breaststroke"), seconds=1500, **POOL)  # fmt: skip


def _strength() -> Iterator[Raw]:
    for name, sets, moves in [
        ("Upper body", 4, [("BENCH_PRESS", "BARBELL_BENCH_PRESS", 10, 60), ("ROW", "BARBELL_ROW", 10, 50)]),
        ("Legs", 4, [("SQUAT", "BARBELL_BACK_SQUAT", 8, 80), ("DEADLIFT", "ROMANIAN_DEADLIFT", 8, 70), ("CALF_RAISE", "STANDING_CALF_RAISE", 15, 0)]),
        ("Core", 3, [("CRUNCH", "CRUNCH", 20, 0), ("HIP_RAISE", "BARBELL_HIP_THRUST", 12, 40)]),
        ("Runner's strength", 3, [("LUNGE", "WALKING_LUNGE", 12, 0), ("SQUAT", "GOBLET_SQUAT", 12, 16), ("PUSH_UP", "PUSH_UP", 15, 0)]),
    ]:  # fmt: skip
        steps = [lift(category, exercise, reps, weight or None) for category, exercise, reps, weight in moves]
        yield workout(
            name, "strength_training", repeat(sets, *steps, step("rest", "time", 90.0), skipLastRestStep=True)
        )
    plank = step("interval", "time", 60.0, category="PLANK", exerciseName="PLANK")
    yield workout(
        "AMRAP 12", "hiit", rounds_for(720, lift("BURPEE", "BURPEE", 10), lift("SQUAT", "AIR_SQUAT", 20)), seconds=720
    )
    yield workout(
        "EMOM 10", "hiit", repeat(10, lift("PUSH_UP", "PUSH_UP", 12), step("rest", "time", 30.0)), seconds=600
    )
    yield workout(
        "Tabata", "cardio_training", repeat(8, step("interval", "time", 20.0), step("rest", "time", 10.0)), seconds=240
    )
    yield workout(
        "Sun salutations", "yoga", repeat(6, step("interval", "time", 60.0, description="Slow breath")), seconds=360
    )
    yield workout("Hundred and roll-up", "pilates", repeat(3, plank, step("rest", "time", 30.0)), seconds=270)
    yield workout(
        "Hips and ankles", "mobility", step("interval", "time", 300.0), step("interval", "time", 300.0), seconds=600
    )


def _odd() -> Iterator[Raw]:
    yield workout(
        "<script>alert(1)</script>",
        "running",
        step("interval", "time", 1200.0, description="<b>not bold</b> {{ 7*7 }}"),
        seconds=1200,
    )
    yield workout(
        "A very long name " * 14 + "of 255 signs!!!!!", "running", step("interval", "time", 1800.0), seconds=1800
    )
    yield workout("朝のジョギング 六千", "running", step("interval", "distance", 6000.0), seconds=2100)
    resisted = step("interval", "time", 600.0) | {
        "targetType": {"workoutTargetTypeId": 15, "workoutTargetTypeKey": "resistance", "displayOrder": 15}, "targetValueOne": 4.0, "targetValueTwo": 6.0,
    }  # fmt: skip
    yield workout("Trainer, resistance 4 to 6", "cycling", resisted | {"somethingNew": {"level": 3}}, seconds=600)
    legs = [
        ("swimming", step("interval", "distance", 750.0)),
        ("cycling", step("interval", "distance", 20000.0)),
        ("running", step("interval", "distance", 5000.0)),
    ]
    segments = [
        {"segmentOrder": n, "sportType": sport(key), "workoutSteps": [leg]}
        for n, (key, leg) in enumerate(legs, start=1)
    ]
    yield workout("Sprint triathlon", "multi_sport", seconds=4800) | {
        "workoutSegments": segments,
        "isSessionTransitionEnabled": True,
    }


def workouts(number: int, count: int) -> list[Raw]:
    """`count` posted workouts of account `number`: the first one has them in order, others a rotation with their own names."""
    base = [deepcopy(raw) for build in (_running, _cycling, _swimming, _strength, _odd) for raw in build()]
    turned = base[number * 7 % len(base) :] + base[: number * 7 % len(base)] if number > 1 else base
    made = []
    for index in range(count):
        raw = deepcopy(turned[index % len(turned)])
        if index >= len(turned):
            raw["workoutName"] = f"{raw['workoutName']} (week {index // len(turned) + 1})"
        made.append(raw)
    return made


def expand(raw: Raw, *, identity: int, person: Raw, step_id: Callable[[], int]) -> Raw:
    """A posted workout as the server keeps it: ids, owner, dates, author, and null for every unused field."""
    stored = deepcopy(raw)
    moment = stamp(FIRST_DAY + timedelta(hours=identity % 6000)) if identity < 900_000_500 else stamp(datetime.now(UTC))
    stored |= {
        "workoutId": identity, "ownerId": person["profile"], "createdDate": moment, "updatedDate": moment,
        "author": {"userProfilePk": person["profile"], "fullName": person["name"]}, "subSportType": None,
        "trainingPlanId": None, "sharedWithUsers": None, "shared": False, "consumer": None, "uploadTimestamp": None,
    }  # fmt: skip
    order = iter(range(1, 10_000))
    for segment in stored["workoutSegments"]:
        segment["workoutSteps"] = [_expand_step(each, order, step_id, None) for each in segment.get("workoutSteps", [])]
    return stored


def _expand_step(raw: Raw, order: Iterator[int], step_id: Callable[[], int], group: int | None) -> Raw:
    number = next(order)
    if raw.get("type") != "RepeatGroupDTO":
        return (
            EMPTY_STEP
            | raw
            | {"stepId": step_id(), "stepOrder": number, "childStepId": raw.get("childStepId") or group}
        )
    own = raw.get("childStepId") or number
    children = [_expand_step(each, order, step_id, own) for each in raw.get("workoutSteps", [])]
    return raw | {"stepId": step_id(), "stepOrder": number, "childStepId": own, "workoutSteps": children}


def row(stored: Raw) -> Raw:
    """The listing's row: without steps, and with `updateDate` where the object says `updatedDate`."""
    kept = (
        "workoutId",
        "ownerId",
        "workoutName",
        "description",
        "sportType",
        "createdDate",
        "author",
        "estimatedDurationInSecs",
    )
    return {key: stored.get(key) for key in kept} | {
        "updateDate": stored["updatedDate"],
        "workoutProvider": "null",
        "shared": False,
    }


def activities(number: int) -> list[Raw]:
    """Forty days of training, newest first."""
    made = []
    for day in range(40):
        start = datetime(2026, 11, 20, 6, 30, tzinfo=UTC) - timedelta(days=day, minutes=number * 7)
        kind, type_id, speed = [("running", 1, 3.2), ("cycling", 2, 8.1), ("lap_swimming", 27, 0.9)][day % 3]
        seconds = 1800.0 + (day * 311 + number * 97) % 3600
        made.append(
            {
                "activityId": 21_000_000_000 + number * 1000 + (40 - day),
                "activityName": f"Morning {kind.replace('_', ' ')}",
                "startTimeGMT": start.strftime("%Y-%m-%d %H:%M:%S"),
                "startTimeLocal": start.strftime("%Y-%m-%d %H:%M:%S"),
                "activityType": {"typeId": type_id, "typeKey": kind, "parentTypeId": 17},
                "distance": round(seconds * speed, 1),
                "duration": seconds,
                "averageHR": 120.0 + day % 40,
                "maxHR": 160.0 + day % 25,
                "calories": round(seconds / 6),
                "elevationGain": float(day % 90),
                "ownerId": 4_200_000 + number,
                "manufacturer": "GARMIN",
            }
        )
    return made
