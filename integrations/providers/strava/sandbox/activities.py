"""Made-up activities, shaped as Strava shapes them, the false Z of the local start included."""

import math
from datetime import datetime, timedelta
from typing import Any

OFFSET_S = 3600
STAMP = "%Y-%m-%dT%H:%M:%SZ"
KINDS = (
    ("Run", "Run", "Morning run", 2.9),
    ("Ride", "Ride", "Round the lake", 7.4),
    ("Run", "TrailRun", "Over the hill", 2.3),
    ("Swim", "Swim", "Lengths", 0.8),
    ("Ride", "GravelRide", "Gravel loop", 6.1),
    ("WeightTraining", "WeightTraining", "Strength", 0.0),
)


def one(athlete: int, identity: int, start: datetime) -> dict[str, Any]:
    turn = identity % 97
    kind, sport, name, speed = KINDS[identity % len(KINDS)]
    moving = 1500 + 60 * (turn % 50)
    private = turn % 11 == 0
    return {
        "resource_state": 2, "id": identity, "athlete": {"id": athlete, "resource_state": 1}, "name": name,
        "distance": round(speed * moving, 1), "moving_time": moving, "elapsed_time": moving + 95,
        "total_elevation_gain": round(speed * (turn % 40), 1), "type": kind, "sport_type": sport,
        "workout_type": None, "start_date": start.strftime(STAMP),
        "start_date_local": (start + timedelta(seconds=OFFSET_S)).strftime(STAMP),
        "timezone": "(GMT+01:00) Europe/Paris", "utc_offset": float(OFFSET_S), "upload_id": identity + 1,
        "external_id": f"sandbox-{identity}.fit", "trainer": False, "commute": turn % 7 == 0, "manual": False,
        "private": private, "visibility": "only_me" if private else "everyone", "flagged": False, "gear_id": None,
        "average_speed": speed, "max_speed": round(speed * 1.6, 1), "has_heartrate": turn % 5 != 0,
        **({"average_heartrate": 128.0 + turn % 30, "max_heartrate": 160.0 + turn % 20} if turn % 5 else {}),
        "device_name": "Sandbox watch", "map": {"id": f"a{identity}", "summary_polyline": "", "resource_state": 2},
    }  # fmt: skip


def laps(row: dict[str, Any]) -> list[dict[str, Any]]:
    """Four of the same length, the last one shorter."""
    length, whole = -(-row["moving_time"] // 4), row["moving_time"]
    parts = [min(length, whole - start) for start in range(0, whole, length)]
    return [
        {
            "id": row["id"] * 10 + number, "name": f"Lap {number}", "lap_index": number, "split": number,
            "moving_time": seconds, "elapsed_time": seconds + 5, "distance": round(seconds * row["average_speed"], 1),
            "average_speed": row["average_speed"], "total_elevation_gain": 4.0,
            **({"average_heartrate": row["average_heartrate"] + number} if row["has_heartrate"] else {}),
        }
        for number, seconds in enumerate(parts, start=1)
    ]  # fmt: skip


def streams(row: dict[str, Any], wanted: list[str]) -> dict[str, Any]:
    """A sample every three seconds; watts on a bicycle alone."""
    times = list(range(0, row["moving_time"], 3))
    wave = [math.sin(at / 180) for at in times]
    found: dict[str, list[float]] = {
        "time": [float(at) for at in times],
        "velocity_smooth": [round(row["average_speed"] * (1 + 0.15 * up), 2) for up in wave],
    }
    if row["has_heartrate"]:
        found["heartrate"] = [round(row["average_heartrate"] + 14 * up) for up in wave]
    if row["type"] == "Ride":
        found["watts"] = [round(190 + 45 * up) for up in wave]
    return {
        key: {"data": found[key], "series_type": "time", "original_size": len(times), "resolution": "high"}
        for key in wanted
        if key in found
    }
