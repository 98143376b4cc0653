"""Work whose worker is gone goes back into the queue. Only the database's clock counts, never a process that starts."""

from functools import partial

from django.db import transaction
from django.db.models import Exists, F, OuterRef
from django.db.models.functions import Now
from django.utils.translation import gettext_noop as _

from integrations import events, metrics
from integrations.models import Connection, DomainEvent, SyncJob, SyncStream
from integrations.services import concluding, rotating
from integrations.timing import seconds, timing

BATCH = 1_000
NO_LEASE = {"lease_token": None, "lease_until": None}
GOES_ON = _("The worker stopped half-way. We go on by ourselves in a moment.")
GIVEN_UP = _("The worker stopped half-way several times, so we let it rest. It is tried again later by itself.")


def reap() -> int:
    """One round over all that integrations leases. Returns how many rows moved. Safe to run in parallel."""
    return _lapsed_jobs() + _abandoned_jobs() + _lapsed_events() + rotating.put_back_lapsed()


@transaction.atomic
def _lapsed_jobs() -> int:
    lapsed = SyncJob.objects.lapsed().filter(status=SyncJob.Status.RUNNING).order_by("lease_until", "pk")
    jobs = list(
        lapsed.select_for_update(skip_locked=True, of=("self",)).select_related("stream__connection__provider")[:BATCH]
    )
    again = [job.pk for job in jobs if job.attempts < concluding.MOST_ATTEMPTS]
    SyncJob.objects.filter(pk__in=again).update(
        status=SyncJob.Status.QUEUED,
        next_attempt_at=Now() + seconds(timing().sync_reaped_s),
        reaped=F("reaped") + 1,
        error_code="worker_lost",
        error_detail=GOES_ON,
        **NO_LEASE,
    )
    for job in jobs:
        if job.pk not in again:
            concluding.give_up(job, job.stream, code="worker_lost", words=GIVEN_UP)
    transaction.on_commit(partial(metrics.SYNC_JOBS_REAPED.inc, len(jobs)))
    return len(jobs)


@transaction.atomic
def _abandoned_jobs() -> int:
    """Jobs that nobody may start any more: their stream was switched off or their connection stopped."""
    may_run = SyncStream.objects.filter(enabled=True, connection__status=Connection.Status.ACTIVE)
    since = Now() - seconds(timing().sync_unstarted_s)
    abandoned = SyncJob.objects.due().filter(~Exists(may_run.filter(pk=OuterRef("stream"))), next_attempt_at__lt=since)
    ids = list(abandoned.select_for_update(skip_locked=True).values_list("pk", flat=True)[:BATCH])
    return SyncJob.objects.filter(pk__in=ids).cancel()


@transaction.atomic
def _lapsed_events() -> int:
    lapsed = DomainEvent.objects.lapsed().filter(status=DomainEvent.Status.WORKING).order_by("lease_until", "pk")
    rows = list(lapsed.select_for_update(skip_locked=True)[:BATCH])
    for event in rows:
        events.put_off(event, "worker_lost")
    return len(rows)
