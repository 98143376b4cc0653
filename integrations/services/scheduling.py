"""When streams run: make them, ask for a run, and what operations do to a run."""

import random
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.db.models import F
from django.db.models.functions import Now

from accounts import audit
from accounts.models import User
from integrations import bell, control, sinks
from integrations.models import Connection, Resource, SyncJob, SyncStream
from integrations.services import reading
from integrations.spec import Capability

FURTHEST_S = 86_400


def add_streams(connection: Connection) -> None:
    """Make the streams the connection lacks and have them run at once, those it has as well. Safe to run twice.

    For a fresh connection, one that came back, and when its owner starts to coach.
    """
    new = [
        SyncStream(connection=connection, resource=resource, **_beginning(connection, resource))
        for resource in _resources(connection)
    ]
    if not new:
        return
    SyncStream.objects.bulk_create(new, ignore_conflicts=True)
    streams = SyncStream.objects.filter(connection=connection)
    streams.update(enabled=True, next_run_at=Now(), failures=0)
    for stream in streams:
        request_sync(stream, trigger=SyncJob.Trigger.SCHEDULE)


def _resources(connection: Connection) -> list[Resource]:
    """Workouts for those who coach; activities from wherever they come, as soon as the domain has a place for them."""
    wanted = {
        Resource.WORKOUTS: connection.user.is_coach and connection.can(Capability.WORKOUTS_READ),
        Resource.ACTIVITIES: connection.can(Capability.ACTIVITIES_READ),
    }
    return [resource for resource, holds in wanted.items() if holds and sinks.takes(resource)]


def _beginning(connection: Connection, resource: Resource) -> dict[str, Any]:
    if resource != Resource.ACTIVITIES:
        return {}
    overlap_s = int(reading.OVERLAP.total_seconds())
    return {"overlap_s": overlap_s, "next_reconcile_at": reading.next_night(connection)}


def start_coaching(user: User) -> None:
    """Who starts to coach gets a library from each account that is connected already."""
    for connection in Connection.objects.for_user(user).active().select_related("provider", "user"):
        add_streams(connection)


@transaction.atomic
def request_sync(stream: SyncStream, *, trigger: str, by: User | None = None) -> SyncJob:
    """The stream's run that is waiting or running, or a new one that is due now.

    A waiting run is brought forward, unless the provider itself said how long to wait. Behind one that reads a part of
    the history or compares ids, the stream is due.
    """
    SyncJob.objects.bulk_create([SyncJob.new(stream.pk, trigger, by)], ignore_conflicts=True)
    job = SyncJob.objects.active().filter(stream=stream).select_for_update().first()
    if job is None:  # the run that stood in the way ended just now
        job = SyncJob.new(stream.pk, trigger, by)
        job.save(force_insert=True)
    elif job.status == SyncJob.Status.QUEUED and job.error_code != "rate_limit":
        SyncJob.objects.filter(pk=job.pk).update(next_attempt_at=Now())
    if not job.is_regular:
        SyncStream.objects.filter(pk=stream.pk).update(next_run_at=Now())
    bell.ring(bell.RUN_SYNC, job.pk)
    return job


def ask_again() -> int:
    """Runs of people who were not in yet are due once every process knows the flags anew."""
    waiting = SyncJob.objects.filter(status=SyncJob.Status.QUEUED, error_code=control.NOT_YET)
    return waiting.update(next_attempt_at=Now() + control.KNOWN_EVERYWHERE)


@transaction.atomic
def cancel(job: SyncJob, *, by: User, reason: str = "") -> bool:
    """End a run; the stream runs again when its interval is over. False: it was over already."""
    cancelled = bool(SyncJob.objects.filter(pk=job.pk).cancel())
    if cancelled:
        stream = job.stream
        SyncStream.objects.filter(pk=stream.pk).update(next_run_at=Now() + spread(stream.interval_s))
        audit.record("sync.cancelled", job, actor=by, reason=reason)
    return cancelled


@transaction.atomic
def release(job: SyncJob, *, by: User, reason: str = "") -> bool:
    """Take a stuck run from its worker and let another one begin at once. False: it is not running."""
    released = SyncJob.objects.filter(pk=job.pk, status=SyncJob.Status.RUNNING).update(
        status=SyncJob.Status.QUEUED, attempts=0, next_attempt_at=Now(), lease_token=None, lease_until=None
    )
    if released:
        audit.record("sync.released", job, actor=by, reason=reason)
        bell.ring(bell.RUN_SYNC, job.pk)
    return bool(released)


@transaction.atomic
def approve_sweep(stream: SyncStream, *, by: User, reason: str = "") -> SyncJob | None:
    """Let the next full pass mark as many as were held, and have it run now. None: nothing is held.

    The pass looks again: what is back at the provider by then stays, and more than was approved is held anew.
    """
    held = SyncStream.objects.filter(pk=stream.pk, sweep_held_n__isnull=False)
    if not held.update(sweep_approved_n=F("sweep_held_n")):
        return None
    audit.record("sync.sweep_approved", stream, actor=by, reason=reason, held=stream.sweep_held_n)
    return request_sync(stream, trigger=SyncJob.Trigger.MANUAL, by=by)


def spread(interval_s: float) -> timedelta:
    """±10 %, so that streams that began together part."""
    return timedelta(seconds=interval_s * random.uniform(0.9, 1.1))  # noqa: S311 - jitter, no secret
