from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from coaching.models.activity import Activity
from coaching.models.share import Share


class Match(models.Model):
    """What was done of one planned workout. No activity and `how` manual: a person said that none belongs to it."""

    class How(models.TextChoices):
        LINK = "link", _("The watch says so")
        DAY = "day", _("Same day, sport and length")
        MANUAL = "manual", _("Set by hand")

    class Basis(models.TextChoices):
        DURATION = "duration", _("time")
        DISTANCE = "distance", _("distance")
        LOAD = "load", _("load")

    share = models.OneToOneField(Share, models.CASCADE, related_name="match")
    activity = models.OneToOneField(Activity, models.CASCADE, null=True, blank=True, related_name="match")
    how = models.CharField(max_length=8, choices=How)
    basis = models.CharField(max_length=8, choices=Basis, blank=True)
    planned = models.FloatField(null=True, blank=True)  # in the basis' unit: s, m, or load
    done = models.FloatField(null=True, blank=True)
    percent = models.PositiveIntegerField(null=True, blank=True)  # done of planned; None where nothing was planned
    matched_at = models.DateTimeField(db_default=Now())

    class Meta:
        verbose_name_plural = "matches"
        constraints = [
            models.CheckConstraint(condition=Q(activity__isnull=False) | Q(how="manual"), name="match_has_activity")
        ]

    def __str__(self) -> str:
        return f"{self.share}: {self.percent} %"


class ComplianceBands(models.Model):
    """From how many percent on a coach calls a session on target or near it; outside both it is off target."""

    coach = models.OneToOneField(settings.AUTH_USER_MODEL, models.CASCADE, related_name="compliance_bands")
    near_from = models.PositiveSmallIntegerField(default=50)
    on_from = models.PositiveSmallIntegerField(default=80)
    on_to = models.PositiveSmallIntegerField(default=120)
    near_to = models.PositiveSmallIntegerField(default=150)

    class Meta:
        verbose_name_plural = "compliance bands"
        constraints = [
            models.CheckConstraint(
                condition=Q(near_from__gte=1, near_from__lte=F("on_from"), on_from__lte=100)
                & Q(on_to__gte=100, on_to__lte=F("near_to"), near_to__lte=300),
                name="bands_in_order",
            )
        ]

    def __str__(self) -> str:
        return f"{self.near_from} {self.on_from}–{self.on_to} {self.near_to}"
