"""What operations do to stored events. A replayed one goes through the same claim as any other."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import Count, F
from django.db.models.functions import Least, Now

from accounts import audit
from accounts.models import AuditEntry, User
from integrations import bell
from integrations.models import Provider
from webhooks import tasks
from webhooks.managers import WebhookEventQuerySet
from webhooks.models import WebhookEvent

Status = WebhookEvent.Status
MOST_REPLAYS = 32_000  # what the column holds, nearly


@dataclass(frozen=True, slots=True)
class Selection:
    """Events that are over, by what a person can say about them. Without a body there is nothing to replay."""

    provider: Provider
    since: datetime
    until: datetime
    statuses: tuple[str, ...] = (Status.DEAD,)
    event_type: str = ""
    reason: str = ""

    def rows(self) -> WebhookEventQuerySet:
        rows = WebhookEvent.objects.filter(
            endpoint__provider=self.provider,
            received_at__gte=self.since,
            received_at__lt=self.until,
            status__in=set(self.statuses) & set(WebhookEvent.OVER),
        ).exclude(body=None)
        if self.event_type:
            rows = rows.filter(event_type=self.event_type)
        return rows.filter(reason=self.reason) if self.reason else rows

    def dry_run(self) -> list[dict[str, Any]]:
        """How many of each kind would be replayed; nothing changes."""
        groups = self.rows().order_by().values("status", "event_type", "reason").annotate(n=Count("pk"))
        return [dict(group) for group in groups.order_by("-n")]


def replay(event: WebhookEvent) -> bool:
    """Process an event anew that is over. False: it is not over, or its body is gone."""
    return bool(_queue(WebhookEvent.objects.filter(pk=event.pk, status__in=WebhookEvent.OVER).exclude(body=None)))


@transaction.atomic
def replay_all(selection: Selection, *, by: User, reason: str) -> int:
    """Process all of them anew, in one statement however many they are. Returns how many."""
    queued = _queue(selection.rows())
    if queued:
        facts: dict[str, Any] = {
            "reason": reason, "provider": selection.provider.slug, "events": queued, "type": selection.event_type,
            "since": selection.since.isoformat(), "until": selection.until.isoformat(),
            "statuses": sorted(selection.statuses), "cause": selection.reason,
        }  # fmt: skip
        subject = WebhookEvent._meta.label_lower
        audit.record_about("webhookevent.replayed", subject, "", actor=by, level=AuditEntry.Level.SECURITY, **facts)
    return queued


def ignore(event: WebhookEvent) -> bool:
    """Set aside what waits or is dead. False: it is at work or over."""
    return _end(event, [Status.RECEIVED, Status.DEAD], Status.IGNORED)


def bury(event: WebhookEvent) -> bool:
    """Give up what waits. False: it does not wait."""
    return _end(event, [Status.RECEIVED], Status.DEAD)


def causes() -> list[dict[str, Any]]:
    """The dead by provider, cause and type, most first."""
    dead = WebhookEvent.objects.dead().order_by()
    grouped = dead.values("endpoint__provider__slug", "endpoint__provider__name", "reason", "event_type")
    return [dict(group) for group in grouped.annotate(n=Count("pk")).order_by("-n", "reason", "event_type")]


def _end(event: WebhookEvent, states: list[Any], to: str) -> bool:
    rows = WebhookEvent.objects.filter(pk=event.pk, status__in=states)
    return bool(rows.update(status=to, reason="operator", finished_at=Now()))


def _queue(rows: WebhookEventQuerySet) -> int:
    """As if just received: all attempts are open again."""
    queued = rows.update(
        status=Status.RECEIVED, reason="", finished_at=None, attempts=0, crashes=0, next_attempt_at=Now(),
        error_code="", error_detail="", replays=Least(F("replays") + 1, MOST_REPLAYS),
    )  # fmt: skip
    if queued:
        bell.ring(tasks.process_events)
    return queued
