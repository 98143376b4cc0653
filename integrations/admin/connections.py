from django.contrib import admin
from django.db.models.functions import Now
from django.urls import reverse
from django.utils.html import format_html_join

from accounts.models import User
from accounts.operations import Operation, OperationsAdmin, WordsFilter
from integrations import bell, credentials, tasks, vault
from integrations.admin.health import CONNECTION_OPERATIONS
from integrations.models import Connection, ConnectSession, Credential, LoginCooldown, SyncJob
from integrations.services import connecting, scheduling

_lists_of_a_connection = {
    "integrations_credential": ("connection", "credential"),
    "integrations_syncstream": ("connection", "streams"),
    "integrations_syncjob": ("stream__connection", "runs"),
    "integrations_healthreport": ("connection", "looks"),
}


def link_list(admin_name: str, *, lookup: str, words: str) -> None:
    """Have a connection's page link to another app's list of what belongs to it."""
    _lists_of_a_connection[admin_name] = (lookup, words)


def _pause(connection: Connection, actor: User, _: str) -> bool:
    return connecting.pause(connection, actor=actor)


def _resume(connection: Connection, actor: User, _: str) -> bool:
    return connecting.resume(connection, actor=actor)


def _ask_for_login(connection: Connection, _: User, __: str) -> bool:
    was_active = connection.status == Connection.Status.ACTIVE
    credentials.lose(connection, "by_operations")
    return was_active and connection.status == Connection.Status.NEEDS_REAUTH


def _disconnect(connection: Connection, actor: User, _: str) -> bool:
    return connecting.disconnect(connection, actor=actor, purge=False)


def _sync(connection: Connection, actor: User, _: str) -> bool:
    if connection.status != Connection.Status.ACTIVE:
        return False
    streams = list(connection.streams.filter(enabled=True))
    for stream in streams:
        scheduling.request_sync(stream, trigger=SyncJob.Trigger.MANUAL, by=actor)
    return bool(streams)


@admin.register(Connection)
class ConnectionAdmin(OperationsAdmin):
    list_display = ("user", "provider", "status", "status_reason", "delivers", "last_ok_at", "failing_days", "id")
    list_select_related = ("user", "provider")
    list_filter = ("status", "provider", ("status_reason", WordsFilter), ("last_ok_at", admin.DateFieldListFilter))
    linkable = ("user",)
    search_fields = ("=user__email", "=external_account_id", "external_name", "=public_id")
    search_help_text = "The person's email, the account's id or name, or the connection's id."
    ordering = ("-pk",)
    fields = (
        "public_id",
        "user",
        "provider",
        "status",
        "status_reason",
        "status_changed_at",
        "external_account_id",
        "external_name",
        "scopes",
        "delivers",
        "last_ok_at",
        "last_error_at",
        "failing_days",
        "related",
        "created_at",
    )
    readonly_fields = ("public_id", "related", "created_at")
    operations = (
        Operation("sync_now", "Sync now", "A run of each of its streams is due at once.", _sync),
        Operation("pause", "Pause", "No call goes out for it until it is resumed.", _pause),
        Operation("resume", "Resume", "A worker tries the login; the connection goes on when it still works.", _resume),
        Operation(
            "ask_for_login",
            "Ask for a new login",
            "The connection stops and its owner is told to log in again.",
            _ask_for_login,
        ),
        Operation(
            "disconnect",
            "Disconnect",
            "The login is erased and everything queued is cancelled. What came from the account stays. No way back.",
            _disconnect,
            is_dangerous=True,
        ),
        *CONNECTION_OPERATIONS,
    )

    @admin.display(description="See also")
    def related(self, connection: Connection) -> str:
        """The account's own pages and the connection's entries in the audit log, which are its timeline."""
        timeline = (reverse("admin:accounts_auditentry_changelist"), "object_id", connection.public_id, "timeline")
        lists = [
            (reverse(f"admin:{name}_changelist"), f"{lookup}__id", connection.pk, words)
            for name, (lookup, words) in _lists_of_a_connection.items()
        ]
        return format_html_join(" · ", '<a href="{}?{}__exact={}">{}</a>', [*lists, timeline])


def _renew(credential: Credential, _: User, __: str) -> bool:
    if credential.connection.status != Connection.Status.ACTIVE:
        return False
    bell.ring(tasks.renew_credential, credential.pk)
    return True


@admin.register(Credential)
class CredentialAdmin(OperationsAdmin):
    """What is known about a login, never the login itself."""

    list_display = (
        "connection",
        "state",
        "kind",
        "key_id",
        "version",
        "expires_at",
        "refreshed_at",
        "refresh_failures",
    )
    list_select_related = ("connection__user", "connection__provider")
    list_filter = ("kind", "key_id", "connection__provider", "connection__status")
    linkable = ("connection",)
    search_fields = ("=connection__user__email", "=public_id", "=connection__public_id")
    ordering = ("-pk",)
    fields = (
        "public_id",
        "connection",
        "state",
        "kind",
        "key_id",
        "fingerprint",
        "version",
        "issued_at",
        "refreshed_at",
        "expires_at",
        "refresh_failures",
        "refresh_failed_at",
        "lease_until",
    )
    readonly_fields = ("public_id", "state", "key_id", "fingerprint", "lease_until")
    operations = (Operation("renew", "Renew now", "A worker renews it at once, cool-down or not.", _renew),)

    @admin.display(description="Connection is", ordering="connection__status")
    def state(self, credential: Credential) -> str:
        return credential.connection.get_status_display()

    @admin.display(ordering="refresh_failures")
    def failures(self, credential: Credential) -> int:
        return credential.refresh_failures

    @admin.display
    def fingerprint(self, credential: Credential) -> str:
        return vault.fingerprint(credential.sealed)


@admin.register(ConnectSession)
class ConnectSessionAdmin(OperationsAdmin):
    """Attempts to connect: how far each came. What it carries is sealed and not shown."""

    list_display = (
        "user",
        "provider",
        "status",
        "account_hint",
        "error_code",
        "code_attempts",
        "created_at",
        "expires_at",
    )
    list_select_related = ("user", "provider")
    list_filter = ("status", "provider", ("error_code", WordsFilter))
    linkable = ("user", "connection")
    search_fields = ("=user__email", "=public_id")
    ordering = ("-pk",)
    fields = (
        "public_id",
        "user",
        "provider",
        "connection",
        "kind",
        "status",
        "account_hint",
        "method",
        "code_attempts",
        "error_code",
        "created_at",
        "expires_at",
        "consumed_at",
    )
    readonly_fields = ("public_id", "created_at")


def _lift(cooldown: LoginCooldown, _: User, __: str) -> bool:
    return bool(LoginCooldown.objects.filter(pk=cooldown.pk, until__gt=Now()).update(until=Now()))


@admin.register(LoginCooldown)
class LoginCooldownAdmin(OperationsAdmin):
    """Accounts nobody may log in to for a while; found by a keyed hash, so not even we see whose they are."""

    list_display = ("short_key", "provider", "until", "reason", "blocks", "wrong_passwords", "updated_at")
    list_select_related = ("provider",)
    list_filter = ("provider", ("reason", WordsFilter))
    ordering = ("-until",)
    fields = ("short_key", "provider", "until", "reason", "blocks", "wrong_passwords", "updated_at")
    readonly_fields = ("short_key", "updated_at")
    operations = (
        Operation(
            "lift",
            "Lift",
            "The person may log in again at once. If the provider still blocks, the next wait is longer.",
            _lift,
            is_dangerous=True,
        ),
    )

    @admin.display(description="account")
    def short_key(self, cooldown: LoginCooldown) -> str:
        return cooldown.account_key[:12]
