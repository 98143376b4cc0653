"""Workouts as Garmin's server would answer them."""

from typing import Any

from integrations.providers.garmin.translator import to_workout
from integrations.records import WorkoutStep


def workout(*steps: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {
        "workoutName": "W",
        "sportType": {"sportTypeId": 1},
        "workoutSegments": [{"workoutSteps": list(steps)}],
    } | fields


def only_step(**fields: Any) -> WorkoutStep:
    return next(to_workout(workout({"endCondition": {"conditionTypeId": 1}, **fields})).flat_steps())
