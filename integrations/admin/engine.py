"""The engine's own rows: outbox, heartbeats, keys."""

from django.contrib import admin
from django.db.models.functions import Now

from accounts.models import User
from accounts.operations import Operation, OperationsAdmin
from integrations.models import DomainEvent, Tick, VaultKey


def _retry(event: DomainEvent, _: User, __: str) -> bool:
    dead = DomainEvent.objects.filter(pk=event.pk, status=DomainEvent.Status.DEAD)
    return bool(dead.update(status=DomainEvent.Status.PENDING, attempts=0, crashes=0, next_attempt_at=Now()))


@admin.register(DomainEvent)
class DomainEventAdmin(OperationsAdmin):
    list_display = ("type", "subject_type", "subject_id", "status", "attempts", "error_code", "created_at", "done_at")
    list_filter = ("status", "type")
    linkable = ("connection",)
    search_fields = ("=event_id", "=trace_id", "=subject_id")
    ordering = ("-pk",)
    fields = (
        "event_id",
        "type",
        "source",
        ("subject_type", "subject_id"),
        "connection",
        "payload",
        ("status", "attempts", "crashes"),
        ("created_at", "done_at", "next_attempt_at", "lease_until"),
        ("error_code", "error_detail"),
        "trace_id",
    )
    readonly_fields = ("event_id", "created_at", "lease_until")
    operations = (
        Operation("retry", "Try again", "Its consumers get the dead event anew; they take each one once.", _retry),
    )


@admin.register(Tick)
class TickAdmin(OperationsAdmin):
    list_display = ("name", "last_at", "last_seconds", "last_count")
    ordering = ("name",)


@admin.register(VaultKey)
class VaultKeyAdmin(OperationsAdmin):
    """Key ids that have sealed something; the keys themselves are in the environment only."""

    list_display = ("kid", "first_seen", "retired_at")
    ordering = ("-pk",)
    fields = ("kid", "first_seen", "retired_at")
    readonly_fields = ("first_seen",)
