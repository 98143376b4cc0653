"""People and the audit log."""

from typing import Any

from allauth.usersessions.models import UserSession
from django import forms
from django.contrib import admin
from django.db.models import Count, Q
from django.http import HttpRequest

from accounts import retention
from accounts.login_admin import LoginApplicationAdmin
from accounts.models import AuditEntry, DataRequest, User
from accounts.operations import Operation, OperationsAdmin, Panel, add_panel
from accounts.permissions import signed_in
from accounts.token_admin import AccessTokenAdmin

__all__ = ["AccessTokenAdmin", "AuditEntryAdmin", "LoginApplicationAdmin", "UserAdmin"]


def _deactivate(user: User, actor: User, _: str) -> bool:
    if user == actor or (user.is_superuser and not actor.is_superuser):
        return False
    closed = bool(User.objects.filter(pk=user.pk, is_active=True).update(is_active=False))
    for session in UserSession.objects.filter(user=user):
        session.end()
    return closed


def _activate(user: User, actor: User, _: str) -> bool:
    if user.erased_at or (user.is_superuser and not actor.is_superuser):
        return False
    return bool(User.objects.filter(pk=user.pk, is_active=False).update(is_active=True))


def _end_sessions(user: User, actor: User, _: str) -> bool:
    if user.is_superuser and not actor.is_superuser:
        return False
    sessions = list(UserSession.objects.filter(user=user))
    for session in sessions:
        session.end()
    return bool(sessions)


@admin.register(User)
class UserAdmin(OperationsAdmin):
    """People sign up by themselves; only superusers decide who is staff."""

    is_editable = True
    list_display = ("email", "display_name", "coaching_since", "is_staff", "is_active", "last_login", "date_joined")
    list_filter = ("is_staff", "is_superuser", "is_active", ("coaching_since", admin.EmptyFieldListFilter))
    search_fields = ("email", "display_name", "public_id")
    ordering = ("-pk",)
    readonly_fields = (
        "public_id",
        "email",
        "display_name",
        "time_zone",
        "units",
        "coaching_since",
        "is_active",
        "last_login",
        "date_joined",
        "erased_at",
    )
    fieldsets = (
        (None, {"fields": ("email", "display_name", "public_id", "time_zone", "units", "coaching_since")}),
        ("Account", {"fields": ("is_active", "last_login", "date_joined", "erased_at")}),
        ("Operations", {"fields": ("is_staff", "is_superuser", "groups")}),
    )
    operations = (
        Operation(
            "deactivate",
            "Deactivate",
            "The person is logged out everywhere and cannot log in. Nothing is deleted; connections stay as they are.",
            _deactivate,
            is_dangerous=True,
        ),
        Operation("activate", "Activate again", "The person can log in again.", _activate),
        Operation("end_sessions", "Log out everywhere", "All sessions end; the person can log in anew.", _end_sessions),
    )

    def formfield_for_manytomany(self, *args: Any, **kwargs: Any) -> Any:
        return super().formfield_for_manytomany(*args, **kwargs, widget=forms.CheckboxSelectMultiple)

    def has_change_permission(self, request: HttpRequest, *_: Any, **__: Any) -> bool:
        return signed_in(request).is_superuser


@admin.register(AuditEntry)
class AuditEntryAdmin(OperationsAdmin):
    """The log is append-only; the database refuses changes, too."""

    list_display = ("at", "actor", "action", "object_type", "object_id", "outcome", "level", "trace_id")
    list_select_related = ("actor",)
    list_filter = ("level", "outcome", "at")
    linkable = ("object_type", "object_id", "trace_id", "actor")
    search_fields = ("action", "=object_id", "=trace_id", "=actor__email")
    search_help_text = "Action, object id, trace id or the actor's email."
    ordering = ("-at", "-pk")
    fields = ("at", "actor", "action", "object_type", "object_id", "outcome", "level", "trace_id", "ip", "data")
    readonly_fields = ("at",)


@admin.register(DataRequest)
class DataRequestAdmin(OperationsAdmin):
    """Who asked for a copy or the end of his data, and what became of it. The copy itself is for nobody else."""

    list_display = ("created_at", "user", "kind", "status", "attempts", "finished_at")
    list_select_related = ("user",)
    list_filter = ("kind", "status")
    ordering = ("-pk",)
    fields = ("public_id", "user", "kind", "status", "created_at", "attempts", "finished_at", "bytes_n", "report")


def _kept() -> dict[str, Any]:
    states = DataRequest.Status
    numbers = DataRequest.objects.order_by().aggregate(
        waiting=Count("pk", filter=Q(status__in=[states.WAITING, states.WORKING])),
        failed=Count("pk", filter=Q(status=states.FAILED)),
    )
    return {"rules": retention.rules(), **numbers}


add_panel(
    Panel(
        "What is kept, and how long",
        "admin/panels/retention.html",
        "accounts.view_datarequest",
        _kept,
        is_reference=True,
    )
)
