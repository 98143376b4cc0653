"""The outbox for operations: what was handed on, what is dead, and what to do about it."""

import json
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from django.contrib import admin
from django.db.models import Count, QuerySet
from django.db.models.functions import Now
from django.http import HttpRequest
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.timesince import timesince

from accounts.models import User
from accounts.operations import Operation, OperationsAdmin
from integrations import event_types, events
from integrations.models import DomainEvent
from integrations.services import replaying

MOST_TYPES = 5
AGES = {
    "5m": ("older than 5 minutes", timedelta(minutes=5)),
    "1h": ("older than an hour", timedelta(hours=1)),
    "1d": ("older than a day", timedelta(days=1)),
    "30d": ("older than 30 days", timedelta(days=30)),
}


class TypeFilter(admin.SimpleListFilter):
    """From the catalogue: asking the table which types it holds would read all of it."""

    title, parameter_name = "type", "type"

    def lookups(self, *_: Any) -> list[tuple[str, str]]:
        return [(name, name) for name in event_types.names()]

    def queryset(self, _: HttpRequest, rows: QuerySet[DomainEvent]) -> QuerySet[DomainEvent]:
        return rows.filter(type=self.value()) if self.value() else rows


class AgeFilter(admin.SimpleListFilter):
    title, parameter_name = "age", "age"

    def lookups(self, *_: Any) -> list[tuple[str, str]]:
        return [(key, words) for key, (words, _) in AGES.items()]

    def queryset(self, _: HttpRequest, rows: QuerySet[DomainEvent]) -> QuerySet[DomainEvent]:
        chosen = AGES.get(self.value() or "")
        return rows.filter(created_at__lt=Now() - chosen[1]) if chosen else rows


def _replay(event: DomainEvent, _: User, __: str) -> bool:
    return replaying.replay(event)


def _replay_type(event: DomainEvent, actor: User, reason: str) -> int:
    return replaying.replay_dead(event.type, by=actor, reason=reason)


def _replay_over(event: DomainEvent, _: User, __: str) -> bool:
    return replaying.replay_although_over(event)


def _drop(event: DomainEvent, _: User, __: str) -> bool:
    return replaying.drop(event)


def _dead_of_their_types(rows: Sequence[DomainEvent]) -> str:
    counts = _dead_by_type({row.type for row in rows})
    told = [f"{row['n']:,} dead of type {row['type']}" for row in counts]
    return f"That is {' and '.join(told)}." if told else "No event of this type is dead."


def _dead_by_type(types: set[str] | None = None) -> "QuerySet[Any, Any]":
    dead = DomainEvent.objects.filter(status=DomainEvent.Status.DEAD)
    if types is not None:
        dead = dead.filter(type__in=types)
    return dead.order_by().values("type").annotate(n=Count("pk")).order_by("-n", "type")


@admin.register(DomainEvent)
class DomainEventAdmin(OperationsAdmin):
    list_display = ("type", "status", "error_code", "subject_type", "subject_id", "attempts", "replays", "created_at")
    list_filter = ("status", TypeFilter, AgeFilter)
    linkable = ("connection",)
    search_fields = ("=event_id", "=trace_id", "=subject_id")
    search_help_text = "An event's id, a trace id or the subject's id."
    ordering = ("-pk",)
    fields = (
        ("status", "attempts", "crashes", "replays"),
        ("created_at", "done_at", "next_attempt_at", "lease_until"),
        ("error_code", "error_detail"),
        "meaning",
        "body",
        "connection",
    )
    readonly_fields = ("meaning", "body", "created_at", "lease_until")
    operations = (
        Operation("replay", "Replay", "Its consumers get the dead event anew; they take each one once.", _replay),
        Operation(
            "replay_type",
            "Replay all dead of this type",
            "Every dead event of the same type is handed on anew, however many there are, in batches.",
            _replay_type,
            comes_to=_dead_of_their_types,
        ),
        Operation("drop", "Drop", "It is set aside for good: no consumer hears of it any more.", _drop),
        Operation(
            "replay_over",
            "Replay although done",
            "Its consumers have had it, or it was dropped. They get it once more and act on how things stand now.",
            _replay_over,
            is_dangerous=True,
        ),
    )

    @admin.display(description="means")
    def meaning(self, event: DomainEvent) -> str:
        known = event.type in event_types.names()
        return event_types.get(event.type).meaning if known else "Nobody publishes this type any more."

    @admin.display(description="event")
    def body(self, event: DomainEvent) -> SafeString:
        return format_html('<pre class="body">{}</pre>', json.dumps(event.as_dict(), indent=2, ensure_ascii=False))


def outbox() -> dict[str, Any]:
    """How the outbox stands and, when something in it is dead, which types most of that is."""
    backlog = events.backlog()
    waited = timesince(timezone.now() - timedelta(seconds=backlog.oldest_s))
    dead_types = list(_dead_by_type()[:MOST_TYPES]) if backlog.dead else []
    return {"backlog": backlog, "waited": waited, "dead_types": dead_types}
