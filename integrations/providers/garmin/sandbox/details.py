"""Laps, samples and the file of an activity, made up from its row."""

import io
import math
import zipfile
from abc import abstractmethod
from datetime import UTC, datetime, timedelta
from typing import Any

from integrations.sandbox import Answer, Request, Sandbox, route
from integrations.sandbox.fitfile import Sample, activity

EVERY_S = 5
LAP_S = 600
GONE = Answer(404, {"message": "Activity not found", "error": "NotFoundException"})
METRICS = ("sumElapsedDuration", "directHeartRate", "directSpeed", "directPower")
SPORTS = {"running": 1, "cycling": 2, "lap_swimming": 5, "strength_training": 10}

type Raw = dict[str, Any]


class DetailRoutes(Sandbox):
    """What Garmin Connect's own page of an activity asks for."""

    @abstractmethod
    def _own(self, request: Request) -> Raw: ...

    @route("GET", "/api/activity-service/activity/{identity}/splits")
    def splits(self, request: Request) -> Answer:
        row = self._activity(request)
        return GONE if row is None else Answer(data={"activityId": row["activityId"], "lapDTOs": _laps(row)})

    @route("GET", "/api/activity-service/activity/{identity}/details")
    def details(self, request: Request) -> Answer:
        row = self._activity(request)
        if row is None:
            return GONE
        most = max(1, request.number("maxChartSize", 1000))
        samples = _samples(row)
        step = -(-len(samples) // most)
        rows = [
            {"metrics": [index * EVERY_S, sample.heart_rate, sample.speed_mps, sample.power_w or None]}
            for index, sample in enumerate(samples)
            if index % step == 0
        ]
        described = [{"metricsIndex": place, "key": key} for place, key in enumerate(METRICS)]
        return Answer(
            data={
                "activityId": row["activityId"], "measurementCount": len(METRICS), "metricsCount": len(rows),
                "totalMetricsCount": len(samples), "metricDescriptors": described, "activityDetailMetrics": rows,
                "detailsAvailable": True,
            }
        )  # fmt: skip

    @route("GET", "/api/download-service/files/activity/{identity}")
    def download(self, request: Request) -> Answer:
        row = self._activity(request)
        if row is None:
            return GONE
        start = datetime.fromisoformat(row["startTimeGMT"]).replace(tzinfo=UTC)
        kind = SPORTS.get(row["activityType"]["typeKey"], 0)
        content = activity(start, _samples(row), sport=kind, serial=row["deviceId"], every_s=EVERY_S)
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr(f"{row['activityId']}_ACTIVITY.fit", content)
        return Answer(content=packed.getvalue())

    def _activity(self, request: Request) -> Raw | None:
        wanted = request.arguments["identity"]
        rows: list[Raw] = self._own(request)["activities"]
        return next((row for row in rows if str(row["activityId"]) == wanted), None)


def _samples(row: Raw) -> list[Sample]:
    """Waves around the averages; watts on a bicycle alone."""
    rides = row["activityType"]["typeKey"] == "cycling"
    return [
        Sample(
            heart_rate=round(row["averageHR"] + 16 * math.sin(index / 22) + 6 * math.sin(index / 3)),
            speed_mps=round(max(0.0, row["averageSpeed"] * (1 + 0.14 * math.sin(index / 22))), 3),
            power_w=round(195 + 50 * math.sin(index / 22)) if rides else 0,
        )
        for index in range(int(row["duration"]) // EVERY_S)
    ]


def _laps(row: Raw) -> list[Raw]:
    start, whole = datetime.fromisoformat(row["startTimeGMT"]), row["duration"]
    found = []
    for number, begin in enumerate(range(0, int(whole), LAP_S), start=1):
        seconds = min(LAP_S, whole - begin)
        found.append(
            {
                "startTimeGMT": (start + timedelta(seconds=begin)).isoformat(timespec="milliseconds"),
                "distance": round(seconds * row["averageSpeed"], 1), "duration": float(seconds),
                "averageSpeed": row["averageSpeed"], "averageHR": row["averageHR"] + number,
                "maxHR": row["averageHR"] + number + 20, "elevationGain": 3.0 if row["averageSpeed"] > 3 else None,
                "lapIndex": number, "intensityType": "ACTIVE",
            }
        )  # fmt: skip
    return found
