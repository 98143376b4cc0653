import json
from hashlib import sha256
from typing import Any, ClassVar, NoReturn, Self
from uuid import uuid4
from zoneinfo import ZoneInfo

from django.conf import settings
from django.contrib.auth.models import AbstractUser
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Q
from django.db.models.functions import Lower, Now
from django.utils.translation import gettext_lazy as _

from accounts.managers import UserManager
from integrations.encryption import Context, KeyRing, open_sealed, seal


def validate_time_zone(value: str) -> None:
    try:
        ZoneInfo(value)
    except (KeyError, ValueError, OSError):
        raise ValidationError(_("Choose a time zone such as Europe/Lisbon."), code="time_zone") from None


class Units(models.TextChoices):
    METRIC = "metric", _("Metric (km, kg)")
    IMPERIAL = "imperial", _("Imperial (miles, lb)")


class Theme(models.TextChoices):
    AUTO = "auto", _("As my device")
    LIGHT = "light", _("Light")
    DARK = "dark", _("Dark")


class Language(models.TextChoices):
    ENGLISH = "en", "English"
    GERMAN = "de", "Deutsch"


class WeekStart(models.IntegerChoices):
    """As `date.weekday()` counts."""

    MONDAY = 0, _("Monday")
    SUNDAY = 6, _("Sunday")


class User(AbstractUser):
    """A person: coach, athlete or both, by what links and choices say; there is no role column."""

    username = None  # type: ignore[assignment]  # people log in by email
    first_name = None  # type: ignore[assignment]  # one display name, as people write it
    last_name = None  # type: ignore[assignment]
    public_id = models.UUIDField(unique=True, default=uuid4, editable=False)
    email = models.EmailField("email address", max_length=254)
    display_name = models.CharField("name", max_length=120, blank=True)
    time_zone = models.CharField(max_length=64, default="UTC", validators=[validate_time_zone])
    units = models.CharField(max_length=8, choices=Units, default=Units.METRIC)
    week_start = models.PositiveSmallIntegerField(choices=WeekStart, default=WeekStart.MONDAY)
    theme = models.CharField(max_length=5, choices=Theme, default=Theme.AUTO)
    language = models.CharField(max_length=2, choices=Language, default=Language.ENGLISH)
    coaching_since = models.DateTimeField(null=True, blank=True)
    erased_at = models.DateTimeField(null=True, blank=True, editable=False)

    objects: ClassVar[UserManager] = UserManager()  # type: ignore[assignment]  # has no usernames

    USERNAME_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = []

    class Meta:
        constraints = [
            models.UniqueConstraint(Lower("email"), name="user_email_once"),
            models.CheckConstraint(condition=Q(units__in=Units.values), name="user_known_units"),
            models.CheckConstraint(condition=Q(week_start__in=WeekStart.values), name="user_known_week_start"),
            models.CheckConstraint(condition=Q(theme__in=Theme.values), name="user_known_theme"),
            models.CheckConstraint(condition=Q(language__in=Language.values), name="user_known_language"),
        ]

    def __str__(self) -> str:
        return self.display_name or self.email

    def get_full_name(self) -> str:
        return self.display_name

    def get_short_name(self) -> str:
        return self.display_name or self.email.partition("@")[0]

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.time_zone)

    @property
    def is_coach(self) -> bool:
        return self.coaching_since is not None


class AuditEntry(models.Model):
    """Who did what to which object: append-only, refused to change here and by a trigger in the database."""

    class Outcome(models.TextChoices):
        SUCCESS = "success"
        HALTED = "halted"
        FAILURE = "failure"

    class Level(models.TextChoices):
        CHATTER = "chatter"
        NORMAL = "normal"
        SECURITY = "security"

    at = models.DateTimeField(auto_now_add=True)
    actor = models.ForeignKey(User, models.SET_NULL, null=True, blank=True, related_name="+")
    action = models.CharField(max_length=64)
    object_type = models.CharField(max_length=48)
    object_id = models.CharField(max_length=40)
    outcome = models.CharField(max_length=10, choices=Outcome, default=Outcome.SUCCESS)
    level = models.CharField(max_length=10, choices=Level, default=Level.NORMAL)
    trace_id = models.CharField(max_length=32, blank=True)
    ip = models.GenericIPAddressField(null=True, blank=True)
    data = models.JSONField(default=dict, blank=True)

    class Meta:
        verbose_name_plural = "audit entries"
        indexes = [
            models.Index(fields=["-at"], name="audit_newest"),
            models.Index(fields=["object_type", "object_id", "-at"], name="audit_of_object"),
            models.Index(fields=["trace_id"], name="audit_of_trace"),
            models.Index(fields=["level", "at"], name="audit_retention"),
        ]

    def __str__(self) -> str:
        return f"{self.action} {self.object_type} {self.object_id}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        if self.pk:
            self._refuse()
        super().save(*args, **kwargs)

    def delete(self, *args: Any, **kwargs: Any) -> tuple[int, dict[str, int]]:  # noqa: ARG002 - Django's signature
        self._refuse()

    def _refuse(self) -> NoReturn:
        raise TypeError("an audit entry is never changed")


class DataRequestQuerySet(models.QuerySet["DataRequest"]):
    def open(self) -> Self:
        return self.filter(status__in=[DataRequest.Status.WAITING, DataRequest.Status.WORKING])

    def due(self) -> Self:
        """Waiting, or held by a worker that fell silent; by the database's clock."""
        waiting = Q(status=DataRequest.Status.WAITING, not_before__lte=Now())
        return self.filter(waiting | Q(status=DataRequest.Status.WORKING, lease_until__lt=Now())).order_by("pk")


class DataRequest(models.Model):
    """What a person asked about all of his data: a copy of it, or its end."""

    class Kind(models.TextChoices):
        EXPORT = "export", "A copy of my data"
        ERASURE = "erasure", "The end of my account"

    class Status(models.TextChoices):
        WAITING = "waiting", "Waiting"
        WORKING = "working", "Being made"
        DONE = "done", "Done"
        FAILED = "failed", "Failed"

    public_id = models.UUIDField(unique=True, default=uuid4, editable=False)
    user = models.ForeignKey(User, models.CASCADE, related_name="data_requests")
    kind = models.CharField(max_length=8, choices=Kind)
    status = models.CharField(max_length=8, choices=Status, default=Status.WAITING)
    address = models.EmailField(max_length=254, blank=True)  # where the report goes; blanked with the rest
    created_at = models.DateTimeField(auto_now_add=True)
    not_before = models.DateTimeField(db_default=Now())
    finished_at = models.DateTimeField(null=True, blank=True)
    attempts = models.PositiveSmallIntegerField(default=0)
    lease_until = models.DateTimeField(null=True, blank=True)
    file = models.FileField(upload_to="exports/", max_length=200, blank=True)
    bytes_n = models.PositiveBigIntegerField(default=0)
    expires_at = models.DateTimeField(null=True, blank=True)
    report = models.JSONField(default=dict, blank=True)  # counts by part, nobody's name

    objects = DataRequestQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["user", "kind"], condition=Q(status__in=["waiting", "working"]), name="datarequest_one_open"
            ),
        ]
        indexes = [
            models.Index(fields=["not_before"], condition=Q(status__in=["waiting", "working"]), name="datarequest_due")
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.public_id}"


class LoginApplication(models.Model):
    """What Google or GitHub know us as. A row that is on or off wins over the environment."""

    class Provider(models.TextChoices):
        GOOGLE = "google", "Google"
        GITHUB = "github", "GitHub"

    class Mode(models.TextChoices):
        ON = "on", "On, with what stands here"
        ENVIRONMENT = "environment", "As the environment says"
        OFF = "off", "Off"

    public_id = models.UUIDField(unique=True, default=uuid4, editable=False)
    provider = models.CharField(max_length=10, choices=Provider, unique=True)
    mode = models.CharField(max_length=12, choices=Mode, default=Mode.ON)
    client_id = models.CharField("client id", max_length=191, blank=True)
    client_secret = models.TextField(blank=True, editable=False)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        permissions = [("set_login_secrets", "Can set up logging in with Google and GitHub")]
        constraints = [
            models.CheckConstraint(
                condition=Q(provider__in=["google", "github"]), name="loginapplication_known_provider"
            ),
            models.CheckConstraint(
                condition=Q(mode__in=["on", "environment", "off"]), name="loginapplication_known_mode"
            ),
            models.CheckConstraint(
                condition=~Q(mode="on") | (~Q(client_id="") & ~Q(client_secret="")), name="loginapplication_on_is_whole"
            ),
            models.CheckConstraint(
                condition=Q(client_secret="") | Q(client_secret__startswith="cv1:"),
                name="loginapplication_secret_sealed",
            ),
        ]

    def __str__(self) -> str:
        return self.get_provider_display()

    @property
    def fingerprint(self) -> str:
        """Tells one sealed secret from another, and nothing about what is in it."""
        return sha256(self.client_secret.encode()).hexdigest()[:12] if self.client_secret else ""

    def seal_secret(self, secret: str) -> None:
        """Not saved yet. Raises KeyRingInvalid."""
        ring = KeyRing.parse(settings.CREDENTIAL_KEYS)
        text = json.dumps({"client_secret": secret})
        self.client_secret = seal(text.encode(), keyring=ring, context=self._place)

    def open_secret(self) -> str:
        """Raises VaultError or KeyRingInvalid."""
        ring = KeyRing.parse(settings.CREDENTIAL_KEYS)
        opened = open_sealed(self.client_secret, keyring=ring, context=self._place)
        return str(json.loads(opened.reveal())["client_secret"])

    @property
    def _place(self) -> Context:
        return (self._meta.label_lower, str(self.public_id), "client_secret", f"login:{self.provider}")


class TokenScope(models.TextChoices):
    """What a script may do with a token; a login may do all of it."""

    PROFILE_READ = "profile:read", _("Read my profile")
    ATHLETES_READ = "athletes:read", _("Read my athletes and invitations")
    ATHLETES_WRITE = "athletes:write", _("Invite athletes")
    LIBRARY_READ = "library:read", _("Read my workouts")
    LIBRARY_WRITE = "library:write", _("Create and change my workouts")
    SHARING_READ = "sharing:read", _("Read shared workouts and whether they arrived")
    SHARING_WRITE = "sharing:write", _("Share workouts with my athletes")
    TRAINING_READ = "training:read", _("Read activities and the calendar")
    CONNECTIONS_READ = "connections:read", _("Read how my connected accounts stand")


class AccessTokenQuerySet(models.QuerySet["AccessToken"]):
    def for_user(self, user: User) -> Self:
        return self.filter(user=user)

    def usable(self) -> Self:
        """By the database's clock."""
        return self.filter(revoked_at=None, expires_at__gt=Now(), user__is_active=True)


class AccessToken(models.Model):
    """A key that a person made for a script. Only its hash is kept; `hint` is its last letters, to tell it by."""

    public_id = models.UUIDField(unique=True, default=uuid4, editable=False)
    user = models.ForeignKey(User, models.CASCADE, related_name="access_tokens")
    name = models.CharField(max_length=80)
    token_hash = models.CharField(max_length=64, unique=True, editable=False)
    hint = models.CharField(max_length=4)
    scopes = models.JSONField(default=list)
    created_at = models.DateTimeField(db_default=Now())
    expires_at = models.DateTimeField()
    last_used_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)

    objects = AccessTokenQuerySet.as_manager()

    class Meta:
        ordering = ["-pk"]

    def __str__(self) -> str:
        return f"{self.name} …{self.hint}"

    @property
    def scope_words(self) -> list[str]:
        return [str(TokenScope(scope).label) for scope in self.scopes if scope in TokenScope.values]


class KeptAnswer(models.Model):
    """What a write answered, by the key its caller gave it, so that the same request twice has one effect.

    No status yet: the first one is still at work, or died.
    """

    user = models.ForeignKey(User, models.CASCADE, related_name="+")
    key = models.CharField(max_length=100)
    request_hash = models.CharField(max_length=64)
    status = models.PositiveSmallIntegerField(null=True, blank=True)
    body = models.TextField(blank=True)
    headers = models.JSONField(default=dict)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [models.UniqueConstraint(fields=["user", "key"], name="keptanswer_once")]
        indexes = [models.Index(fields=["created_at"], name="keptanswer_age")]

    def __str__(self) -> str:
        return f"{self.status} to {self.request_hash[:8]}"
