from datetime import timedelta
from typing import Self
from uuid import uuid4

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils import timezone

from accounts.models import User
from integrations.models.provider import Provider
from integrations.registry import spec_for
from integrations.spec import Capability


class ConnectionQuerySet(models.QuerySet["Connection"]):
    def live(self) -> Self:
        return self.exclude(status=Connection.Status.DISCONNECTED)

    def active(self) -> Self:
        return self.filter(status=Connection.Status.ACTIVE)

    def for_user(self, user: User) -> Self:
        """The person's own; nobody else ever sees a connection but operations."""
        return self.filter(user=user)


class Connection(models.Model):
    """One person's account at one provider."""

    class Status(models.TextChoices):
        PENDING = "pending", "Being connected"
        ACTIVE = "active", "Connected"
        NEEDS_REAUTH = "needs_reauth", "Needs a new login"
        PAUSED = "paused", "Paused"
        DISCONNECTED = "disconnected", "Disconnected"

    public_id = models.UUIDField(unique=True, default=uuid4, editable=False)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="connections")
    provider = models.ForeignKey(Provider, models.PROTECT, related_name="connections")
    status = models.CharField(max_length=16, choices=Status, default=Status.PENDING)
    status_reason = models.CharField(max_length=40, blank=True)
    status_changed_at = models.DateTimeField(db_default=Now())
    external_account_id = models.CharField(max_length=128, blank=True)
    external_name = models.CharField(max_length=120, blank=True)
    scopes = models.JSONField(default=list, blank=True)
    delivers = models.BooleanField(default=False, help_text="Deliveries to this person go here.")
    last_ok_at = models.DateTimeField(null=True, blank=True)
    last_error_at = models.DateTimeField(null=True, blank=True)
    failing_days = models.PositiveSmallIntegerField(default=0)
    notified_reauth_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    objects = ConnectionQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["user", "provider"], condition=~Q(status="disconnected"), name="connection_once_per_user"
            ),
            models.UniqueConstraint(
                fields=["provider", "external_account_id"],
                condition=~Q(status="disconnected") & ~Q(external_account_id=""),
                name="connection_account_once",
            ),
            models.UniqueConstraint(
                fields=["user"],
                condition=Q(delivers=True) & ~Q(status="disconnected"),
                name="connection_one_target",
            ),
            models.CheckConstraint(
                condition=~Q(external_account_id="") | Q(status__in=["pending", "disconnected"]),
                name="connection_account_known",
            ),
            models.CheckConstraint(
                condition=Q(status__in=["pending", "active", "needs_reauth", "paused", "disconnected"]),
                name="connection_known_status",
            ),
        ]
        indexes = [models.Index(fields=["provider", "status"], name="connection_by_status")]

    def __str__(self) -> str:
        return f"{self.provider} of {self.user}"

    def can(self, capability: Capability) -> bool:
        return spec_for(self.provider.slug).can(capability)

    def move(self, status: str, *, only_from: list[str], reason: str = "") -> bool:
        """One guarded UPDATE. False: somebody else moved it first and nothing changed."""
        moved = Connection.objects.filter(pk=self.pk, status__in=only_from).update(
            status=status, status_reason=reason, status_changed_at=Now(), updated_at=Now()
        )
        if moved:
            self.refresh_from_db()
        return bool(moved)


class Credential(models.Model):
    """The sealed secrets of a connection. `version` is the fence: every replacement raises it."""

    class Kind(models.TextChoices):
        OAUTH2 = "oauth2"
        SESSION = "session"
        API_KEY = "api_key"

    public_id = models.UUIDField(unique=True, default=uuid4, editable=False)
    connection = models.OneToOneField(Connection, models.CASCADE, related_name="credential")
    kind = models.CharField(max_length=12, choices=Kind)
    sealed = models.TextField(editable=False)
    key_id = models.CharField(max_length=16, db_index=True, editable=False)
    version = models.PositiveIntegerField(default=1)
    expires_at = models.DateTimeField(null=True, blank=True, db_index=True)
    issued_at = models.DateTimeField(db_default=Now())
    refreshed_at = models.DateTimeField(null=True, blank=True)
    refresh_failed_at = models.DateTimeField(null=True, blank=True)
    refresh_failures = models.PositiveSmallIntegerField(default=0)
    lease_token = models.UUIDField(null=True, editable=False)
    lease_until = models.DateTimeField(null=True, editable=False)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(sealed__startswith="cv1:"), name="credential_sealed"),
            models.CheckConstraint(
                condition=Q(kind__in=["oauth2", "session", "api_key"]), name="credential_known_kind"
            ),
            models.CheckConstraint(
                condition=Q(lease_token=None, lease_until=None)
                | Q(lease_token__isnull=False, lease_until__isnull=False),
                name="credential_lease_whole",
            ),
        ]

    def __str__(self) -> str:
        return f"credential {self.public_id}"

    def needs_renewal(self, margin: timedelta) -> bool:
        return self.expires_at is not None and self.expires_at <= timezone.now() + margin


class ConnectSessionQuerySet(models.QuerySet["ConnectSession"]):
    def for_user(self, user: User) -> Self:
        return self.filter(user=user)

    def open(self) -> Self:
        return self.filter(consumed_at=None, expires_at__gt=Now())


class ConnectSession(models.Model):
    """One attempt to connect an account: carries the sealed input or MFA state between the page and the worker.

    `sealed` is blanked as soon as its content was used; a login is never tried again by itself.
    """

    class Kind(models.TextChoices):
        OAUTH = "oauth"
        PASSWORD = "password"

    class Status(models.TextChoices):
        QUEUED = "queued", "Waiting for a worker"
        WORKING = "working", "Logging in"
        NEEDS_CODE = "needs_code", "Waiting for your code"
        CHECKING = "checking", "Checking the code"
        FAILED = "failed", "Did not work"
        DONE = "done", "Connected"

    public_id = models.UUIDField(unique=True, default=uuid4, editable=False)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="connect_sessions")
    provider = models.ForeignKey(Provider, models.CASCADE, related_name="+")
    connection = models.ForeignKey(Connection, models.SET_NULL, null=True, blank=True, related_name="sessions")
    kind = models.CharField(max_length=10, choices=Kind)
    status = models.CharField(max_length=12, choices=Status, default=Status.QUEUED)
    state_hash = models.CharField(max_length=64, unique=True, editable=False)
    account_key = models.CharField(max_length=64, blank=True, editable=False)  # keyed hash; finds the cool-down
    account_hint = models.CharField(max_length=64, blank=True)  # "m…@example.org", to say which account this is
    method = models.CharField(max_length=16, blank=True)
    sealed = models.TextField(blank=True, editable=False)
    code_attempts = models.PositiveSmallIntegerField(default=0)
    error_code = models.CharField(max_length=40, blank=True)
    lease_until = models.DateTimeField(null=True, editable=False)
    expires_at = models.DateTimeField()
    consumed_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    objects = ConnectSessionQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(expires_at__gt=F("created_at")), name="connectsession_lives"),
            models.CheckConstraint(condition=Q(sealed="") | Q(sealed__startswith="cv1:"), name="connectsession_sealed"),
        ]
        indexes = [models.Index(fields=["expires_at"], name="connectsession_expiry")]

    def __str__(self) -> str:
        return f"connect session {self.public_id}"


class LoginCooldown(models.Model):
    """Why and until when nobody may log in to one provider account; on all paths, across processes and restarts."""

    provider = models.ForeignKey(Provider, models.CASCADE, related_name="+")
    account_key = models.CharField(max_length=64, editable=False)
    until = models.DateTimeField(null=True, blank=True)
    reason = models.CharField(max_length=40, blank=True)
    blocks = models.PositiveSmallIntegerField(default=0)
    wrong_passwords = models.PositiveSmallIntegerField(default=0)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["provider", "account_key"], name="logincooldown_once")]

    def __str__(self) -> str:
        return f"{self.provider} until {self.until}"
