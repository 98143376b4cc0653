from datetime import datetime, timedelta, timezone
from typing import Self
from uuid import uuid4

from django.conf import settings
from django.db import models
from django.db.models import Exists, F, OuterRef, Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from coaching import policies
from coaching.models.roster import CoachingLink, Scope
from integrations.models import Connection

FILE = "file"  # the source of what a person uploaded


class ActivityQuerySet(models.QuerySet["Activity"]):
    def live(self) -> Self:
        """What counts: not gone at its source, not hidden, not merged into another, not past its provider's time."""
        found = self.filter(gone_at=None, hidden_at=None, merged_into=None)
        for source, days in policies.standing().kept_days.items():
            found = found.exclude(source=source, started_at__lt=Now() - timedelta(days=days))
        return found

    def of(self, athlete: User) -> Self:
        """The athlete's own, as he sees them."""
        return self.live().filter(athlete=athlete)

    def shown_to_coach(self, coach: User) -> Self:
        """Of athletes who let this coach see activities now, from sources whose terms allow it."""
        granted = CoachingLink.objects.active().filter(
            coach=coach, athlete=OuterRef("athlete"), scopes__contains=[Scope.ACTIVITIES]
        )
        return self.live().filter(Exists(granted)).exclude(source__in=policies.standing().hidden_from_coach)

    def visible_to(self, viewer: User) -> Self:
        """The one rule of who sees what: one's own, and what athletes and providers let their coach see."""
        granted = CoachingLink.objects.active().filter(
            coach=viewer, athlete=OuterRef("athlete"), scopes__contains=[Scope.ACTIVITIES]
        )
        hidden = policies.standing().hidden_from_coach
        return self.live().filter(Q(athlete=viewer) | (Q(Exists(granted)) & ~Q(source__in=hidden)))

    def newest_first(self) -> Self:
        return self.order_by("-started_at", "-id")


class Activity(models.Model):
    """One thing an athlete did, as one source tells of it. `day` is its local date there; times are UTC."""

    public_id = models.UUIDField(unique=True, default=uuid4, editable=False)
    athlete = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="activities")
    connection = models.ForeignKey(Connection, models.PROTECT, null=True, blank=True, related_name="activities")
    source = models.CharField(max_length=40)  # a provider's slug, or "file"
    external_id = models.CharField(max_length=64)
    sport = models.CharField(max_length=24)
    name = models.CharField(max_length=200, blank=True)
    started_at = models.DateTimeField()
    utc_offset_s = models.IntegerField(default=0)
    time_zone = models.CharField(max_length=64, blank=True)  # where the source names one
    day = models.DateField()
    duration_s = models.FloatField()
    distance_m = models.FloatField(null=True, blank=True)
    ascent_m = models.FloatField(null=True, blank=True)
    avg_hr = models.PositiveSmallIntegerField(null=True, blank=True)
    max_hr = models.PositiveSmallIntegerField(null=True, blank=True)
    energy_kcal = models.FloatField(null=True, blank=True)
    load = models.FloatField(null=True, blank=True)  # ours, from duration and heart rate; see coaching.load
    workout_id = models.CharField(max_length=64, blank=True)  # the source's own link to the planned workout
    device = models.CharField(max_length=64, blank=True)
    file_hash = models.CharField(max_length=64, blank=True)
    content_hash = models.CharField(max_length=64)
    generation = models.PositiveIntegerField(default=0)
    gone_at = models.DateTimeField(null=True, blank=True)  # deleted at its source
    hidden_at = models.DateTimeField(null=True, blank=True)  # by the athlete
    merged_into = models.ForeignKey("self", models.SET_NULL, null=True, blank=True, related_name="merged")
    created_at = models.DateTimeField(db_default=Now())
    updated_at = models.DateTimeField(db_default=Now())

    objects = ActivityQuerySet.as_manager()

    class Meta:
        verbose_name_plural = "activities"
        constraints = [
            models.UniqueConstraint(fields=["athlete", "source", "external_id"], name="activity_once"),
            models.CheckConstraint(condition=Q(duration_s__gte=0), name="activity_duration"),
            models.CheckConstraint(condition=Q(avg_hr=None) | Q(avg_hr__range=(20, 260)), name="activity_avg_hr"),
            models.CheckConstraint(condition=Q(max_hr=None) | Q(max_hr__range=(20, 260)), name="activity_max_hr"),
            models.CheckConstraint(condition=~Q(merged_into=F("id")), name="activity_not_into_itself"),
        ]
        indexes = [
            models.Index(fields=["athlete", "-started_at", "-id"], name="activity_feed"),
            models.Index(fields=["athlete", "day"], name="activity_day"),
        ]

    def __str__(self) -> str:
        return f"{self.sport} {self.day}"

    @property
    def local_start(self) -> datetime:
        """As the clock on the wall showed it where it was done."""
        return self.started_at.astimezone(timezone(timedelta(seconds=self.utc_offset_s)))


class ActivityDetail(models.Model):
    """What is read of one activity when somebody looks: laps and series, kept as long as the provider's terms allow."""

    activity = models.OneToOneField(Activity, models.CASCADE, related_name="detail")
    laps = models.JSONField(default=list)
    series = models.JSONField(default=dict)  # {"time_s": [...], "heart_rate": [...], ..}, thinned out
    fetched_at = models.DateTimeField(db_default=Now())
    expires_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return f"details of {self.activity}"


class ActivityFile(models.Model):
    """The original of an uploaded activity."""

    public_id = models.UUIDField(unique=True, default=uuid4, editable=False)
    athlete = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="activity_files")
    activity = models.ForeignKey(Activity, models.SET_NULL, null=True, blank=True, related_name="files")
    stored = models.FileField(upload_to="activities/%Y/%m", max_length=200)
    name = models.CharField(max_length=120)
    format = models.CharField(max_length=3, choices=[("fit", "FIT"), ("tcx", "TCX"), ("gpx", "GPX")])
    sha256 = models.CharField(max_length=64)
    bytes_n = models.PositiveIntegerField()
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [models.UniqueConstraint(fields=["athlete", "sha256"], name="activityfile_once")]

    def __str__(self) -> str:
        return self.name


class DuplicatePair(models.Model):
    """Two activities that look like one; the athlete decides where the evidence is not strong. Nothing is deleted."""

    class State(models.TextChoices):
        OPEN = "open", _("To review")
        KEPT = "kept", _("Both kept")
        MERGED = "merged", _("Merged")
        HIDDEN = "hidden", _("One hidden")

    public_id = models.UUIDField(unique=True, default=uuid4, editable=False)
    athlete = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="duplicate_pairs")
    first = models.ForeignKey(Activity, models.CASCADE, related_name="+")  # the lower id of the two
    second = models.ForeignKey(Activity, models.CASCADE, related_name="+")
    state = models.CharField(max_length=8, choices=State, default=State.OPEN)
    decided_at = models.DateTimeField(null=True, blank=True)
    decided_by = models.ForeignKey(  # nobody: by itself, and taken back by itself
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+"
    )
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["first", "second"], name="duplicatepair_once"),
            models.CheckConstraint(condition=Q(first__lt=F("second")), name="duplicatepair_in_order"),
        ]
        indexes = [models.Index(fields=["athlete", "-id"], condition=Q(state="open"), name="duplicatepair_open")]

    def __str__(self) -> str:
        return f"{self.first_id} and {self.second_id}"

    @property
    def both(self) -> tuple[Activity, Activity]:
        return self.first, self.second


class DailyTotal(models.Model):
    """Sums of an athlete's live activities by local day, source and sport, kept in the transaction that changes them.

    By source, because a coach sees some sources and not others.
    """

    athlete = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="daily_totals")
    day = models.DateField()
    source = models.CharField(max_length=40)
    sport = models.CharField(max_length=24)
    activities_n = models.PositiveIntegerField()
    duration_s = models.FloatField()
    distance_m = models.FloatField(default=0)
    load = models.FloatField(default=0)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["athlete", "day", "source", "sport"], name="dailytotal_once")]

    def __str__(self) -> str:
        return f"{self.day} {self.sport}"
