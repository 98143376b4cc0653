"""How a run of a stream ends: it waits for another attempt, it failed, or it is done and what vanished is marked."""

from collections.abc import Container
from datetime import timedelta
from functools import partial
from typing import Any

import structlog
from django.db import transaction
from django.db.models import Case, F, Subquery, Value, When
from django.db.models.functions import Greatest, Least, Now
from django.utils import timezone

from integrations import errors, events, metrics, sinks
from integrations.models import BackfillWindow, Connection, SyncJob, SyncStream
from integrations.models.leases import LeaseLost
from integrations.services import backfilling, reading, reconciling
from integrations.services.scheduling import spread
from integrations.services.seen import Seen
from integrations.timing import seconds, step, timing

log = structlog.get_logger(__name__)

MOST_ATTEMPTS = 5
LONGEST_BACKOFF_S = 86_400
MOST_FREELY = 10  # rows a sweep may mark whatever their share
LARGEST_SHARE = 0.2


def stop(job: SyncJob, stream: SyncStream, error: errors.IntegrationError) -> None:
    """The run met `error`: it waits when waiting may help, else it failed. A lost lease changes nothing."""
    log.info("sync_stopped", error_code=error.code, retryable=error.retryable)
    if error.halted:
        base = seconds(timing().sync_halted_s)
        _wait(job, stream, error, base, attempts=Greatest(F("attempts") - 1, Value(0)))
    elif error.retryable and job.attempts < MOST_ATTEMPTS:
        _wait(job, stream, error, step(timing().sync_retry_s, job.attempts))
    else:
        give_up(job, stream, code=error.code, words=_words(error))


@transaction.atomic
def give_up(job: SyncJob, stream: SyncStream, *, code: str, words: str) -> bool:
    """The run failed; the stream comes back later each time. False: the lease was lost."""
    if not job.settle(status=SyncJob.Status.FAILED, finished_at=Now(), error_code=code[:40], error_detail=words[:500]):
        return False
    if job.is_regular:
        delay = backoff(stream.interval_s, stream.failures + 1)
        SyncStream.objects.filter(pk=stream.pk).update(failures=F("failures") + 1, next_run_at=_next_run(job, delay))
    else:
        _end_beside(job, stream, BackfillWindow.Status.FAILED)
    Connection.objects.filter(pk=stream.connection_id).update(last_error_at=Now())
    _announce("sync.failed", job, stream, error_code=code[:40])
    return True


@transaction.atomic
def succeed(job: SyncJob, stream: SyncStream, sink: sinks.Sink, *, there: Container[str] | None) -> None:
    """A pass reached its end: mark what the provider no longer has, or hold that when it is suspiciously much.

    `there` is all the provider has of what was read; None when that is not known for sure, and then nothing is marked.
    Raises LeaseLost.
    """
    if not job.extend():
        raise LeaseLost
    swept, held = (0, 0) if there is None else _sweep(job, stream, sink, there)
    cursor = _cursor_after(job, stream, held)
    job.settle(
        status=SyncJob.Status.SUCCEEDED,
        finished_at=Now(),
        deleted_n=swept,
        cursor_to=cursor,
        error_code="",
        error_detail="",
    )
    streams = SyncStream.objects.filter(pk=stream.pk)
    if job.created_n:
        streams.update(last_new_item_at=Now())
    if job.is_regular:
        streams.update(cursor=cursor, **_moved_on(job, stream, held))
        backfilling.go_on(stream)
    else:
        _end_beside(job, stream, BackfillWindow.Status.DONE)
    _announce("sync.finished", job, stream, held=held)


@transaction.atomic
def compared(
    job: SyncJob, stream: SyncStream, sink: sinks.Sink, report: reconciling.Report, *, there: Seen | None, seen_n: int
) -> None:
    """A comparison reached its end. Raises LeaseLost."""
    if not job.settle(status=SyncJob.Status.SUCCEEDED, finished_at=Now(), error_code="", error_detail=""):
        raise LeaseLost
    reconciling.write_down(job, stream, sink, report, seen_n=seen_n, there=there)
    backfilling.go_on(stream)


def _end_beside(job: SyncJob, stream: SyncStream, fate: str) -> None:
    """A run that does not move the stream's clock ended: what it was for ends with it, and the next may begin."""
    if job.mode == SyncJob.Mode.BACKFILL:
        backfilling.close(job, stream, fate)
    else:
        SyncStream.objects.filter(pk=stream.pk).update(next_reconcile_at=reading.next_night(stream.connection))
    backfilling.go_on(stream)


def _cursor_after(job: SyncJob, stream: SyncStream, held: int) -> dict[str, Any]:
    """Where the next run goes on; with the days that wait for a person's word about what vanished."""
    began = job.started_at or timezone.now()
    through = {} if job.since is None else {"through": began.date().isoformat()}
    waits = job.since.isoformat() if held and job.since else None
    if not _covers_held(job, stream):
        waits = stream.cursor.get("held_from")
    return {"generation": stream.generation, **through, **({"held_from": waits} if waits else {})}


def _moved_on(job: SyncJob, stream: SyncStream, held: int) -> dict[str, Any]:
    full = {"last_full_at": Now()} if job.mode == SyncJob.Mode.FULL else {}
    brake = {
        "sweep_held_generation": stream.generation if held else None,
        "sweep_held_n": held or None,
        "sweep_approved_n": None,
    }
    clock = {"failures": 0, "last_success_at": Now(), "next_run_at": _next_run(job, spread(stream.interval_s))}
    return {**clock, **full, **(brake if _covers_held(job, stream) else {})}


def _covers_held(job: SyncJob, stream: SyncStream) -> bool:
    """Whether the run looked at all the days that a held sweep is about; else that goes on waiting."""
    held_from = reading.day_of(stream.cursor, "held_from")
    return held_from is None or job.since is None or job.since <= held_from


def backoff(interval_s: int, failures: int) -> timedelta:
    """The interval twice as long after each failure in a row, at most a day."""
    return spread(min(interval_s * 2 ** min(failures, 20), max(LONGEST_BACKOFF_S, interval_s)))


def _next_run(job: SyncJob, delay: timedelta) -> Case:
    """After `delay`, or sooner when a webhook asked for it while this run was under way: it may have come too late."""
    began = SyncJob.objects.filter(pk=job.pk).values("started_at")
    asked = When(next_run_at__gt=Subquery(began), then=Least("next_run_at", Now() + delay))
    return Case(asked, default=Now() + delay)


def to_confirm(job: SyncJob, stream: SyncStream, sink: sinks.Sink, there: Container[str]) -> set[str]:
    """What a sweep would mark as gone: at most a fifth of what was read, or what a person approved."""
    missing, live = sink.missing(stream.connection, there, since=job.since, until=job.until)
    return set() if _is_too_much(stream, len(missing), live) else missing


def _sweep(job: SyncJob, stream: SyncStream, sink: sinks.Sink, there: Container[str]) -> tuple[int, int]:
    """(marked, held). One of the two is 0."""
    days = {"since": job.since, "until": job.until}
    missing, live = sink.missing(stream.connection, there, **days)
    gone = len(missing)
    if _is_too_much(stream, gone, live):
        log.warning("sweep_held", gone=gone, live=live)
        return 0, gone
    return (sink.sweep(stream.connection, there, **days) if gone else 0), 0


def _is_too_much(stream: SyncStream, gone: int, live: int) -> bool:
    much = gone > MOST_FREELY and gone > LARGEST_SHARE * live
    return much and gone > (stream.sweep_approved_n or 0)


def _wait(job: SyncJob, stream: SyncStream, error: errors.IntegrationError, delay: timedelta, **fields: object) -> None:
    asked = seconds(error.retry_after or 0)
    waits = job.settle(
        status=SyncJob.Status.QUEUED,
        next_attempt_at=Now() + max(delay, asked),
        error_code=error.code[:40],
        error_detail=_words(error)[:500],
        **fields,
    )
    if waits:
        _count(job, stream, "stopped" if error.halted else "put_off")


def _words(error: errors.IntegrationError) -> str:
    """What it means, and behind it what happened. What operations stopped says all that by itself."""
    if isinstance(error, errors.IntegrationDisabled):
        return error.message
    return error.advice if error.message == error.advice else f"{error.advice} ({error.message})"


def _announce(kind: str, job: SyncJob, stream: SyncStream, **payload: object) -> None:
    transaction.on_commit(partial(_count, job, stream, str(job.status)))
    counts = {"created": job.created_n, "updated": job.updated_n, "gone": job.deleted_n, "bad": job.bad_n}
    events.publish(kind, job, connection=stream.connection, resource=str(stream.resource), **counts, **payload)


def _count(job: SyncJob, stream: SyncStream, outcome: str) -> None:
    """One run, and what it brought once it is over: a run that waits goes on counting."""
    metrics.SYNC_JOBS.labels(stream.connection.provider.slug, stream.resource, job.mode, outcome).inc()
    if job.is_active:
        return
    for change in ("created", "updated", "unchanged", "deleted"):
        metrics.SYNC_ITEMS.labels(stream.resource, change).inc(getattr(job, f"{change}_n"))
