from typing import Any
from uuid import uuid4

from django.db import models
from django.db.models import Q


class ProviderMode(models.TextChoices):
    ENABLED = "enabled", "Enabled"
    HOLD = "hold", "Hold: show what we have, queue what is new"
    OFF = "off", "Off"


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

    def allows(self, direction: str) -> bool:
        """Whether `direction` ("connect", "sync" or "deliver") may call the provider now."""
        switched: dict[str, Any] = {
            "connect": self.connect_enabled,
            "sync": self.sync_enabled,
            "deliver": self.deliver_enabled,
        }
        return self.mode == ProviderMode.ENABLED and bool(switched[direction])
