"""How Garmin's server answers a workout that was posted: type objects in full, numbered, dated, with null for the rest.

The numbers and words are written down here once more and not taken from our translator: the sandbox checks it.
"""

from collections.abc import Callable, Iterator
from copy import deepcopy
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

SPORTS = {
    1: "running", 2: "cycling", 3: "other", 4: "swimming", 5: "strength_training", 6: "cardio_training", 7: "yoga",
    8: "pilates", 9: "hiit", 10: "multi_sport", 11: "mobility",
}  # fmt: skip
STEPS = {1: "warmup", 2: "cooldown", 3: "interval", 4: "recovery", 5: "rest", 6: "repeat", 7: "other", 8: "main"}
ENDS = {
    1: "lap.button", 2: "time", 3: "distance", 4: "calories", 5: "power", 6: "heart.rate", 7: "iterations",
    8: "fixed.rest", 9: "fixed.repetition", 10: "reps", 17: "velocity.loss", 24: "power.loss",
}  # fmt: skip
TARGETS = {
    1: "no.target", 2: "power.zone", 3: "cadence", 4: "heart.rate.zone", 5: "speed.zone", 6: "pace.zone", 7: "grade",
    8: "heart.rate.lap", 9: "power.lap", 14: "swim.stroke", 15: "resistance", 17: "swim.css.offset", 19: "instruction",
}  # fmt: skip
STROKES = {
    1: "any_stroke", 2: "backstroke", 3: "breaststroke", 4: "drill", 5: "fly", 6: "free", 7: "individual_medley",
}  # fmt: skip
EQUIPMENT = {1: "fins", 2: "kickboard", 3: "paddles", 4: "pull_buoy", 5: "snorkel"}
UNITS = {1: ("meter", 100.0), 2: ("kilometer", 100000.0), 8: ("kilogram", 1000.0), 230: ("yard", 91.44)}
ORDER_OF_SPORTS = {4: 3}  # where it is not the number itself
KINDS = {
    "sportType": ("sportType", SPORTS),
    "stepType": ("stepType", STEPS),
    "endCondition": ("conditionType", ENDS),
    "targetType": ("workoutTargetType", TARGETS),
    "secondaryTargetType": ("workoutTargetType", TARGETS),
    "strokeType": ("strokeType", STROKES),
    "equipmentType": ("equipmentType", EQUIPMENT),
}
REPEAT = "RepeatGroupDTO"
NO_UNIT = {"unitId": None, "unitKey": None, "factor": None}
EMPTY_WORKOUT = {
    "description": None, "subSportType": None, "trainingPlanId": None, "sharedWithUsers": None, "locale": None,
    "estimatedDurationInSecs": 0, "estimatedDistanceInMeters": None, "poolLength": None, "poolLengthUnit": None,
    "workoutProvider": None, "workoutSourceId": None, "uploadTimestamp": None, "atpPlanId": None, "consumer": None,
    "consumerName": None, "consumerImageURL": None, "shared": False,
}  # fmt: skip
EMPTY_SEGMENT = {"poolLength": None, "poolLengthUnit": None, "avgTrainingSpeed": None, "description": None}
EMPTY_STEP = {
    "childStepId": None, "description": None, "endConditionValue": None, "preferredEndConditionUnit": None,
    "endConditionCompare": None, "endConditionZone": None, "targetType": None, "targetValueOne": None,
    "targetValueTwo": None, "targetValueUnit": None, "zoneNumber": None, "secondaryTargetType": None,
    "secondaryTargetValueOne": None, "secondaryTargetValueTwo": None, "secondaryTargetValueUnit": None,
    "secondaryZoneNumber": None, "strokeType": {"strokeTypeId": 0, "strokeTypeKey": None, "displayOrder": 0},
    "equipmentType": {"equipmentTypeId": 0, "equipmentTypeKey": None, "displayOrder": 0}, "category": None,
    "exerciseName": None, "workoutProvider": None, "providerExerciseSourceId": None, "weightValue": None,
    "weightUnit": None,
}  # fmt: skip
IN_A_LISTING = (
    "workoutId", "ownerId", "workoutName", "description", "createdDate", "sportType", "trainingPlanId", "author",
    "estimatedDurationInSecs", "estimatedDistanceInMeters", "poolLength", "workoutSourceId", "consumer", "atpPlanId",
    "shared",
)  # fmt: skip

type Raw = dict[str, Any]


def stamp(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.0")


def later(text: str) -> str:
    """A stamp after `text`, and not before this moment."""
    seen = datetime.strptime(text[:19], "%Y-%m-%dT%H:%M:%S").replace(tzinfo=UTC)
    return stamp(max(datetime.now(UTC), seen + timedelta(seconds=1)))


def expand(raw: Raw, *, identity: int, person: Raw, at: datetime, step_id: Callable[[], int]) -> Raw:
    """A posted workout as the server keeps it. What it does not know stays as it came."""
    moment = stamp(at)
    stored = EMPTY_WORKOUT | deepcopy(raw) | {
        "workoutId": identity, "ownerId": person["profile"], "createdDate": moment, "updatedDate": moment,
        "author": author(person),
    }  # fmt: skip
    _expand_kinds(stored)
    order, groups = count(1), count(1)

    def numbered(step: Raw, group: int | None) -> Raw:
        placed = {"stepId": step_id(), "stepOrder": next(order)}
        if step.get("type") != REPEAT:
            full = EMPTY_STEP | _expand_kinds(step) | placed
            return full | {"childStepId": group}
        own = next(groups)
        children = [numbered(each, own) for each in step.get("workoutSteps") or []]
        return _expand_kinds(step) | placed | {"childStepId": own, "workoutSteps": children}

    stored["workoutSegments"] = [
        EMPTY_SEGMENT
        | _expand_kinds(segment)
        | {"segmentOrder": number, "workoutSteps": [numbered(each, None) for each in segment.get("workoutSteps") or []]}
        for number, segment in enumerate(raw_segments(stored), start=1)
    ]
    return stored


def raw_segments(raw: Raw) -> list[Raw]:
    """ValueError when they are no list of objects."""
    found = raw.get("workoutSegments")
    if not isinstance(found, list) or not all(isinstance(segment, dict) for segment in found):
        raise ValueError("workoutSegments")
    return found


def _expand_kinds(part: Raw) -> Raw:
    """Complete the type objects and units of one part, in place. The number decides; a word alone finds its number."""
    for name, (prefix, words) in KINDS.items():
        kind = part.get(name)
        if isinstance(kind, dict):
            part[name] = _expand_kind(kind, prefix, words)
    for name in ("poolLengthUnit", "preferredEndConditionUnit", "weightUnit"):
        unit = part.get(name)
        if isinstance(unit, dict) and unit.get("unitId") in UNITS:
            key, factor = UNITS[unit["unitId"]]
            part[name] = unit | {"unitKey": key, "factor": factor}
    return part


def _expand_kind(kind: Raw, prefix: str, words: dict[int, str]) -> Raw:
    key = kind.get(f"{prefix}Key")
    number = kind.get(f"{prefix}Id") or next((known for known, word in words.items() if word == key), None)
    if number not in words:
        return kind
    order = ORDER_OF_SPORTS.get(number, number) if words is SPORTS else number
    full = {f"{prefix}Id": number, f"{prefix}Key": words[number], "displayOrder": order}
    return kind | full | ({"displayable": number != 7} if words is ENDS else {})


def author(person: Raw) -> Raw:
    return {
        "userProfilePk": person["profile"], "displayName": f"sandbox-{person['profile']}", "fullName": person["name"],
        "profileImgNameLarge": None, "profileImgNameMedium": None, "profileImgNameSmall": None, "userPro": False,
        "vivokidUser": False,
    }  # fmt: skip


def row(stored: Raw) -> Raw:
    """The listing's row: without steps, and with `updateDate` where the object says `updatedDate`."""
    return {key: stored.get(key) for key in IN_A_LISTING} | {
        "updateDate": stored["updatedDate"], "poolLength": stored.get("poolLength") or 0,
        "poolLengthUnit": stored.get("poolLengthUnit") or NO_UNIT, "workoutProvider": "null",
        "workoutNameI18nKey": None, "descriptionI18nKey": None, "estimated": False,
    }  # fmt: skip


def vocabulary() -> Raw:
    """The answer of `/workout/types`."""
    return {
        f"workout{name[0].upper()}{name[1:]}s": list(_kinds(prefix, words)) for name, (prefix, words) in KINDS.items()
    }


def _kinds(prefix: str, words: dict[int, str]) -> Iterator[Raw]:
    for number in words:
        yield _expand_kind({f"{prefix}Id": number}, prefix, words)
