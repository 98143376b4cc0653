"""The Training API's words, both ways. A word that is not here has no field of ours and is kept as it came."""

from typing import Literal, NamedTuple

from integrations.records import EndKind, Equipment, Intensity, Sport, Stroke, TargetKind

type Compare = Literal["gt", "lt"]

SPORTS = {
    Sport.RUNNING: "RUNNING",
    Sport.CYCLING: "CYCLING",
    Sport.SWIMMING: "LAP_SWIMMING",
    Sport.STRENGTH: "STRENGTH_TRAINING",
    Sport.CARDIO: "CARDIO_TRAINING",
    Sport.YOGA: "YOGA",
    Sport.PILATES: "PILATES",
    Sport.OTHER: "GENERIC",
    Sport.MULTISPORT: "MULTI_SPORT",
}

INTENSITIES = {
    Intensity.WARMUP: "WARMUP",
    Intensity.INTERVAL: "INTERVAL",
    Intensity.RECOVERY: "RECOVERY",
    Intensity.REST: "REST",
    Intensity.COOLDOWN: "COOLDOWN",
    Intensity.MAIN: "MAIN",
    Intensity.OTHER: "ACTIVE",
}

# A heart rate or a power ends a step from above or from below, so each has two words.
ENDS: dict[tuple[EndKind, Compare | None], str] = {
    (EndKind.LAP_BUTTON, None): "OPEN",
    (EndKind.TIME, None): "TIME",
    (EndKind.DISTANCE, None): "DISTANCE",
    (EndKind.CALORIES, None): "CALORIES",
    (EndKind.REPS, None): "REPS",
    (EndKind.FIXED_REST, None): "FIXED_REST",
    (EndKind.SEND_OFF, None): "FIXED_REPETITION",
    (EndKind.HEART_RATE, "lt"): "HR_LESS_THAN",
    (EndKind.HEART_RATE, "gt"): "HR_GREATER_THAN",
    (EndKind.POWER, "lt"): "POWER_LESS_THAN",
    (EndKind.POWER, "gt"): "POWER_GREATER_THAN",
}
COUNTED = "REPEAT_UNTIL_STEPS_CMPLT"
REPEATS: dict[tuple[EndKind, Compare | None], str] = {
    key: f"REPEAT_UNTIL_{ENDS[key]}"
    for key in ENDS
    if key[0] in {EndKind.TIME, EndKind.DISTANCE, EndKind.CALORIES, EndKind.HEART_RATE, EndKind.POWER}
}

TARGETS = {
    TargetKind.NONE: "OPEN",
    TargetKind.HEART_RATE: "HEART_RATE",
    TargetKind.POWER: "POWER",
    TargetKind.PACE: "PACE",
    TargetKind.SPEED: "SPEED",
    TargetKind.CADENCE: "CADENCE",
    TargetKind.GRADE: "GRADE",
    TargetKind.RESISTANCE: "RESISTANCE",
    TargetKind.HEART_RATE_LAP: "HEART_RATE_LAP",
    TargetKind.POWER_LAP: "POWER_LAP",
}
PERCENT = "percent"  # of the person's own threshold or maximum, from 0 to 100

STROKES = {
    Stroke.ANY: "CHOICE",
    Stroke.BACKSTROKE: "BACKSTROKE",
    Stroke.BREASTSTROKE: "BREASTSTROKE",
    Stroke.BUTTERFLY: "BUTTERFLY",
    Stroke.FREESTYLE: "FREESTYLE",
    Stroke.MEDLEY: "IM",
}

EQUIPMENT = {
    Equipment.FINS: "SWIM_FINS",
    Equipment.KICKBOARD: "SWIM_KICKBOARD",
    Equipment.PADDLES: "SWIM_PADDLES",
    Equipment.PULL_BUOY: "SWIM_PULL_BUOY",
    Equipment.SNORKEL: "SWIM_SNORKEL",
}
NO_EQUIPMENT = "NONE"


class TargetFields(NamedTuple):
    kind: str
    zone: str
    low: str
    high: str
    unit: str


TARGET = TargetFields("targetType", "targetValue", "targetValueLow", "targetValueHigh", "targetValueType")
SECOND_TARGET = TargetFields(
    "secondaryTargetType",
    "secondaryTargetValue",
    "secondaryTargetValueLow",
    "secondaryTargetValueHigh",
    "secondaryTargetValueType",
)

# What Garmin's server numbers and dates itself, and what we say of ourselves.
SERVER_SET = frozenset(
    {
        "workoutId",
        "ownerId",
        "createdDate",
        "updatedDate",
        "stepId",
        "stepOrder",
        "segmentOrder",
        "workoutProvider",
        "workoutSourceId",
        "consumer",
    }
)


def member[T](words: dict[T, str], word: str) -> T | None:
    """What a word of Garmin's stands for; None when it is one that we do not know."""
    return next((key for key, known in words.items() if known == word), None)
