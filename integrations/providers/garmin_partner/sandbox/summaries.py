"""Made-up activity summaries, as the Activity API words them."""

from datetime import datetime
from typing import Any

OFFSET_S = 3600
KINDS = (
    ("RUNNING", "Morning run", 2.9),
    ("ROAD_BIKING", "Round the lake", 7.6),
    ("TRAIL_RUNNING", "Over the hill", 2.2),
    ("LAP_SWIMMING", "Lengths", 0.8),
    ("STRENGTH_TRAINING", "Strength", 0.0),
    ("WALKING", "Evening walk", 1.4),
)


def one(user: str, identity: int, start: datetime) -> dict[str, Any]:
    """The same for the same number; one of each 23 came without a strap."""
    turn = identity % 97
    kind, name, speed = KINDS[identity % len(KINDS)]
    seconds = 1500 + 60 * (turn % 50)
    heart = {} if turn % 23 == 0 else {
        "averageHeartRateInBeatsPerMinute": 124 + turn % 30, "maxHeartRateInBeatsPerMinute": 158 + turn % 20,
    }  # fmt: skip
    return {
        "userId": user, "summaryId": str(identity), "activityId": identity, "activityName": name,
        "activityType": kind, "startTimeInSeconds": int(start.timestamp()), "startTimeOffsetInSeconds": OFFSET_S,
        "durationInSeconds": seconds, "distanceInMeters": round(speed * seconds, 1), **heart,
        "averageSpeedInMetersPerSecond": speed, "activeKilocalories": seconds // 6,
        "totalElevationGainInMeters": round(speed * (turn % 30), 1), "deviceName": "Sandbox watch",
        "manual": False, "isWebUpload": False,
    }  # fmt: skip
