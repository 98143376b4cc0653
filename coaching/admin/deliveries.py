"""Each athlete's copy on its way, and what operations may do about it."""

from typing import Any

from django.contrib import admin
from django.db.models.functions import Now

from accounts.models import User
from accounts.operations import Operation, OperationsAdmin, Panel, WordsFilter, add_panel
from coaching import tasks
from coaching.models import Delivery, DeliveryAttempt, DeliveryStatus, Notification
from coaching.services import delivering
from integrations import bell
from integrations.admin.connections import link_list
from integrations.admin.home import backlog

CANCELLED = ("by_operations", "Our operations people stopped this delivery.")


def _retry(delivery: Delivery, actor: User, _: str) -> bool:
    return delivering.retry(delivery, actor)


def _look(delivery: Delivery, _: User, __: str) -> bool:
    """An unknown outcome is looked for now; a finished delivery's account is looked through for doubles once more."""
    rows = Delivery.objects.filter(pk=delivery.pk, lease_token=None)
    due = rows.filter(status=DeliveryStatus.UNCERTAIN).update(next_attempt_at=Now())
    due = due or rows.filter(status=DeliveryStatus.DELIVERED).update(recheck_at=Now(), rechecked_at=None)
    if due:
        bell.ring(tasks.tick_deliveries)
    return bool(due)


def _cancel(delivery: Delivery, _: User, __: str) -> bool:
    return bool(Delivery.objects.filter(pk=delivery.pk).cancel(*CANCELLED))


class AttemptInline(admin.TabularInline):  # type: ignore[type-arg]  # generic for the type checker only
    model = DeliveryAttempt
    fields = ("number", "step", "started_at", "seconds", "outcome", "http_status", "error_code")
    readonly_fields = fields
    extra = 0
    max_num = 0
    can_delete = False
    verbose_name_plural = "What was tried"


@admin.register(Delivery)
class DeliveryAdmin(OperationsAdmin):
    list_display = (
        "marker",
        "revision",
        "athlete",
        "status",
        "attempts",
        "error_code",
        "next_attempt_at",
        "delivered_at",
    )
    list_select_related = ("revision", "share__link__athlete")
    list_filter = (
        "status",
        ("error_code", WordsFilter),
        "connection__provider",
        ("created_at", admin.DateFieldListFilter),
    )
    linkable = ("connection", "share")
    search_fields = ("=share__link__athlete__email", "=marker", "=remote_workout_id", "=public_id", "=trace_id")
    search_help_text = "The athlete's email, our marker, the provider's id or a trace id."
    ordering = ("-pk",)
    fields = (
        ("public_id", "marker"),
        ("share", "connection", "revision", "sent_revision"),
        "status",
        ("error_code", "error_detail"),
        ("create_sent_at", "schedule_sent_at", "delivered_at"),
        ("remote_workout_id", "remote_schedule_id"),
        ("attempts", "crashes", "absent_looks"),
        ("next_attempt_at", "lease_until"),
        ("recheck_at", "rechecked_at", "remove_remote"),
        "created_at",
        "trace_id",
    )
    readonly_fields = ("public_id", "marker", "lease_until", "created_at")
    inlines = (AttemptInline,)
    operations = (
        Operation("retry", "Try again", "A failed or cancelled delivery goes on where that is still wanted.", _retry),
        Operation(
            "look",
            "Look whether it arrived",
            "A worker looks for our marker in the athlete's account: it adopts what is there and removes doubles.",
            _look,
        ),
        Operation(
            "cancel",
            "Cancel",
            "Nothing more is sent; what was half sent is taken out of the account again.",
            _cancel,
            is_dangerous=True,
        ),
    )

    @admin.display(ordering="share__link__athlete")
    def athlete(self, delivery: Delivery) -> User:
        return delivery.share.link.athlete


def work_in_hand() -> dict[str, Any]:
    return {
        "backlogs": [
            backlog("Deliveries", Delivery.objects.all(), over=DeliveryStatus.FAILED),
            backlog("Notifications", Notification.objects.all(), over=Notification.Status.FAILED),
        ]
    }


link_list("coaching_delivery", lookup="connection", words="deliveries")
link_list("coaching_workout", lookup="source", words="workouts")
add_panel(Panel("Deliveries", "admin/panels/backlogs.html", "coaching.view_delivery", work_in_hand))
