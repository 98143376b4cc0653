"""The engine's own rows: heartbeats, keys."""

from django.contrib import admin

from accounts.operations import OperationsAdmin
from integrations.models import Tick, VaultKey


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
