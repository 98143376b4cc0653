from typing import Any, Self

from django.core.validators import MaxValueValidator
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils import timezone

from integrations.models.connection import Connection
from integrations.models.provider import Provider
from integrations.timing import seconds, timing


class FeatureFlag(models.Model):
    """Lets a part of the people in: a person's own number decides, so who is in stays in while the share grows."""

    name = models.SlugField(max_length=64, unique=True)
    description = models.CharField(max_length=200, blank=True)
    enabled = models.BooleanField(default=True)
    percentage = models.PositiveSmallIntegerField(default=100, validators=[MaxValueValidator(100)])
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["name"]
        constraints = [models.CheckConstraint(condition=Q(percentage__lte=100), name="flag_percentage")]

    def __str__(self) -> str:
        return self.name


class HealthReportQuerySet(models.QuerySet["HealthReport"]):
    def over(self) -> Self:
        return self.exclude(outcome=HealthReport.Outcome.RUNNING)

    def lost(self) -> Self:
        """Begun so long ago that nobody works on them any more."""
        since = Now() - seconds(timing().health_lease_s)
        return self.filter(outcome=HealthReport.Outcome.RUNNING, created_at__lt=since)

    def self_tests(self) -> Self:
        return self.filter(kind=HealthReport.Kind.SELF_TEST)

    def end_lost(self) -> int:
        return self.lost().update(outcome=HealthReport.Outcome.FAILED, error_code="interrupted")


class HealthReport(models.Model):
    """What a look at a provider found: the light check of beat, or a self-test that a person asked for."""

    class Kind(models.TextChoices):
        CHECK = "check", "Light check"
        SELF_TEST = "self_test", "Self-test"

    class Outcome(models.TextChoices):
        RUNNING = "running", "Under way"
        OK = "ok", "Works"
        DEGRADED = "degraded", "Works in part"
        FAILED = "failed", "Does not work"

    provider = models.ForeignKey(Provider, models.CASCADE, related_name="health_reports")
    connection = models.ForeignKey(Connection, models.CASCADE, null=True, blank=True, related_name="health_reports")
    kind = models.CharField(max_length=12, choices=Kind)
    outcome = models.CharField(max_length=8, choices=Outcome)
    steps = models.JSONField(default=list)  # [{"name", "outcome", "code", "detail", "seconds"}]
    error_code = models.CharField(max_length=40, blank=True)
    seconds = models.FloatField(default=0)
    trace_id = models.CharField(max_length=32, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    objects = HealthReportQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at"]
        indexes = [models.Index(fields=["provider", "-created_at"], name="healthreport_latest")]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} of {self.provider}, {self.created_at:%Y-%m-%d %H:%M:%S}"

    @property
    def is_moving(self) -> bool:
        """Whether a worker is, or will be, at it."""
        is_young = timezone.now() - self.created_at < seconds(timing().health_lease_s)
        return self.outcome == HealthReport.Outcome.RUNNING and is_young

    def keep(self, **fields: Any) -> bool:
        """Write what was found so far. False: it was ended meanwhile."""
        running = HealthReport.objects.filter(pk=self.pk, outcome=HealthReport.Outcome.RUNNING)
        return bool(running.update(**fields))
