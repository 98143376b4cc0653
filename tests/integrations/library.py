"""A coach's connection to the sandbox, ready to sync, and what a test asks of it afterwards."""

from datetime import timedelta
from typing import Any

from django.db import connection as database
from django.db.models.functions import Now
from django.utils import timezone

from accounts.models import User
from coaching.models import Workout
from integrations import credentials
from integrations.models import Connection, Credential, Provider, SyncJob, SyncStream
from integrations.sandbox import RunningSandbox
from integrations.services import scheduling, syncing
from integrations.spec import Grant

ACCOUNT = "athlete2@sandbox.example"
LISTING = "/api/workout-service/workouts"
READING = "/api/workout-service/workout/{identity}"


def connect(sandbox: RunningSandbox, user: User, *, account: str = ACCOUNT, resource: str = "workouts") -> SyncStream:
    """An active connection with tokens the sandbox knows, and one of its streams, with a job queued."""
    provider = Provider.objects.get(slug="garmin")
    number = str(state(sandbox).people[account]["profile"])
    connection = Connection.objects.create(user=user, provider=provider, status="active", external_account_id=number)
    tokens = state(sandbox).grant(account, "APP")
    secrets = {"di_token": tokens["access_token"], "di_refresh_token": tokens["refresh_token"], "di_client_id": "APP"}
    grant = Grant(secrets, timezone.now() + timedelta(hours=1))
    credentials.store(connection, grant, kind=Credential.Kind.SESSION)
    scheduling.add_streams(connection)
    return SyncStream.objects.get(connection=connection, resource=resource)


def state(sandbox: RunningSandbox) -> Any:
    return sandbox["garmin"].state  # type: ignore[attr-defined]


def there(sandbox: RunningSandbox, account: str = ACCOUNT) -> dict[str, Any]:
    """The workouts at the provider, by id."""
    return dict(state(sandbox).people[account]["workouts"])


def sync(stream: SyncStream) -> SyncJob:
    """One run from start to end, as the button and a worker do it."""
    job = scheduling.request_sync(stream, trigger=SyncJob.Trigger.MANUAL)
    return work(job)


def work(job: SyncJob) -> SyncJob:
    syncing.run(job.pk)
    job.refresh_from_db()
    return job


def make_due(job: SyncJob) -> None:
    SyncJob.objects.filter(pk=job.pk).update(next_attempt_at=Now())


def stored(stream: SyncStream) -> dict[str, str]:
    """Names of the library's live rows by the provider's id."""
    rows = Workout.objects.filter(source=stream.connection, gone_at=None)
    return dict(rows.values_list("external_id", "current__name"))


def versions_of_rows() -> dict[str, list[tuple[object, ...]]]:
    """Which transaction wrote each library row last: equal before and after means that nothing was written."""
    found = {}
    with database.cursor() as cursor:
        for table in ("coaching_workout", "coaching_workoutrevision"):
            cursor.execute(f"SELECT id, xmin::text, ctid::text FROM {table} ORDER BY id")
            found[table] = cursor.fetchall()
    return found
