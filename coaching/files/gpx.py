"""GPX tracks: https://www.topografix.com/GPX/1/1/; what counts is the track with its times."""

import math
from datetime import UTC, datetime
from itertools import pairwise

from django.utils.translation import gettext

from coaching.files.markup import Reader, walk
from coaching.files.shapes import MOST_POINTS, Budget, FileActivity, FileRefused, Point, pulse, written
from integrations.records import Sport

POINT = "gpx/trk/trkseg/trkpt"
EARTH_M = 6_371_008.8
LONGEST_STEP_S = 60.0  # between two samples; beyond it nobody knows how fast
LEAST_CLIMB_M = 3.0  # below it a rise is the noise of the receiver
SPORTS = {
    "run": Sport.RUNNING, "trail": Sport.RUNNING, "jog": Sport.RUNNING, "9": Sport.RUNNING,
    "rid": Sport.CYCLING, "cycl": Sport.CYCLING, "bik": Sport.CYCLING, "1": Sport.CYCLING,
    "swim": Sport.SWIMMING, "walk": Sport.WALKING, "10": Sport.WALKING, "hik": Sport.HIKING, "4": Sport.HIKING,
    "row": Sport.ROWING,
}  # fmt: skip


def read(content: bytes, budget: Budget) -> FileActivity:
    """Distance, ascent and speed are reckoned from the positions: the format has no sums."""
    track = _Track()
    walk(content, track, budget, name="GPX")
    if not track.points:
        raise FileRefused(
            gettext("This GPX file holds a route without times, so nothing was done yet."), code="gpx_no_times"
        )
    return _summed(track, budget)


class _Track(Reader):
    def __init__(self) -> None:
        self.found = FileActivity("gpx")
        self.points: list[Point] = []
        self.places: list[tuple[float, float, float | None]] = []
        self._fields: dict[str, str] = {}

    def begins(self, path: str, attributes: dict[str, str]) -> None:
        if path == POINT:
            self._fields = {key: attributes.get(key, "") for key in ("lat", "lon")}

    def ends(self, path: str, text: str) -> None:
        if path.startswith(POINT + "/"):
            self._fields.setdefault(path.rpartition("/")[2], text)
        elif path == POINT:
            self._take()
        elif path == "gpx/trk/type":
            self.found.sport = sport_of(text)
        elif path == "gpx/trk/name":
            self.found.name = text

    def _take(self) -> None:
        at, fields = moment(self._fields.get("time", "")), self._fields
        lat, lon = (written(fields[key], least=-bound, most=bound) for key, bound in (("lat", 90), ("lon", 180)))
        if at is None or lat is None or lon is None:
            return
        if len(self.points) >= MOST_POINTS:
            raise FileRefused(gettext("This file holds more samples than we read."), code="too_many_points")
        power = written(fields.get("power", "") or fields.get("PowerInWatts", ""), most=5_000)
        heart_rate = pulse(written(fields.get("hr", "")))
        self.points.append(Point(at=at, heart_rate=heart_rate, power_w=power))
        self.places.append((lat, lon, written(fields.get("ele", ""), least=-500, most=10_000)))


def _summed(track: _Track, budget: Budget) -> FileActivity:
    found, total = track.found, 0.0
    points = [Point(track.points[0].at, track.points[0].heart_rate, None, track.points[0].power_w, 0.0)]
    for index, (before, after) in enumerate(pairwise(range(len(track.points))), start=1):
        if index % 1_000 == 0:
            budget.spend()
        metres = apart(track.places[before], track.places[after])
        seconds = (track.points[after].at - track.points[before].at).total_seconds()
        total += metres
        speed = metres / seconds if 0 < seconds <= LONGEST_STEP_S else None
        now = track.points[after]
        points.append(Point(now.at, now.heart_rate, speed, now.power_w, total))
    found.points, found.distance_m, found.ascent_m = points, total, _climbed([place[2] for place in track.places])
    return found


def _climbed(heights: list[float | None]) -> float | None:
    """The rises above the lowest place since the last one, small ones left out."""
    known = [height for height in heights if height is not None]
    if not known:
        return None
    climbed, low = 0.0, known[0]
    for height in known:
        if height - low >= LEAST_CLIMB_M:
            climbed, low = climbed + height - low, height
        low = min(low, height)
    return climbed


def apart(one: tuple[float, float, float | None], other: tuple[float, float, float | None]) -> float:
    """Metres on the globe."""
    lat, lon, to_lat, to_lon = map(math.radians, (*one[:2], *other[:2]))
    h = math.sin((to_lat - lat) / 2) ** 2 + math.cos(lat) * math.cos(to_lat) * math.sin((to_lon - lon) / 2) ** 2
    return 2 * EARTH_M * math.asin(min(1.0, math.sqrt(h)))


def sport_of(word: str) -> Sport:
    """Programs write the sport as they like; Strava's older exports as a number."""
    word = word.lower()
    return next(
        (sport for part, sport in SPORTS.items() if (word == part if part.isdigit() else part in word)), Sport.OTHER
    )


def moment(text: str) -> datetime | None:
    try:
        found = datetime.fromisoformat(text)
        return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
