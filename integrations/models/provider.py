from datetime import datetime
from enum import StrEnum
from typing import Any, Self
from uuid import uuid4

from django.conf import settings
from django.db import models
from django.db.models import Exists, F, OuterRef, Q
from django.db.models.functions import Now
from django.utils import timezone


class ProviderMode(models.TextChoices):
    ENABLED = "enabled", "Enabled"
    HOLD = "hold", "Hold: show what we have, queue what is new"
    OFF = "off", "Off"


class ProviderQuerySet(models.QuerySet["Provider"]):
    def awake(self) -> Self:
        """Enabled, and in no maintenance that forbids calls."""
        asleep = MaintenanceWindow.objects.standing().filter(provider=OuterRef("pk"), starts_at__lte=Now())
        return self.filter(~Exists(asleep), mode=ProviderMode.ENABLED)

    def may_call(self, direction: str) -> Self:
        """Those that work of `direction`, begun already, may call."""
        return self.awake().filter(**{f"{direction}_enabled": True})

    def may_begin(self, direction: str) -> Self:
        """Those for which work of `direction` may begin; `control.refusal` says the same of one, and why not."""
        drained = MaintenanceWindow.objects.standing().filter(provider=OuterRef("pk"), drain_at__lte=Now())
        return self.may_call(direction).filter(~Exists(drained))


class Provider(models.Model):
    """What operations set about a provider; everything left empty comes from its SPEC (see `integrations.settings`)."""

    public_id = models.UUIDField(unique=True, default=uuid4, editable=False)
    slug = models.SlugField(max_length=40, unique=True)
    name = models.CharField(max_length=80)
    mode = models.CharField(max_length=8, choices=ProviderMode, default=ProviderMode.OFF)
    connect_enabled = models.BooleanField(default=True)
    sync_enabled = models.BooleanField(default=True)
    deliver_enabled = models.BooleanField(default=True)
    base_urls = models.JSONField(
        default=dict, blank=True, help_text="Overrides by role; the host must be on the provider's allow-list."
    )
    visible_to_coach = models.BooleanField(default=True)
    cache_days = models.PositiveSmallIntegerField(null=True, blank=True)
    may_merge = models.BooleanField(default=True)
    client_id = models.CharField(max_length=200, blank=True)
    client_secret = models.TextField(blank=True, editable=False)  # sealed
    scopes = models.JSONField(default=list, blank=True)
    refresh_margin_s = models.PositiveIntegerField(default=900)
    limits = models.JSONField(
        default=dict, blank=True, help_text='Overrides by bucket: {"account": {"capacity": 2, "per_s": 1}}.'
    )
    notice = models.CharField(
        max_length=200, blank=True, help_text="Shown to users while the provider is on hold or off."
    )
    updated_at = models.DateTimeField(auto_now=True)

    objects = ProviderQuerySet.as_manager()

    class Meta:
        ordering = ["slug"]
        permissions = [("set_provider_secrets", "Can set a provider's addresses and client secret")]
        constraints = [
            models.CheckConstraint(condition=Q(mode__in=ProviderMode.values), name="provider_known_mode"),
            models.CheckConstraint(condition=Q(refresh_margin_s__lte=3600), name="provider_margin_sane"),
            models.CheckConstraint(
                condition=Q(client_secret="") | Q(client_secret__startswith="cv1:"), name="provider_secret_sealed"
            ),
        ]

    def __str__(self) -> str:
        return self.name

    def is_switched_on(self, direction: str) -> bool:
        """The row's switch alone; `control.refusal` knows the rest."""
        switched: dict[str, Any] = {
            "connect": self.connect_enabled,
            "sync": self.sync_enabled,
            "deliver": self.deliver_enabled,
        }
        return bool(switched[direction])


class Phase(StrEnum):
    """Of a maintenance window, by the clock."""

    PLANNED = "planned"
    ANNOUNCED = "announced"
    DRAIN = "drain"
    READ_ONLY = "read_only"
    OVER = "over"


class MaintenanceWindowQuerySet(models.QuerySet["MaintenanceWindow"]):
    def standing(self) -> Self:
        """Planned or under way, and not cancelled."""
        return self.filter(cancelled_at=None, ends_at__gt=Now())

    def announced(self) -> Self:
        return self.standing().filter(announce_at__lte=Now())

    def overlapping(self, provider: Provider, start: datetime, end: datetime) -> Self:
        return self.standing().filter(provider=provider, drain_at__lt=end, ends_at__gt=start)


class MaintenanceWindow(models.Model):
    """A provider's planned pause: announced, drained, read-only, over. The phase follows from the clock alone."""

    provider = models.ForeignKey(Provider, models.CASCADE, related_name="windows")
    announce_at = models.DateTimeField(db_default=Now(), help_text="From here on users see a notice.")
    drain_at = models.DateTimeField(help_text="From here on nothing new is begun; what runs may finish.")
    starts_at = models.DateTimeField(help_text="From here on the provider is not called.")
    ends_at = models.DateTimeField(help_text="From here on everything goes on by itself.")
    message = models.CharField(max_length=200, help_text="Shown to users, in their words.")
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+")
    cancelled_at = models.DateTimeField(null=True, blank=True, editable=False)

    objects = MaintenanceWindowQuerySet.as_manager()

    class Meta:
        ordering = ["-starts_at"]
        constraints = [
            models.CheckConstraint(
                condition=Q(announce_at__lte=F("drain_at"), drain_at__lte=F("starts_at"), starts_at__lt=F("ends_at")),
                name="window_in_order",
            )
        ]
        indexes = [models.Index(fields=["provider", "ends_at"], condition=Q(cancelled_at=None), name="window_standing")]

    def __str__(self) -> str:
        return f"{self.provider} {self.starts_at:%Y-%m-%d %H:%M}"

    @property
    def phase(self) -> Phase:
        now = timezone.now()
        if self.cancelled_at or now >= self.ends_at:
            return Phase.OVER
        for phase, since in (
            (Phase.READ_ONLY, self.starts_at),
            (Phase.DRAIN, self.drain_at),
            (Phase.ANNOUNCED, self.announce_at),
        ):
            if now >= since:
                return phase
        return Phase.PLANNED
