"""What the accounts have trained: rows as the activity listing answers them."""

from datetime import UTC, date, datetime, time, timedelta
from typing import Any

DAYS = 40
KINDS = [
    ("running", 1, 17, "Morning run", 3.2),
    ("cycling", 2, 17, "Ride", 8.1),
    ("lap_swimming", 27, 26, "Pool swim", 0.9),
    ("strength_training", 13, 29, "Strength", 0.0),
]


def past(number: int) -> list[dict[str, Any]]:
    """Forty days of training up to yesterday, newest first; the same for the same account and day."""
    yesterday = datetime.now(UTC).date() - timedelta(days=1)
    return [one(number, yesterday - timedelta(days=day), day) for day in range(DAYS)]


def one(number: int, on: date, turn: int, *, identity: int | None = None) -> dict[str, Any]:
    """A row; `turn` varies what was done."""
    start = datetime.combine(on, time(6, 30), UTC) - timedelta(minutes=number * 7 % 60)
    kind, type_id, parent, name, speed = KINDS[turn % len(KINDS)]
    seconds = 1800.0 + (turn * 311 + number * 97) % 3600
    heart = 118.0 + turn % 40
    return {
        "activityId": identity or 21_000_000_000 + number * 10_000 + (DAYS - turn),
        "activityName": name, "description": None,
        "startTimeLocal": start.strftime("%Y-%m-%d %H:%M:%S"), "startTimeGMT": start.strftime("%Y-%m-%d %H:%M:%S"),
        "beginTimestamp": int(start.timestamp() * 1000),
        "activityType": {"typeId": type_id, "typeKey": kind, "parentTypeId": parent},
        "eventType": {"typeId": 9, "typeKey": "uncategorized"},
        "distance": round(seconds * speed, 1), "duration": seconds, "movingDuration": seconds - 6.0,
        "elapsedDuration": seconds + 45.0, "averageSpeed": speed, "averageHR": heart, "maxHR": heart + 34.0,
        "calories": float(round(seconds / 6)), "elevationGain": float(turn * 13 % 90) if speed > 3 else None,
        "lapCount": 1 + turn % 9, "ownerId": 4_200_000 + number, "deviceId": 33_770_000 + number,
        "manufacturer": "GARMIN", "isManualActivity": False, "favorite": False,
    }  # fmt: skip
