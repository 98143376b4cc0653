"""TCX, Garmin's XML of laps and track points: https://www8.garmin.com/xmlschemas/TrainingCenterDatabasev2.xsd"""

from django.utils.translation import gettext

from coaching.files.gpx import moment, sport_of
from coaching.files.markup import Reader, walk
from coaching.files.shapes import MOST_POINTS, Budget, FileActivity, FileRefused, Point, pulse, written
from integrations.records import LapRecord

ACTIVITY = "TrainingCenterDatabase/Activities/Activity"
LAP = ACTIVITY + "/Lap"
POINT = LAP + "/Track/Trackpoint"


def read(content: bytes, budget: Budget) -> FileActivity:
    """The first activity of the file; its sums are its laps'."""
    reader = _Laps()
    walk(content, reader, budget, name="TCX")
    if not reader.found.laps:
        raise FileRefused(gettext("This TCX file holds no activity."), code="tcx_empty")
    return reader.summed()


class _Laps(Reader):
    def __init__(self) -> None:
        self.found = FileActivity("tcx")
        self._activities = 0
        self._energy: list[float] = []
        self._lap: dict[str, str] = {}
        self._point: dict[str, str] = {}

    def begins(self, path: str, attributes: dict[str, str]) -> None:
        if path == ACTIVITY:
            self._activities += 1
        if self._activities > 1:
            return
        if path == ACTIVITY:
            self.found.sport = sport_of(attributes.get("Sport", ""))
        elif path == LAP:
            self._lap = {}
            self.found.started_at = self.found.started_at or moment(attributes.get("StartTime", ""))
        elif path == POINT:
            self._point = {}

    def ends(self, path: str, text: str) -> None:
        if self._activities > 1 or not path.startswith(ACTIVITY):
            return
        if path.startswith(POINT + "/"):
            self._point.setdefault(path.removeprefix(POINT + "/"), text)
        elif path == POINT:
            self._take_point()
        elif path == LAP:
            self._take_lap()
        elif path.startswith(LAP + "/"):
            self._lap.setdefault(path.removeprefix(LAP + "/"), text)
        elif path == ACTIVITY + "/Creator/UnitId" and text.isdecimal():
            self.found.device = text[:20]

    def summed(self) -> FileActivity:
        found, laps = self.found, self.found.laps
        found.duration_s = sum(lap.duration_s for lap in laps)
        distances = [lap.distance_m for lap in laps if lap.distance_m is not None]
        found.distance_m = sum(distances) if distances else None
        found.max_hr = max((lap.max_hr for lap in laps if lap.max_hr), default=None)
        timed = [(lap.avg_hr, lap.duration_s) for lap in laps if lap.avg_hr and lap.duration_s]
        if timed and len(timed) == len(laps):
            found.avg_hr = pulse(sum(rate * s for rate, s in timed) / sum(s for _, s in timed))
        found.energy_kcal = sum(self._energy) if self._energy else None
        return found

    def _take_lap(self) -> None:
        fields, duration_s = self._lap, written(self._lap.get("TotalTimeSeconds", ""))
        if duration_s is None:
            raise FileRefused(gettext("This TCX file has a lap without a length."), code="tcx_lap")
        if (kcal := written(fields.get("Calories", ""), most=100_000)) is not None:
            self._energy.append(kcal)
        distance_m = written(fields.get("DistanceMeters", ""))
        self.found.laps.append(
            LapRecord(
                duration_s=duration_s,
                distance_m=distance_m,
                avg_hr=pulse(written(fields.get("AverageHeartRateBpm/Value", ""))),
                max_hr=pulse(written(fields.get("MaximumHeartRateBpm/Value", ""))),
                avg_speed_mps=distance_m / duration_s if distance_m is not None and duration_s else None,
                avg_power_w=written(fields.get("Extensions/LX/AvgWatts", ""), most=5_000),
            )
        )

    def _take_point(self) -> None:
        fields = self._point
        if (at := moment(fields.get("Time", ""))) is None:
            return
        if len(self.found.points) >= MOST_POINTS:
            raise FileRefused(gettext("This file holds more samples than we read."), code="too_many_points")
        self.found.points.append(
            Point(
                at=at,
                heart_rate=pulse(written(fields.get("HeartRateBpm/Value", ""))),
                speed_mps=written(fields.get("Extensions/TPX/Speed", ""), most=150),
                power_w=written(fields.get("Extensions/TPX/Watts", ""), most=5_000),
                distance_m=written(fields.get("DistanceMeters", "")),
            )
        )
