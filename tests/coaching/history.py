"""An athlete's connection to a sandbox, his training there and here, and runs of its stream."""

from datetime import date, datetime, timedelta
from typing import Any

from django.db import connection as database
from django.utils import timezone

from accounts.models import User
from coaching.models import Activity, DailyTotal
from integrations.models import SyncJob, SyncStream
from integrations.sandbox import RunningSandbox
from integrations.services import syncing
from tests.integrations import library

ACCOUNT = library.ACCOUNT
LISTING = "/api/activitylist-service/activities/search/activities"
READING = "/api/activity-service/activity/{identity}"


def connect(sandbox: RunningSandbox, user: User, *, account: str = ACCOUNT) -> SyncStream:
    return library.connect(sandbox, user, account=account, resource="activities")


def there(sandbox: RunningSandbox, account: str = ACCOUNT) -> list[dict[str, Any]]:
    """The rows at the provider, newest first; changing them changes them there."""
    found: list[dict[str, Any]] = library.state(sandbox).people[account]["activities"]
    return found


def within(rows: list[dict[str, Any]], days: int) -> set[str]:
    """Ids of those that began in the last so many local days."""
    first = timezone.now().date() - timedelta(days=days)
    return {str(row["activityId"]) for row in rows if date.fromisoformat(row["startTimeLocal"][:10]) >= first}


def at(row: dict[str, Any], started: datetime) -> dict[str, Any]:
    """The row as if it had begun then, by UTC."""
    text = started.strftime("%Y-%m-%d %H:%M:%S")
    return row | {
        "startTimeGMT": text, "startTimeLocal": text, "beginTimestamp": int(started.timestamp() * 1000),
    }  # fmt: skip


def here(stream: SyncStream) -> set[str]:
    rows = Activity.objects.filter(connection=stream.connection, gone_at=None)
    return set(rows.values_list("external_id", flat=True))


def sync(stream: SyncStream) -> SyncJob:
    return library.sync(stream)


def run(job: SyncJob | None) -> SyncJob:
    assert job is not None
    syncing.run(job.pk)
    job.refresh_from_db()
    return job


def active(stream: SyncStream) -> SyncJob | None:
    return SyncJob.objects.active().filter(stream=stream).first()


def run_all(stream: SyncStream) -> list[SyncJob]:
    """What waits, and what that leads to, until nothing does."""
    done = []
    while job := active(stream):
        done.append(run(job))
        assert done[-1].finished_at, done[-1].error_code
        assert len(done) < 50
    return done


def totals(athlete: User) -> dict[tuple[str, str], tuple[int, float]]:
    rows = DailyTotal.objects.filter(athlete=athlete)
    return {(str(row.day), row.sport): (row.activities_n, row.duration_s) for row in rows}


def summed(athlete: User) -> dict[tuple[str, str], tuple[int, float]]:
    """The totals as they should be, added up one by one."""
    found: dict[tuple[str, str], tuple[int, float]] = {}
    for row in Activity.objects.filter(athlete=athlete, gone_at=None, hidden_at=None, merged_into=None):
        n, seconds = found.get((str(row.day), row.sport), (0, 0.0))
        found[str(row.day), row.sport] = (n + 1, seconds + row.duration_s)
    return found


def versions_of_rows() -> dict[str, list[tuple[object, ...]]]:
    """Which transaction wrote each row last: equal before and after means that nothing was written."""
    found = {}
    with database.cursor() as cursor:
        for table in ("coaching_activity", "coaching_dailytotal"):
            cursor.execute(f"SELECT id, xmin::text, ctid::text FROM {table} ORDER BY id")
            found[table] = cursor.fetchall()
    return found
