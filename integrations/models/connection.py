from collections.abc import Sequence
from datetime import timedelta
from typing import Any, ClassVar, Self
from uuid import uuid4

from django.conf import settings
from django.db import models
from django.db.models import Case, F, Q, Value, When
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from integrations.models.provider import Provider
from integrations.registry import spec_for
from integrations.spec import Capability
from integrations.timing import seconds, timing


class ConnectionQuerySet(models.QuerySet["Connection"]):
    def live(self) -> Self:
        return self.exclude(status=Connection.Status.DISCONNECTED)

    def active(self) -> Self:
        return self.filter(status=Connection.Status.ACTIVE)

    def unheard(self) -> Self:
        """Waiting for their check for so long that the bell was lost."""
        since = Now() - seconds(timing().login_unheard_s)
        return self.filter(
            status=Connection.Status.PAUSED, status_reason=Connection.CHECKING, status_changed_at__lt=since
        )

    def doubted(self) -> Self:
        """Those of which somebody said that they ended, and that nobody has asked the provider about yet."""
        return self.active().exclude(doubted_at=None)

    def abandoned(self) -> Self:
        """Begun and never finished."""
        since = Now() - seconds(timing().pending_connection_s)
        return self.filter(status=Connection.Status.PENDING, status_changed_at__lt=since)

    def for_user(self, user: User) -> Self:
        """The person's own; nobody else ever sees a connection but operations."""
        return self.filter(user=user)


class Connection(models.Model):
    """One person's account at one provider."""

    class Status(models.TextChoices):
        PENDING = "pending", _("Being connected")
        ACTIVE = "active", _("Connected")
        NEEDS_REAUTH = "needs_reauth", _("Needs a new login")
        PAUSED = "paused", _("Paused")
        DISCONNECTED = "disconnected", _("Disconnected")

    LIVE: ClassVar[tuple[str, ...]] = (Status.PENDING, Status.ACTIVE, Status.NEEDS_REAUTH, Status.PAUSED)
    CHECKING: ClassVar[str] = "checking"  # the reason of a paused one whose login is being tried before it goes on

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
    doubted_at = models.DateTimeField(null=True, blank=True)  # a webhook says that it ended; a call decides
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
        """What the provider offers, as far as the person allows it."""
        spec = spec_for(self.provider.slug)
        needed = spec.permissions.get(capability)
        return spec.can(capability) and (needed is None or needed in self.scopes)

    @property
    def receives_workouts(self) -> bool:
        """Chosen for deliveries, and still allowed to take them."""
        return self.delivers and self.can(Capability.WORKOUTS_WRITE)

    def move(self, status: str, *, only_from: Sequence[str], reason: str = "", **fields: Any) -> bool:
        """One guarded UPDATE, of `fields` too. False: somebody else moved it first and nothing changed."""
        moved = Connection.objects.filter(pk=self.pk, status__in=only_from).update(
            status=status, status_reason=reason, status_changed_at=Now(), updated_at=Now(), **fields
        )
        if moved:
            self.refresh_from_db()
        return bool(moved)


class CredentialQuerySet(models.QuerySet["Credential"]):
    def left_over(self) -> "models.QuerySet[Credential, int]":
        """Connections that are over and whose login still waits to be ended: the bell was lost, or its worker."""
        since = Now() - seconds(timing().login_unheard_s)
        free = Q(lease_until=None) | Q(lease_until__lt=Now())
        over = self.filter(free, connection__status=Connection.Status.DISCONNECTED)
        return over.filter(connection__status_changed_at__lt=since).values_list("connection_id", flat=True)


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

    objects = CredentialQuerySet.as_manager()

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

    def unheard(self) -> Self:
        """Waiting for a worker for so long that the bell was lost."""
        waiting = Q(status=ConnectSession.Status.QUEUED) | Q(status=ConnectSession.Status.CHECKING)
        return self.open().filter(waiting, lease_until=None, queued_at__lt=Now() - seconds(timing().login_unheard_s))

    def lapsed(self) -> Self:
        """Nobody acted in time: the worker is gone, or the person is."""
        held = Q(lease_until__lt=Now())
        waiting = Q(lease_until=None, expires_at__lte=Now())
        return self.filter(held | waiting, consumed_at=None)

    def end_lapsed(self) -> int:
        """A login is never begun again by itself: what lapsed has failed, and says how far it came."""
        reason = Case(
            When(lease_until__isnull=False, then=Value("interrupted")),
            When(status=ConnectSession.Status.NEEDS_CODE, then=Value("expired")),
            default=Value("not_started"),
        )
        return self.lapsed().update(
            status=ConnectSession.Status.FAILED, error_code=reason, sealed="", lease_until=None, consumed_at=Now()
        )

    def take(self, pk: int, *, waiting: str, working: str) -> "ConnectSession | None":
        """Claim what waits, once and for all. From then on the sealed input is in the worker's memory only."""
        session = self.open().filter(pk=pk, status=waiting, lease_until=None).select_related("user", "provider").first()
        if session is None:
            return None
        same = self.filter(pk=pk, status=waiting, lease_until=None, sealed=session.sealed)
        taken = same.update(status=working, sealed="", lease_until=Now() + seconds(timing().login_lease_s))
        return session if taken else None


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

    ENDED: ClassVar[tuple[str, ...]] = (Status.FAILED, Status.DONE)
    OPEN: ClassVar[tuple[str, ...]] = (Status.QUEUED, Status.WORKING, Status.NEEDS_CODE, Status.CHECKING)
    AT_WORK: ClassVar[tuple[str, ...]] = (Status.WORKING, Status.CHECKING)

    MOST_CODES: ClassVar[int] = 5

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
    consumed_at = models.DateTimeField(null=True, blank=True)  # when it ended
    queued_at = models.DateTimeField(db_default=Now())  # since when it waits for a worker
    created_at = models.DateTimeField(auto_now_add=True)

    objects = ConnectSessionQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(expires_at__gt=F("created_at")), name="connectsession_lives"),
            models.CheckConstraint(condition=Q(sealed="") | Q(sealed__startswith="cv1:"), name="connectsession_sealed"),
            models.UniqueConstraint(
                fields=["user", "provider"], condition=Q(consumed_at=None), name="connectsession_one_open"
            ),
            models.CheckConstraint(
                condition=Q(status__in=["failed", "done"], consumed_at__isnull=False, sealed="")
                | Q(status__in=["queued", "working", "needs_code", "checking"], consumed_at=None),
                name="connectsession_ended",
            ),
        ]
        indexes = [models.Index(fields=["expires_at"], name="connectsession_expiry")]

    def __str__(self) -> str:
        return f"connect session {self.public_id}"

    @property
    def is_over(self) -> bool:
        return self.status in self.ENDED

    @property
    def is_consent(self) -> bool:
        """Whether the person says yes at the provider itself; `needs_code` then waits for him to come back."""
        return self.kind == self.Kind.OAUTH

    @property
    def is_expired(self) -> bool:
        """Nobody acted in time, whether or not a tick has noticed."""
        return not self.is_over and self.lease_until is None and self.expires_at <= timezone.now()

    @property
    def is_moving(self) -> bool:
        """Whether it goes on without the person."""
        return self.status in (self.Status.QUEUED, *self.AT_WORK) and not self.is_expired

    @property
    def place(self) -> dict[str, str]:
        """What binds the sealed input to this row and its owner."""
        label = ConnectSession._meta.label_lower
        return {
            "model_label": label,
            "row_uuid": str(self.public_id),
            "field": "sealed",
            "owner": f"user:{self.user_id}",
        }

    def hold(self, **fields: Any) -> bool:
        """A worker's heartbeat. False: the session ended meanwhile, stop without side effects."""
        held = ConnectSession.objects.filter(pk=self.pk, status__in=self.AT_WORK).exclude(lease_until=None)
        return bool(held.update(lease_until=Now() + seconds(timing().login_lease_s), **fields))

    def move(self, status: str, *, only_from: Sequence[str], **fields: Any) -> bool:
        """One guarded UPDATE; what ends keeps no secret and never moves again. False: somebody else was first."""
        ending = {"sealed": "", "consumed_at": Now()} if status in self.ENDED else {}
        changes = {"status": status, "lease_until": None, **ending, **fields}
        moved = ConnectSession.objects.filter(pk=self.pk, status__in=only_from).update(**changes)
        if moved:
            self.refresh_from_db()
        return bool(moved)


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
