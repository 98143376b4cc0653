"""The outbox: what happened is written with it, consumers hear of it afterwards, at least once and in batches."""

import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import structlog
from django.db import models, transaction
from django.db.models import Case, Count, F, Min, Q, When
from django.db.models.functions import Least, Now
from django.utils import timezone

from integrations import bell, errors, event_types, tracing
from integrations.models import Connection, DomainEvent
from integrations.models.leases import LeaseLost
from integrations.timing import seconds, timing

log = structlog.get_logger(__name__)

type Handler = Callable[[DomainEvent], None]

BATCH = 100
MOST_ATTEMPTS = 20

_handlers: dict[str, list[Handler]] = {}


@dataclass(frozen=True, slots=True)
class Backlog:
    """Events still to be handed on, those given up, and for how long the oldest has waited."""

    pending: int
    dead: int
    oldest_s: float

    @property
    def is_late(self) -> bool:
        return self.oldest_s > timing().event_late_s

    @property
    def needs_attention(self) -> bool:
        return self.is_late or self.dead > 0


def publish(kind: str, subject: models.Model, *, connection: Connection | None = None, **payload: Any) -> DomainEvent:
    """Write an event in the caller's transaction. UnknownEvent unless type and payload are as the catalogue says."""
    event = _event(kind, subject, payload, connection)
    event.save()
    bell.ring(bell.DISPATCH_EVENTS)
    return event


def publish_each(kind: str, subjects: Iterable[models.Model], **payload: Any) -> int:
    """One event per subject in a single statement, in the caller's transaction. Returns how many."""
    written = DomainEvent.objects.bulk_create([_event(kind, subject, payload) for subject in subjects])
    if written:
        bell.ring(bell.DISPATCH_EVENTS)
    return len(written)


def subscribe(kind: str, handler: Handler) -> None:
    """Called from a `receivers` module. A handler is idempotent; it runs in the transaction that ends the event.

    UnknownEvent for a type that nobody can publish.
    """
    _handlers.setdefault(event_types.get(kind).name, []).append(handler)


def handlers(kind: str) -> list[Handler]:
    return _handlers.get(kind, [])


def dispatch_due(size: int = BATCH) -> int:
    """Hand up to `size` due events to their handlers. Returns how many were taken. Safe to run in parallel."""
    batch = DomainEvent.objects.claim_batch(size)
    for event in batch:
        with tracing.trace(event.trace_id, event=str(event.event_id), event_type=event.type):
            _handle(event)
    return len(batch)


def backlog() -> Backlog:
    """How the outbox stands, in one query on small indexes. A replayed event waits since its replay."""
    waits = ~Q(status=DomainEvent.Status.DEAD)
    since = Case(When(replays=0, then=F("created_at")), default=Least("next_attempt_at", Now()))
    found = DomainEvent.objects.filter(status__in=DomainEvent.OPEN).aggregate(
        pending=Count("pk", filter=waits), dead=Count("pk", filter=~waits), oldest=Min(since, filter=waits)
    )
    oldest = (timezone.now() - found["oldest"]).total_seconds() if found["oldest"] else 0
    return Backlog(found["pending"], found["dead"], max(oldest, 0))


def _event(
    kind: str, subject: models.Model, payload: dict[str, Any], connection: Connection | None = None
) -> DomainEvent:
    declared = event_types.get(kind)
    declared.check(payload)
    return DomainEvent(
        type=kind,
        version=declared.version,
        source=subject._meta.app_label,
        subject_type=subject._meta.label_lower,
        subject_id=str(subject.pk),
        connection=connection,
        payload=payload,
        trace_id=tracing.current_trace_id(),
    )


def retry_delay(attempts: int) -> timedelta:
    """Twice as long each time, capped, ±20 %."""
    delay = timing().event_retry_base_s * 2 ** min(max(attempts - 1, 0), 30)
    return seconds(min(delay, timing().event_retry_cap_s) * random.uniform(0.8, 1.2))  # noqa: S311 - jitter, no secret


def _handle(event: DomainEvent) -> None:
    try:
        with transaction.atomic():
            for handler in handlers(event.type):
                handler(event)
            if not event.settle(status=DomainEvent.Status.DONE, done_at=Now(), error_code="", error_detail=""):
                raise LeaseLost
    except LeaseLost:
        log.warning("event_lease_lost")
    except Exception as exc:  # one consumer's mistake must not stop the others' events
        log.exception("event_failed")
        put_off(event, exc.code if isinstance(exc, errors.IntegrationError) else type(exc).__name__)


def put_off(event: DomainEvent, code: str) -> None:
    """Back into the queue for later, or dead after the last attempt; only while the event is still held."""
    over = event.attempts >= MOST_ATTEMPTS
    event.settle(
        status=DomainEvent.Status.DEAD if over else DomainEvent.Status.PENDING,
        next_attempt_at=Now() + retry_delay(event.attempts),
        error_code=code[:40],
    )
