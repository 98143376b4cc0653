"""What is in the accounts' libraries: a coach's workouts, and the same ones fitted to each athlete."""

from collections.abc import Iterator
from copy import deepcopy

from integrations.providers.garmin.sandbox.building import (
    KILOGRAM,
    Raw,
    and_cadence,
    and_zone,
    beats,
    cool,
    easy,
    go,
    heart,
    hold,
    lift,
    pace,
    pool,
    power,
    repeat,
    rest,
    rounds_for,
    run,
    send_off,
    sets,
    several,
    step,
    swim,
    target,
    wall,
    warm,
    watts,
    workout,
    yards,
)

OF_AN_ATHLETE = 64
PLATE_G = 2500
LONG_NAME = ("Long name " * 26)[:254] + "!"


def simple(name: str) -> Raw:
    return workout(name or "New workout", "running", go(30), minutes=30)


def _intervals() -> Iterator[Raw]:
    note = "Even splits. Stop one too early rather than one too late."
    for count, meters, slow, fast, pause, minutes in [
        (6, 400, "4:00", "3:50", 90, 42), (8, 200, "3:40", "3:25", 60, 36), (5, 1000, "4:20", "4:10", 120, 52),
        (4, 1600, "4:30", "4:20", 180, 62), (10, 300, "3:45", "3:35", 60, 44), (3, 2000, "4:35", "4:25", 180, 60),
        (12, 200, "3:35", "3:20", 45, 41), (6, 800, "4:10", "4:00", 120, 57),
    ]:  # fmt: skip
        sets_of = repeat(count, run(meters, pace(slow, fast)), rest(pause))
        yield workout(f"{count} × {meters} m", "running", warm(), sets_of, cool(), minutes=minutes, note=note)
    yield workout("Hills 10 × 45 s", "running", warm(),
                  repeat(10, go(.75, heart(5), "Uphill, tall and quick"), step("recovery", "lap.button", description="Walk down")),
                  cool(), minutes=40)  # fmt: skip
    ladder = [part for n in (1, 2, 3, 2, 1) for part in (go(n, heart(4)), easy(n / 2))]
    yield workout("Pyramid 1-2-3-2-1", "running", warm(), *ladder, cool(), minutes=42)
    yield workout(
        "Yasso 10 × 800 m",
        "running",
        warm(15),
        repeat(10, run(800, pace("3:50", "3:40")), easy(3.5)),
        cool(10),
        minutes=95,
    )
    yield workout("2 × (4 × 400 m)", "running", warm(), repeat(2, repeat(4, run(400, pace("3:55", "3:45")), rest(60)), easy(4)),
                  cool(), minutes=58, note="Jog the four minutes between the sets.")  # fmt: skip
    yield workout(
        "Strides", "running", go(25, heart(2)), repeat(6, go(1 / 3, note="Fast and loose"), easy(1)), minutes=33
    )


def _steady() -> Iterator[Raw]:
    for minutes in (30, 40, 50, 60, 75):
        yield workout(f"Easy {minutes} min", "running", go(minutes, heart(2)), minutes=minutes)
    for kilometers in (12, 16, 20, 24, 28):
        yield workout(
            f"Long run {kilometers} km", "running", run(kilometers * 1000, beats(128, 145)), minutes=kilometers * 5.75
        )
    for minutes in (15, 20, 30):
        yield workout(
            f"Tempo {minutes} min", "running", warm(), go(minutes, pace("4:40", "4:25")), cool(), minutes=minutes + 20
        )
    yield workout("Progression 3 × 4 km", "running", run(4000, pace("5:30", "5:15")), run(4000, pace("5:05", "4:55")),
                  run(4000, pace("4:45", "4:35")), minutes=61, note="Each four kilometres faster than the last.")  # fmt: skip
    yield workout("Marathon pace 2 × 5 km", "running", warm(), repeat(2, run(5000, and_zone(pace("4:55", "4:45"), 3)), easy(3)),
                  cool(), minutes=78)  # fmt: skip
    yield workout(
        "Cadence drill", "running", warm(), repeat(5, go(3, target("cadence", 176, 184)), easy(2)), cool(), minutes=45
    )
    yield workout("Running by power", "running", warm(12, power(2)), repeat(4, go(6, watts(285, 305)), easy(2, power(1))),
                  cool(8), minutes=52)  # fmt: skip
    yield workout(
        "Until 150 bpm", "running", step("interval", "heart.rate", 150, endConditionCompare="gt"), cool(), minutes=20
    )
    yield workout(
        "Recovery jog",
        "running",
        go(20, beats(105, 125), "Slower than you think"),
        minutes=20,
        note="Nothing to prove today.",
    )


def _cycling() -> Iterator[Raw]:
    for count, minutes, low, high in [
        (3, 8, 240, 260),
        (2, 20, 225, 240),
        (5, 5, 265, 285),
        (4, 10, 235, 250),
        (6, 3, 290, 320),
    ]:
        aim = and_cadence(watts(low, high), 85, 95)
        yield workout(f"{count} × {minutes} min threshold", "cycling", warm(15, power(2)),
                      repeat(count, go(minutes, aim), easy(4, power(1))), cool(10), minutes=25 + count * (minutes + 4))  # fmt: skip
    for hours in (1.5, 2, 3, 4):
        yield workout(f"Endurance {hours:g} h", "cycling", go(hours * 60, power(2)), minutes=hours * 60)
    unders = repeat(4, go(1, watts(270, 285)), go(2, watts(225, 240)))
    yield workout("Over-unders", "cycling", warm(), repeat(3, unders, easy(5)), cool(), minutes=70)
    yield workout(
        "Burn 500 kcal", "cycling", step("interval", "calories", 500, target("speed.zone", 7.5, 9.0)), minutes=60
    )
    yield workout(
        "Sprints on feel", "cycling", warm(), repeat(8, step("interval", "lap.button"), rest(180)), cool(), minutes=45
    )
    yield workout("Big gear", "cycling", warm(15, power(2)), repeat(5, go(5, and_cadence(watts(215, 230), 50, 60), "Stay seated"), easy(3)),
                  cool(10), minutes=65)  # fmt: skip
    yield workout("Ramp test", "cycling", warm(10, power(1)), *[go(1, watts(100 + 20 * n, 110 + 20 * n)) for n in range(12)], cool(10),
                  minutes=32, note="Until you cannot hold it. There is no shame in stopping.")  # fmt: skip
    yield workout("Coffee ride", "cycling", run(40000, target("speed.zone", 6.5, 8.5)), minutes=95)


def _swimming() -> Iterator[Raw]:
    for count, meters, seconds in [(8, 50, 15), (10, 100, 20), (6, 200, 30), (16, 25, 10)]:
        yield workout(f"{count} × {meters} m free", "swimming", swim(200, "any_stroke"), repeat(count, swim(meters), wall(seconds)),
                      swim(100, "backstroke"), minutes=30, water=pool())  # fmt: skip
    yield workout("Send-off 10 × 100 on 1:50", "swimming", swim(300, "any_stroke"), repeat(10, swim(100), send_off(110)),
                  minutes=32, water=pool())  # fmt: skip
    yield workout("Toys", "swimming", swim(200), swim(200, "free", "pull_buoy"), swim(200, "free", "paddles"), swim(100, "fly", "fins"),
                  swim(100, "drill", "kickboard"), swim(100, "free", "snorkel"), swim(100, "breaststroke"), minutes=26, water=pool(50))  # fmt: skip
    yield workout("Medley 4 × 100", "swimming", swim(200, "any_stroke"), repeat(4, swim(100, "individual_medley"), wall(30)),
                  swim(100, "any_stroke", note="As you like"), minutes=20, water=pool())  # fmt: skip
    yield workout("Yards 5 × 100", "swimming", repeat(5, swim(100), wall(20)), minutes=14, water=yards())


def _strength() -> Iterator[Raw]:
    yield workout(
        "Upper body",
        "strength_training",
        sets(4, lift("BENCH_PRESS", "BARBELL_BENCH_PRESS", 10, 60), lift("ROW", "BARBELL_ROW", 10, 50)),
        minutes=35,
    )
    yield workout("Legs", "strength_training",
                  sets(4, lift("SQUAT", "BARBELL_BACK_SQUAT", 8, 80), lift("DEADLIFT", "ROMANIAN_DEADLIFT", 8, 70), lift("CALF_RAISE", "STANDING_CALF_RAISE", 15)),
                  minutes=45, note="Two in reserve on every set.")  # fmt: skip
    yield workout(
        "Core",
        "strength_training",
        sets(3, lift("CRUNCH", "CRUNCH", 20), lift("HIP_RAISE", "BARBELL_HIP_THRUST_ON_FLOOR", 12, 40)),
        minutes=20,
    )
    yield workout("Runner's strength", "strength_training",
                  sets(3, lift("LUNGE", "WALKING_LUNGE", 12), lift("SQUAT", "GOBLET_SQUAT", 12, 16), lift("PUSH_UP", "PUSH_UP", 15)), minutes=30)  # fmt: skip
    heavy = [
        part
        for reps, weight in ((8, 80), (5, 95), (3, 105))
        for part in (lift("DEADLIFT", "BARBELL_DEADLIFT", reps, weight), rest(180))
    ]
    yield workout(
        "Deadlift 8-5-3", "strength_training", step("warmup", "lap.button", description="Bar only"), *heavy, minutes=30
    )
    yield workout("Shoulders", "strength_training",
                  sets(3, lift("SHOULDER_PRESS", "DUMBBELL_SHOULDER_PRESS", 10, 12.5), lift("LATERAL_RAISE", "DUMBBELL_LATERAL_RAISE", 12, 7.5),
                       pause=60), minutes=22)  # fmt: skip
    bar = step(
        "interval", "lap.button", category="PULL_UP", exerciseName="PULL_UP", weightValue=-1.0, weightUnit=KILOGRAM
    )
    yield workout("Pull-ups to failure", "strength_training", repeat(5, bar, rest(120)), minutes=15)


def _other() -> Iterator[Raw]:
    yield workout(
        "AMRAP 12", "hiit", rounds_for(12, lift("TOTAL_BODY", "BURPEE", 10), lift("SQUAT", "AIR_SQUAT", 20)), minutes=12
    )
    yield workout("EMOM 10", "hiit", repeat(10, lift("PUSH_UP", "PUSH_UP", 12), rest(30)), minutes=10)
    yield workout("30 on, 30 off", "hiit", repeat(8, hold("CARDIO", "JUMPING_JACKS", 30), rest(30)), minutes=8)
    yield workout("Tabata", "cardio_training", repeat(8, go(1 / 3), rest(10)), minutes=4)
    yield workout(
        "Rope and steps",
        "cardio_training",
        repeat(6, go(2, heart(4), "Skipping rope"), go(2, heart(3), "Step-ups")),
        minutes=24,
    )
    yield workout("Sun salutations", "yoga", repeat(6, go(1, note="Slow breath")), minutes=6)
    yield workout(
        "Evening stretch",
        "yoga",
        *[go(1.5, note=pose) for pose in ("Child's pose", "Pigeon, left", "Pigeon, right", "Corpse pose")],
        minutes=6,
    )
    yield workout("Hundred and roll-up", "pilates", repeat(3, hold("PLANK", "PLANK", 60), rest(30)), minutes=5)
    yield workout("Hips and ankles", "mobility", go(5, note="Hips"), go(5, note="Ankles"), minutes=10)
    yield workout(
        "Shoulder opener", "mobility", repeat(2, go(2, note="Band pull-aparts"), go(2, note="Wall slides")), minutes=8
    )
    yield several(
        "Sprint triathlon",
        ("swimming", swim(750)),
        ("cycling", run(20000, power(3))),
        ("running", run(5000, heart(4))),
        minutes=80,
    )
    yield several("Brick 40 + 20", ("cycling", go(40, watts(200, 220))), ("running", go(20, pace("5:00", "4:45"))), minutes=60,
                  note="Change your shoes quickly.")  # fmt: skip


def _odd() -> Iterator[Raw]:
    yield workout("<script>alert(1)</script>", "running", go(20, note="<b>not bold</b> {{ 7*7 }} ' OR 1=1 --"), minutes=20,
                  note="</textarea><img src=x onerror=alert(2)>")  # fmt: skip
    yield workout(LONG_NAME, "running", go(30), minutes=30)
    yield workout("朝のジョギング 六千", "running", run(6000), minutes=35, note="ゆっくり走る。雨なら休み。🏃")
    resisted = step("interval", "time", 600, target("resistance", 4, 6), somethingNew={"level": 3})
    yield workout("Trainer, resistance 4 to 6", "cycling", resisted, minutes=10) | {"futureField": ["kept", 1, None]}
    unknown = step("interval", "time", 300) | {
        "targetType": {"workoutTargetTypeId": 99, "workoutTargetTypeKey": "moon.phase", "displayOrder": 99}, "targetValueOne": 1.0,
    }  # fmt: skip
    yield workout("Target nobody knows", "running", warm(5), unknown, minutes=10)


def catalogue() -> list[Raw]:
    """Every workout there is, in the coach's order."""
    return [raw for build in (_intervals, _steady, _cycling, _swimming, _strength, _other, _odd) for raw in build()]


def workouts(number: int, count: int | None = None) -> list[Raw]:
    """The posted workouts of account `number`; deterministic.

    The first account is the coach's and has all of them; an athlete has a choice of his own, fitted to him, and all
    the odd ones. More than there are come again under the name of a later week.
    """
    base, odd = catalogue(), list(_odd())
    if number > 1:
        usual = base[: -len(odd)]
        turn = number * 7 % len(usual)
        base = [_fitted(raw, number) for raw in (usual[turn:] + usual[:turn])[: OF_AN_ATHLETE - len(odd)]] + odd
    count = len(base) if count is None else count
    return [_of_week(base[index % len(base)], index // len(base) + 1) for index in range(count)]


def _of_week(raw: Raw, week: int) -> Raw:
    return deepcopy(raw) if week == 1 else deepcopy(raw) | {"workoutName": f"{raw['workoutName']} (week {week})"}


def _fitted(raw: Raw, number: int) -> Raw:
    """The same workout for somebody a little slower or faster, weaker or stronger."""
    factor = 0.82 + 0.04 * number
    for segment in raw["workoutSegments"]:
        _fit_steps(segment["workoutSteps"], factor)
    return raw


def _fit_steps(steps: list[Raw], factor: float) -> None:
    for each in steps:
        _fit_steps(each.get("workoutSteps", []), factor)
        word = each.get("targetType", {}).get("workoutTargetTypeKey")
        digits = {"pace.zone": 4, "power.zone": 0}.get(word)
        for key in ("targetValueOne", "targetValueTwo"):
            if digits is not None and key in each:
                each[key] = round(each[key] * factor, digits)
        if each.get("weightValue", 0) > 0:
            each["weightValue"] = float(max(PLATE_G, round(each["weightValue"] * factor / PLATE_G) * PLATE_G))
