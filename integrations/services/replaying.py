"""What operations do to events, and what becomes of old ones.

A replayed event goes through the same claim as any other. Its handlers are idempotent: what an earlier try did stays.
"""

from typing import Any

from django.db import transaction
from django.db.models import F, Q
from django.db.models.functions import Now

from accounts import audit
from accounts.models import AuditEntry, User
from integrations import bell
from integrations.models import DomainEvent
from integrations.models.leases import LeasedQuerySet
from integrations.timing import seconds, timing

BATCH = 5_000
MOST_BATCHES = 20  # a round
Status = DomainEvent.Status


def replay(event: DomainEvent) -> bool:
    """Hand a dead event on anew. False: it is not dead, or no longer."""
    return bool(_queue(DomainEvent.objects.filter(pk=event.pk, status=Status.DEAD)))


def replay_although_over(event: DomainEvent) -> bool:
    """Hand an event on anew whose handlers have had it, or that was set aside. False: it is neither."""
    return bool(_queue(DomainEvent.objects.filter(pk=event.pk, status__in=DomainEvent.OVER)))


@transaction.atomic
def replay_dead(kind: str, *, by: User, reason: str) -> int:
    """Hand on all dead events of one type, in one statement however many they are. Returns how many."""
    queued = _queue(DomainEvent.objects.filter(type=kind, status=Status.DEAD))
    if queued:
        facts: dict[str, Any] = {"reason": reason, "type": kind, "events": queued}
        subject = DomainEvent._meta.label_lower
        audit.record_about("domainevent.replayed", subject, "", actor=by, level=AuditEntry.Level.SECURITY, **facts)
    return queued


def drop(event: DomainEvent) -> bool:
    """Set an event aside for good: nobody hears of it any more. False: it is at work or over."""
    waiting = DomainEvent.objects.filter(pk=event.pk, status__in=[Status.PENDING, Status.DEAD])
    return bool(waiting.update(status=Status.DROPPED, done_at=Now()))


def tidy() -> int:
    """Delete what is over for long and what is dead for very long. Returns how many; the next round does the rest.

    What hangs on an event, such as a person's message about it, goes with it.
    """
    over = Q(done_at__lt=Now() - seconds(timing().event_kept_s))
    dead = Q(status=Status.DEAD, created_at__lt=Now() - seconds(timing().event_dead_kept_s))
    return _delete(DomainEvent.objects.filter(over)) + _delete(DomainEvent.objects.filter(dead))


def _queue(rows: "LeasedQuerySet[DomainEvent]") -> int:
    """As if just published: all attempts are open again."""
    queued = rows.update(
        status=Status.PENDING, attempts=0, crashes=0, next_attempt_at=Now(), done_at=None, replays=F("replays") + 1
    )
    if queued:
        bell.ring(bell.DISPATCH_EVENTS)
    return queued


def _delete(old: "LeasedQuerySet[DomainEvent]") -> int:
    deleted = 0
    for _ in range(MOST_BATCHES):
        deleted += (batch := _delete_batch(old))
        if batch < BATCH:
            break
    return deleted


@transaction.atomic
def _delete_batch(old: "LeasedQuerySet[DomainEvent]") -> int:
    """Locked first: an event that is being replayed stays."""
    ids = list(old.select_for_update(skip_locked=True).values_list("pk", flat=True)[:BATCH])
    DomainEvent.objects.filter(pk__in=ids).delete()
    return len(ids)
