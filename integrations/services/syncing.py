"""One run of a stream: claim the job, read page by page, hand each page to the domain, end the run.

What a page brings, the cursor's version, the counters and the lease move in one transaction, so a worker that lost its
job changes nothing. No transaction is open while the provider is called. A run that stopped half-way begins its pass
anew: what is stored by then is known and is not read again.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import structlog
from django.db import transaction
from django.db.models import F
from django.db.models.functions import Coalesce, Now
from django.utils.translation import gettext_noop as _

from integrations import bell, control, errors, events, metrics, sinks, tracing
from integrations.client import BadItem, Page, ProviderClient, client_for
from integrations.models import SyncJob, SyncStream
from integrations.models.leases import LeaseLost
from integrations.services import concluding, reading, reconciling
from integrations.services.seen import Seen
from integrations.timing import timing

log = structlog.get_logger(__name__)

MOST_SAMPLES = 10
FEWEST_TO_JUDGE = 20
WORST_SHARE = 0.1


@dataclass(slots=True)
class Pass:
    """What one pass over the listing has seen so far; it ends with its worker."""

    job: SyncJob
    stream: SyncStream
    sink: sinks.Sink
    before: sinks.Changes  # what earlier passes of the same run brought
    changes: sinks.Changes = field(default_factory=sinks.Changes)
    seen: Seen = field(default_factory=Seen)
    bad: list[BadItem] = field(default_factory=list)
    ours: int = 0
    report: reconciling.Report | None = None  # of a run that only compares

    def known(self, external_ids: Sequence[str]) -> Mapping[str, str]:
        return self.sink.known(self.stream.connection, external_ids)

    def take(self, page: Page[Any]) -> None:
        """Hand the page to the domain, or hold the domain against it."""
        if self.report is None:
            self.changes += self.sink.upsert(self.stream.connection, page.records)
        elif isinstance(self.sink, sinks.ComparingSink):
            self.report.note(self.sink.compare(self.stream.connection, page.records))
        self.seen.update(record.external_id for record in page.records)
        self.seen.update(page.unchanged)
        self.bad.extend(page.bad)
        self.ours += page.ours

    @property
    def brought_something(self) -> bool:
        return bool(self.changes.created or self.changes.updated)

    @property
    def is_mostly_bad(self) -> bool:
        read = len(self.seen) + len(self.bad)
        return read >= FEWEST_TO_JUDGE and len(self.bad) > WORST_SHARE * read

    @property
    def there(self) -> Seen | None:
        """All ids the provider has, readable or not, once the pass is over; None when one came without its id."""
        bad = {item.external_id for item in self.bad}
        if "" in bad:
            return None
        self.seen.update(bad)
        return self.seen

    def counters(self, total: int | None) -> dict[str, Any]:
        """The job's counters; something new sets the attempts back: a long first run is slices, not failures."""
        done = self.before + self.changes
        new = {"attempts": 0} if self.brought_something else {}
        expected = {} if total is None else {"expected": max(0, total - self.ours)}
        return (
            new
            | expected
            | {
                "created_n": done.created,
                "updated_n": done.updated,
                "unchanged_n": max(0, len(self.seen) - done.created - done.updated),
                "bad_n": len(self.bad),
                "bad_samples": [_sample(item) for item in self.bad[:MOST_SAMPLES]],
            }
        )


def run(job_id: int) -> None:
    """Work on a due job until it ends, waits or has used up its time. Safe to run twice: one run claims it."""
    job = SyncJob.objects.claim(job_id)
    if job is None:
        return
    stream = SyncStream.objects.select_related("connection__provider", "connection__user").get(pk=job.stream_id)
    place = {"connection": str(stream.connection.public_id), "provider": stream.connection.provider.slug}
    busy = metrics.SYNC_JOB_SECONDS.labels(place["provider"], stream.resource)
    with tracing.trace(job.trace_id, sync_job=str(job.pk), **place), busy.time():
        try:
            _walk(job, stream)
        except LeaseLost:
            log.info("sync_lease_lost")
        except errors.IntegrationError as exc:
            concluding.stop(job, stream, exc)


def _walk(job: SyncJob, stream: SyncStream) -> None:
    """One pass over the listing, or as much of it as the time allows."""
    deadline = time.monotonic() + timing().sync_budget_s
    sink, reader = sinks.get(stream.resource), reading.READERS[stream.resource]
    _begin(job, stream, sink, reader)
    report = reconciling.Report() if job.mode == SyncJob.Mode.RECONCILE else None
    walk = Pass(job, stream, sink, sinks.Changes(job.created_n, job.updated_n), report=report)
    client = client_for(stream.connection, direction="sync")
    calls_before = job.calls
    for number, page in enumerate(reader.pages(client, job, walk.known)):
        if number and time.monotonic() >= deadline:  # there is more, and each slice stores a page at least
            _pause(walk)
            return
        _store(walk, page, calls=calls_before + client.calls)
        if walk.is_mostly_bad:
            raise errors.DataError(
                _("Too much of what the provider sent could not be read. What could be is stored."), code="too_many_bad"
            )
    if report is not None:
        concluding.compared(job, stream, sink, report, seen_n=len(walk.seen), there=walk.there)
        return
    there = _confirmed(walk, client, reader)
    job.write(calls=calls_before + client.calls)
    concluding.succeed(job, stream, sink, there=there)


def _confirmed(walk: Pass, client: ProviderClient, reader: reading.Reader) -> Seen | None:
    """All the provider has; None when that is not known for sure.

    What the listing lacked is asked for by itself: its rows move up while pages are read and something is deleted, and
    what slipped between two pages is not gone.
    """
    there = walk.there
    if there is None or walk.job.mode == SyncJob.Mode.BACKFILL:  # a window of the history only adds to it
        return None
    for external_id in sorted(concluding.to_confirm(walk.job, walk.stream, walk.sink, there)):
        _stop_when_forbidden(walk.stream)
        if not walk.job.extend():
            raise LeaseLost
        if reader.has(client, external_id):
            there.add(external_id)
    return there


def _begin(job: SyncJob, stream: SyncStream, sink: sinks.Sink, reader: reading.Reader) -> None:
    _stop_when_forbidden(stream, anew=True)
    first = job.started_at is None
    plan = _plan(job, stream, reader)
    with transaction.atomic():
        begun = {"started_at": Coalesce("started_at", Now()), "heartbeat_at": Now(), "cursor_from": stream.cursor}
        if not job.write(**begun, **plan):
            raise LeaseLost
        if first:
            words = {"resource": str(stream.resource), "trigger": str(job.trigger)}
            events.publish("sync.started", job, connection=stream.connection, **words)
        sink.adopt(stream.connection)
        SyncStream.objects.filter(pk=stream.pk).update(generation=F("generation") + 1, last_attempt_at=Now())
    stream.refresh_from_db(fields=["generation", "cursor_version", "failures", "sweep_approved_n"])
    job.refresh_from_db(fields=["started_at"])


def _plan(job: SyncJob, stream: SyncStream, reader: reading.Reader) -> dict[str, Any]:
    """The days that a regular run reads are settled when it begins for the first time; others were made with theirs."""
    if not job.is_regular or job.started_at is not None:
        return {}
    plan = reader.plan(stream)
    return {"mode": plan.mode, "since": plan.since}


def _store(walk: Pass, page: Page[Any], *, calls: int) -> None:
    """One page, in whole or not at all."""
    job, stream = walk.job, walk.stream
    _stop_when_forbidden(stream)
    with transaction.atomic():
        _fence(job, stream)
        walk.take(page)
        job.write(**walk.counters(page.total), pages=F("pages") + 1, calls=calls, heartbeat_at=Now())
    stream.cursor_version += 1


def _fence(job: SyncJob, stream: SyncStream) -> None:
    """Hold the job and move the cursor's version, or find that somebody else did."""
    seen = SyncStream.objects.filter(pk=stream.pk, cursor_version=stream.cursor_version)
    if not (job.extend() and seen.update(cursor_version=F("cursor_version") + 1)):
        raise LeaseLost


def _stop_when_forbidden(stream: SyncStream, *, anew: bool = False) -> None:
    """The connection or the provider may have been paused since: no further call then, the job waits.

    Only `anew` are draining maintenance and the person's flag asked about: what has begun may finish.
    """
    provider = stream.connection.provider
    if anew and (refused := control.refusal(provider, "sync", stream.connection.user_id)):
        raise control.disabled(provider, refused)
    if not SyncStream.objects.allowed(anew=anew).filter(pk=stream.pk).exists():
        raise errors.IntegrationDisabled(provider=provider.slug)


def _pause(walk: Pass) -> None:
    """Time is up: go on at once in a new slice, unless this one found nothing new and so would the next."""
    if not walk.brought_something:
        raise errors.DataError(_("There is more at the provider than we can look through in one go."), code="too_large")
    if walk.job.settle(status=SyncJob.Status.QUEUED, next_attempt_at=Now()):
        bell.ring(bell.RUN_SYNC, walk.job.pk)


def _sample(item: BadItem) -> dict[str, str]:
    words = "".join(letter for letter in item.reason if letter.isprintable())
    return {"id": "".join(letter for letter in item.external_id if letter.isprintable())[:64], "reason": words[:200]}
