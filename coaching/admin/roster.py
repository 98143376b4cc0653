"""Who coaches whom, what was offered, and what was told to whom."""

from django.contrib import admin
from django.db.models.functions import Now

from accounts.models import User
from accounts.operations import Operation, OperationsAdmin
from coaching.models import CoachingLink, Invitation, Notification, Share, Workout, WorkoutRevision


@admin.register(CoachingLink)
class CoachingLinkAdmin(OperationsAdmin):
    """The athlete's consent is the athlete's: operations look at it and leave it."""

    list_display = ("coach", "athlete", "status", "scopes", "auto_import", "started_at", "ended_at")
    list_select_related = ("coach", "athlete")
    list_filter = ("status", "auto_import")
    linkable = ("coach", "athlete")
    search_fields = ("=coach__email", "=athlete__email", "=public_id")
    ordering = ("-pk",)
    fields = ("public_id", "coach", "athlete", "status", "scopes", "auto_import", "started_at", "ended_at")
    readonly_fields = ("public_id",)


@admin.register(Invitation)
class InvitationAdmin(OperationsAdmin):
    list_display = ("email", "coach", "created_at", "expires_at", "accepted_at", "declined_at", "revoked_at")
    list_select_related = ("coach",)
    list_filter = (
        ("accepted_at", admin.EmptyFieldListFilter),
        ("declined_at", admin.EmptyFieldListFilter),
        ("revoked_at", admin.EmptyFieldListFilter),
    )
    linkable = ("coach",)
    search_fields = ("=email", "=coach__email", "=public_id")
    ordering = ("-pk",)
    fields = (
        "public_id",
        "email",
        "coach",
        "created_at",
        "expires_at",
        "accepted_at",
        "declined_at",
        "revoked_at",
        "link",
    )
    readonly_fields = ("public_id", "created_at")


class RevisionInline(admin.TabularInline):  # type: ignore[type-arg]  # generic for the type checker only
    model = WorkoutRevision
    fields = ("number", "name", "sport", "duration_s", "distance_m", "created_at")
    readonly_fields = fields
    extra = 0
    max_num = 0
    can_delete = False


@admin.register(Workout)
class WorkoutAdmin(OperationsAdmin):
    list_display = ("current", "owner", "source", "external_id", "gone_at", "archived_at", "updated_at")
    list_select_related = ("current", "owner", "source__provider", "source__user")
    list_filter = (
        "source__provider",
        ("gone_at", admin.EmptyFieldListFilter),
        ("archived_at", admin.EmptyFieldListFilter),
    )
    linkable = ("owner", "source")
    search_fields = ("=owner__email", "=external_id", "=public_id", "current__name")
    ordering = ("-pk",)
    fields = (
        "public_id",
        "owner",
        "source",
        "external_id",
        "external_version",
        "current",
        "gone_at",
        "archived_at",
        "created_at",
        "updated_at",
    )
    readonly_fields = ("public_id", "created_at", "updated_at")
    inlines = (RevisionInline,)


@admin.register(Share)
class ShareAdmin(OperationsAdmin):
    list_display = ("revision", "coach", "athlete", "status", "scheduled_for", "created_at", "responded_at")
    list_select_related = ("revision", "link__coach", "link__athlete")
    list_filter = ("status", ("created_at", admin.DateFieldListFilter))
    linkable = ("link", "workout")
    search_fields = ("=link__coach__email", "=link__athlete__email", "=public_id")
    ordering = ("-pk",)
    fields = (
        "public_id",
        "link",
        "workout",
        "revision",
        "status",
        "scheduled_for",
        "created_at",
        "responded_at",
    )
    readonly_fields = ("public_id", "created_at")

    @admin.display(ordering="link__coach")
    def coach(self, share: Share) -> User:
        return share.link.coach

    @admin.display(ordering="link__athlete")
    def athlete(self, share: Share) -> User:
        return share.link.athlete


def _send_again(notification: Notification, _: User, __: str) -> bool:
    failed = Notification.objects.filter(pk=notification.pk, status=Notification.Status.FAILED)
    return bool(failed.update(status=Notification.Status.PENDING, attempts=0, crashes=0, next_attempt_at=Now()))


@admin.register(Notification)
class NotificationAdmin(OperationsAdmin):
    list_display = ("template", "recipient", "channel", "status", "attempts", "error_code", "created_at", "sent_at")
    list_select_related = ("recipient",)
    list_filter = ("status", "channel", "template")
    linkable = ("recipient",)
    search_fields = ("=recipient__email",)
    ordering = ("-pk",)
    fields = (
        ("recipient", "channel", "template"),
        ("status", "attempts", "crashes"),
        ("created_at", "next_attempt_at", "lease_until", "sent_at", "read_at"),
        ("error_code", "error_detail"),
    )
    readonly_fields = ("created_at", "lease_until")
    operations = (Operation("send_again", "Send again", "A failed message is due at once.", _send_again),)
