"""The engine's own rows: heartbeats, keys."""

from django.contrib import admin

from accounts.operations import OperationsAdmin
from integrations.models import Tick


@admin.register(Tick)
class TickAdmin(OperationsAdmin):
    list_display = ("name", "last_at", "last_seconds", "last_count")
    ordering = ("name",)
