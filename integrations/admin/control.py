"""What operations steer with beside a provider's row: planned maintenance, and who has which part of the product."""

from collections.abc import Mapping
from typing import Any, ClassVar

from django.contrib import admin
from django.db import transaction
from django.http import HttpRequest, HttpResponse

from accounts.models import User
from accounts.operations import Operation, OperationsAdmin
from accounts.permissions import signed_in
from integrations import events, flags
from integrations.admin.control_forms import FeatureFlagForm, MaintenanceWindowForm
from integrations.models import FeatureFlag, MaintenanceWindow, Phase
from integrations.services import maintaining

PHASES: Mapping[str, str] = {
    Phase.PLANNED: "Planned",
    Phase.ANNOUNCED: "Announced",
    Phase.DRAIN: "Nothing new begins",
    Phase.READ_ONLY: "Under way",
    Phase.OVER: "Over",
}
EDITABLE = (Phase.PLANNED, Phase.ANNOUNCED)


class ReasonedAdmin(OperationsAdmin):
    """Edited with a reason, which is not asked of those who only look."""

    is_editable = True
    shown: ClassVar[tuple[str, ...]] = ()

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        may_write = self.has_change_permission(request, obj) if obj else self.has_add_permission(request)
        about = {"fields": self.shown, "description": f"All times are in {signed_in(request).time_zone}."}
        return [(None, about), *([("Why", {"fields": ("reason",)})] if may_write else [])]


@admin.register(FeatureFlag)
class FeatureFlagAdmin(ReasonedAdmin):
    """Whoever is in stays in while the percentage grows. Flags are made with their provider."""

    form = FeatureFlagForm
    list_display = ("name", "enabled", "percentage", "description", "updated_at")
    list_filter = ("enabled",)
    search_fields = ("name",)
    readonly_fields = ("name", "updated_at")
    shown = ("name", "description", "enabled", "percentage", "updated_at")

    def save_model(self, request: HttpRequest, obj: FeatureFlag, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        events.publish("flag.changed", obj, flag=obj.name[:40], enabled=obj.enabled, percentage=obj.percentage)
        transaction.on_commit(flags.forget)


def _cancel(window: MaintenanceWindow, _: User, __: str) -> bool:
    return maintaining.cancel(window)


def _end(window: MaintenanceWindow, _: User, __: str) -> bool:
    return maintaining.end(window)


@admin.register(MaintenanceWindow)
class MaintenanceWindowAdmin(ReasonedAdmin):
    """Announced, drained, not called, over: all by the clock. What has begun is ended, no longer edited."""

    form = MaintenanceWindowForm
    list_display = ("provider", "state", "announce_at", "drain_at", "starts_at", "ends_at", "message", "created_by")
    list_select_related = ("provider", "created_by")
    list_filter = ("provider", "starts_at")
    shown = ("provider", "message", "announce_at", "drain_at", "starts_at", "ends_at", "state", "created_by")
    readonly_fields = ("state", "created_by")
    operations = (
        Operation(
            "cancel",
            "Cancel",
            "It does not take place. Whoever saw it announced no longer does. For one that has not begun.",
            _cancel,
        ),
        Operation("end_now", "End now", "Everything goes on by itself within seconds. For one under way.", _end),
    )

    def has_add_permission(self, request: HttpRequest, *_: Any) -> bool:
        return signed_in(request).has_perm("integrations.add_maintenancewindow")

    def has_change_permission(self, request: HttpRequest, obj: MaintenanceWindow | None = None, **_: Any) -> bool:
        return self.may_operate(request) and (obj is None or obj.phase in EDITABLE)

    def get_readonly_fields(self, _: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        return (*self.readonly_fields, "provider") if obj else self.readonly_fields

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        found = super().get_fieldsets(request, obj)
        if obj is None:
            found[0][1]["fields"] = tuple(name for name in self.shown if name not in self.readonly_fields)
        return found

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        zone = signed_in(request).time_zone
        return super().changelist_view(request, {"subtitle": f"Times are in {zone}", **(extra_context or {})})

    def save_model(self, request: HttpRequest, obj: MaintenanceWindow, form: Any, change: bool) -> None:
        if not change:
            obj.created_by = signed_in(request)
        super().save_model(request, obj, form, change)
        maintaining.announce(obj)

    @admin.display(description="now")
    def state(self, window: MaintenanceWindow) -> str:
        return "Cancelled" if window.cancelled_at else PHASES[window.phase]
