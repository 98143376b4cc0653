"""What becomes of activities that a sync or a webhook brings. Everything here runs inside the caller's transaction."""

import hashlib
import json
from collections.abc import Collection, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from django.db import connection as database
from django.db.models import QuerySet
from django.db.models.functions import Now
from django.utils import timezone

from accounts.models import User
from coaching import policies, totals
from coaching.load import load_of
from coaching.models import Activity
from integrations import events
from integrations.models import Connection
from integrations.records import ActivityRecord
from integrations.sinks import Changes, Difference

LONGEST_NAME = 200
LONGEST_WORD = 64

COLUMNS = {  # what is stored of a record, with the type of its array
    "external_id": "text", "sport": "text", "name": "text", "started_at": "timestamptz", "utc_offset_s": "int",
    "time_zone": "text", "day": "date", "duration_s": "float8", "distance_m": "float8", "ascent_m": "float8",
    "avg_hr": "smallint", "max_hr": "smallint", "energy_kcal": "float8", "load": "float8", "workout_id": "text",
    "device": "text", "content_hash": "text",
}  # fmt: skip
_NAMES = ", ".join(COLUMNS)
_ARRAYS = ", ".join(f"%({name})s::{kind}[]" for name, kind in COLUMNS.items())
_SET = ", ".join(f"{name} = EXCLUDED.{name}" for name in COLUMNS if name != "external_id")

# Rows are taken in the order of their ids, as everybody does who locks activities. A row that is as it was is not
# written: not its timestamp, nor anything else. Times come from `now()`, which is the transaction's.
_UPSERT = f"""
INSERT INTO coaching_activity AS a (
    public_id, athlete_id, connection_id, source, generation, created_at, updated_at, file_hash, {_NAMES})
SELECT gen_random_uuid(), %(athlete)s, %(connection)s, %(source)s, 0, now(), now(), %(file_hash)s, {_NAMES}
FROM unnest({_ARRAYS}) AS come({_NAMES}) ORDER BY external_id
ON CONFLICT (athlete_id, source, external_id) DO UPDATE SET {_SET},
    connection_id = EXCLUDED.connection_id, gone_at = NULL, updated_at = EXCLUDED.updated_at
WHERE a.content_hash IS DISTINCT FROM EXCLUDED.content_hash OR a.gone_at IS NOT NULL
    OR a.connection_id IS DISTINCT FROM EXCLUDED.connection_id
RETURNING new.id, new.day, old.day
"""  # noqa: S608 - names of our own columns alone


@dataclass(frozen=True, slots=True)
class Origin:
    """Where activities come from: `source` is a provider's slug, or "file"."""

    athlete_id: int
    source: str
    connection_id: int | None = None
    file_hash: str = ""


class ActivitySink:
    """Keeps an athlete's activities in step with one connection; a loss makes a mark that a new sighting takes away."""

    def adopt(self, connection: Connection) -> None:
        """Who disconnects and connects the same account again has each activity once."""
        ended = Connection.objects.filter(
            user=connection.user_id,
            provider=connection.provider_id,
            external_account_id=connection.external_account_id,
            status=Connection.Status.DISCONNECTED,
        ).exclude(pk=connection.pk)
        left = Activity.objects.filter(connection__in=ended).order_by("external_id")
        locked = list(left.select_for_update(no_key=True, of=("self",)).values_list("pk", flat=True))
        Activity.objects.filter(pk__in=locked).update(connection=connection)

    def known(self, connection: Connection, external_ids: Sequence[str]) -> Mapping[str, str]:
        """Content hashes of what is stored and not gone."""
        stored = _live(connection).filter(external_id__in=external_ids)
        return dict(stored.values_list("external_id", "content_hash"))

    def upsert(self, connection: Connection, records: Sequence[ActivityRecord]) -> Changes:
        """A page, in one statement; nothing is written for what is stored already."""
        return store(_origin(connection), records, connection=connection)

    def compare(self, connection: Connection, records: Sequence[ActivityRecord]) -> Difference:
        """What `upsert` would do, without doing it."""
        wanted = _rows(_kept(connection.provider.slug, records))
        known = self.known(connection, list(wanted))
        lacking = [key for key in wanted if key not in known]
        changed = [key for key, row in wanted.items() if key in known and known[key] != row["content_hash"]]
        return Difference(lacking, changed)

    def missing(
        self, connection: Connection, seen: Container[str], *, since: date | None = None, until: date | None = None
    ) -> tuple[set[str], int]:
        """(ids of those days that `seen` lacks, number of all live rows of those days)."""
        gone, live = set(), 0
        for external_id in _within(connection, since, until).values_list("external_id", flat=True).iterator():
            live += 1
            if external_id not in seen:
                gone.add(external_id)
        return gone, live

    def sweep(
        self, connection: Connection, seen: Container[str], *, since: date | None = None, until: date | None = None
    ) -> int:
        """Mark as gone what `seen` lacks of those days; the mark goes when the activity is seen again."""
        gone, _ = self.missing(connection, seen, since=since, until=until)
        rows = _live(connection).filter(external_id__in=gone).order_by("external_id")
        locked = list(rows.select_for_update(no_key=True).values_list("pk", "day"))
        ids = [pk for pk, _ in locked]
        Activity.objects.filter(pk__in=ids).update(gone_at=Now(), updated_at=Now())
        announce(connection.user_id, ids, {day for _, day in locked}, connection=connection)
        return len(ids)


def store(origin: Origin, records: Sequence[ActivityRecord], *, connection: Connection | None = None) -> Changes:
    """Store what a source tells of an athlete's activities, with the days' totals and the event. Safe to run twice."""
    rows = _rows(_kept(origin.source, records))
    if not rows:
        return Changes()
    written = write(origin, rows.values())
    days = {day for _, *both in written for day in both if day is not None}
    announce(origin.athlete_id, [pk for pk, _, _ in written], days, connection=connection)
    created = sum(before is None for _, _, before in written)
    return Changes(created, len(written) - created, len(rows) - len(written))


def write(origin: Origin, rows: Collection[Mapping[str, Any]]) -> list[tuple[int, date, date | None]]:
    """(id, day, its day before or None) of what is new or was changed: one statement, and nothing else is written."""
    whose = {
        "athlete": origin.athlete_id, "connection": origin.connection_id, "source": origin.source,
        "file_hash": origin.file_hash,
    }  # fmt: skip
    arrays = {name: [row[name] for row in rows] for name in COLUMNS}
    with database.cursor() as cursor:
        cursor.execute(_UPSERT, {**whose, **arrays})
        written: list[tuple[int, date, date | None]] = cursor.fetchall()
        return written


def announce(
    athlete_id: int, activity_ids: Sequence[int], days: Iterable[date], *, connection: Connection | None = None
) -> None:
    """Bring the totals of these days up to date and tell who listens, after the last change to activities."""
    touched = sorted(days)
    if not touched:
        return
    totals.refresh((athlete_id, day) for day in touched)
    payload = {"athlete": athlete_id, "days": [day.isoformat() for day in touched], "activities": sorted(activity_ids)}
    events.publish("activities.changed", User(pk=athlete_id), connection=connection, **payload)


def _origin(connection: Connection) -> Origin:
    return Origin(connection.user_id, connection.provider.slug, connection.pk)


def _live(connection: Connection) -> QuerySet[Activity]:
    return Activity.objects.filter(connection=connection, gone_at=None)


def _within(connection: Connection, since: date | None, until: date | None) -> QuerySet[Activity]:
    """By athlete and day, which has an index."""
    rows = _live(connection).filter(athlete=connection.user_id)
    rows = rows if since is None else rows.filter(day__gte=since)
    return rows if until is None else rows.filter(day__lte=until)


def _kept(source: str, records: Sequence[ActivityRecord]) -> list[ActivityRecord]:
    """Without what the provider's terms would have us delete at once."""
    days = policies.standing().kept_days.get(source)
    if days is None:
        return list(records)
    oldest = timezone.now() - timedelta(days=days)
    return [record for record in records if record.started_at >= oldest]


def _rows(records: Iterable[ActivityRecord]) -> dict[str, dict[str, Any]]:
    """Columns by id; of two tellings in one page the last one counts."""
    return {record.external_id: _columns(record) for record in records}


def _columns(record: ActivityRecord) -> dict[str, Any]:
    row: dict[str, Any] = {
        "external_id": record.external_id,
        "sport": str(record.sport),
        "name": record.name[:LONGEST_NAME],
        "started_at": record.started_at,
        "utc_offset_s": record.utc_offset_s,
        "time_zone": record.time_zone[:LONGEST_WORD],
        "day": (record.started_at + timedelta(seconds=record.utc_offset_s)).date(),
        "duration_s": record.duration_s,
        "distance_m": record.distance_m,
        "ascent_m": record.ascent_m,
        "avg_hr": record.avg_hr,
        "max_hr": record.max_hr,
        "energy_kcal": record.energy_kcal,
        "load": load_of(record.duration_s, record.avg_hr),
        "workout_id": record.workout_id[:LONGEST_WORD],
        "device": record.device[:LONGEST_WORD],
    }
    text = json.dumps(list(row.values()), default=str, separators=(",", ":"))
    return row | {"content_hash": hashlib.sha256(text.encode()).hexdigest()}
