"""Nightly the ids of a history are held against the provider's: what differs is written down, then repaired."""

from collections.abc import Container, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta

import structlog
from django.db import transaction
from django.db.models import Min
from django.db.models.functions import Now
from django.utils import timezone

from accounts.models import User
from integrations import bell, sinks
from integrations.models import BackfillWindow, Reconciliation, Resource, SyncJob, SyncStream
from integrations.services import reading, scheduling

log = structlog.get_logger(__name__)

DEPTH = timedelta(days=365)
MOST_SAMPLES = 10
MOST_A_TICK = 200


@dataclass(slots=True)
class Report:
    """What a comparison has found so far."""

    lacking_n: int = 0
    changed_n: int = 0
    samples: dict[str, list[str]] = field(default_factory=lambda: {"lacking": [], "changed": [], "gone": []})

    def note(self, found: sinks.Difference) -> None:
        self.lacking_n += len(found.lacking)
        self.changed_n += len(found.changed)
        self.sample("lacking", found.lacking)
        self.sample("changed", found.changed)

    def sample(self, kind: str, external_ids: Sequence[str]) -> None:
        room = MOST_SAMPLES - len(self.samples[kind])
        self.samples[kind] += [external_id[:64] for external_id in external_ids[:room]]


def queue_due() -> int:
    """Queue the comparisons whose night has come, and ring for them. Returns how many. Safe in parallel."""
    due = SyncStream.objects.idle().filter(resource=Resource.ACTIVITIES, next_reconcile_at__lte=Now())
    with transaction.atomic():
        locked = due.select_for_update(skip_locked=True, of=("self",), no_key=True)
        streams = list(locked.select_related("connection__provider").order_by("next_reconcile_at", "pk")[:MOST_A_TICK])
        return sum(_queue(stream) for stream in streams)


def look(stream: SyncStream, *, by: User) -> bool:
    """Compare now. False: another run is waiting or under way."""
    with transaction.atomic():
        return _queue(stream, SyncJob.Trigger.MANUAL, by)


def write_down(
    job: SyncJob, stream: SyncStream, sink: sinks.Sink, report: Report, *, seen_n: int, there: Container[str] | None
) -> None:
    """The comparison reached the end: keep what it found and have it repaired. In the transaction that ends the job.

    `there` is all the provider has; None when that is not known for sure, and then nothing counts as gone.
    """
    gone, here_n = sink.missing(stream.connection, there, since=job.since) if there is not None else (set[str](), 0)
    report.sample("gone", sorted(gone))
    found = Reconciliation.objects.create(
        stream=stream, job=job, since=job.since, there_n=seen_n, here_n=here_n, lacking_n=report.lacking_n,
        changed_n=report.changed_n, gone_n=len(gone), samples=report.samples,
    )  # fmt: skip
    log.info("reconciled", lacking=found.lacking_n, changed=found.changed_n, gone=found.gone_n)
    streams = SyncStream.objects.filter(pk=stream.pk)
    streams.update(next_reconcile_at=reading.next_night(stream.connection))
    if not found.is_even and job.since:
        streams.update(cursor={**stream.cursor, "repair_from": job.since.isoformat()})
        found.repaired_by = scheduling.request_sync(stream, trigger=SyncJob.Trigger.SCHEDULE)
        found.save(update_fields=["repaired_by"])


def _queue(stream: SyncStream, trigger: str = SyncJob.Trigger.SCHEDULE, by: User | None = None) -> bool:
    job = SyncJob.new(stream.pk, trigger, by, mode=SyncJob.Mode.RECONCILE, since=_since(stream))
    if not SyncJob.objects.queue(job):
        return False
    bell.ring(bell.RUN_SYNC, job.pk)
    return True


def _since(stream: SyncStream) -> date:
    """As far back as the history was read, while none of it is being read."""
    today = timezone.now().date()
    read = stream.windows.filter(status=BackfillWindow.Status.DONE).aggregate(first=Min("starts_on"))["first"]
    since = today - reading.REREAD if read is None or stream.windows.open().exists() else max(read, today - DEPTH)
    return reading.listed_since(stream, since)
