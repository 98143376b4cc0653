"""Activities of every kind, files of our own making, and their pages."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from accounts.models import User
from coaching import activity_sink
from coaching.activity_sink import Origin
from coaching.models import Activity
from integrations.models import Connection
from integrations.records import ActivityRecord, Sport
from integrations.sandbox.fitfile import Sample, activity

START = datetime(2026, 11, 18, 6, 30, tzinfo=UTC)


def run_file(start: datetime = START, *, minutes: int = 20, **fields: Any) -> bytes:
    samples = [Sample(120 + second % 30, 3.0 + second % 7 / 10, 210) for second in range(minutes * 60)]
    return activity(start, samples, **{"offset_s": 3600, **fields})


def gpx(points: Sequence[tuple[datetime, float, int]], *, name: str = "Morning run", sport: str = "running") -> bytes:
    """Northwards from Lisbon: moments, metres from the start, heart rates."""
    rows = "".join(
        f'<trkpt lat="{38.7 + metres / 111_195:.7f}" lon="-9.1"><ele>20</ele><time>{at:%Y-%m-%dT%H:%M:%SZ}</time>'
        f"<extensions><t:TrackPointExtension><t:hr>{pulse}</t:hr></t:TrackPointExtension></extensions></trkpt>"
        for at, metres, pulse in points
    )
    return (
        '<?xml version="1.0" encoding="UTF-8"?><gpx version="1.1" creator="ours" '
        'xmlns="http://www.topografix.com/GPX/1/1" '
        'xmlns:t="http://www.garmin.com/xmlschemas/TrackPointExtension/v1">'
        f"<trk><name>{name}</name><type>{sport}</type><trkseg>{rows}</trkseg></trk></gpx>"
    ).encode()


def tcx(laps: Sequence[tuple[datetime, int, int, int]], *, sport: str = "Biking") -> bytes:
    """Laps: start, seconds, metres, average heart rate."""
    rows = "".join(
        f'<Lap StartTime="{at:%Y-%m-%dT%H:%M:%SZ}"><TotalTimeSeconds>{seconds}</TotalTimeSeconds>'
        f"<DistanceMeters>{metres}</DistanceMeters><Calories>100</Calories>"
        f"<AverageHeartRateBpm><Value>{pulse}</Value></AverageHeartRateBpm>"
        f"<MaximumHeartRateBpm><Value>{pulse + 20}</Value></MaximumHeartRateBpm><Track>"
        + "".join(
            f"<Trackpoint><Time>{at + timedelta(seconds=second):%Y-%m-%dT%H:%M:%SZ}</Time>"
            f"<DistanceMeters>{metres * second / seconds:.1f}</DistanceMeters>"
            f"<HeartRateBpm><Value>{pulse}</Value></HeartRateBpm>"
            "<Extensions><x:TPX><x:Speed>8.5</x:Speed><x:Watts>205</x:Watts></x:TPX></Extensions></Trackpoint>"
            for second in range(0, seconds, 10)
        )
        + "</Track></Lap>"
        for at, seconds, metres, pulse in laps
    )
    return (
        '<?xml version="1.0"?><TrainingCenterDatabase '
        'xmlns="http://www.garmin.com/xmlschemas/TrainingCenterDatabase/v2" '
        'xmlns:x="http://www.garmin.com/xmlschemas/ActivityExtension/v2"><Activities>'
        f'<Activity Sport="{sport}"><Id>1</Id>{rows}<Creator><UnitId>991</UnitId></Creator></Activity>'
        "</Activities></TrainingCenterDatabase>"
    ).encode()


def record(external_id: str = "1", **fields: Any) -> ActivityRecord:
    usual: dict[str, Any] = {
        "sport": Sport.RUNNING, "name": "Morning run", "started_at": START, "utc_offset_s": 0, "duration_s": 1800.0,
        "distance_m": 6000.0, "avg_hr": 140, "max_hr": 171,
    }  # fmt: skip
    return ActivityRecord(external_id=external_id, **{**usual, **fields})


def stored(
    athlete: User, external_id: str = "1", *, connection: Connection | None = None, source: str = "file", **fields: Any
) -> Activity:
    """One activity, on the path of all others."""
    source = connection.provider.slug if connection else source
    origin = Origin(athlete.pk, source, connection.pk if connection else None)
    activity_sink.store(origin, [record(external_id, **fields)])
    return Activity.objects.get(athlete=athlete, source=source, external_id=external_id)
