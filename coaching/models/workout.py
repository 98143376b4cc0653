from functools import cached_property
from typing import Self
from uuid import uuid4

from django.conf import settings
from django.db import models
from django.db.models import Q

from accounts.models import User
from integrations.models import Connection
from integrations.records import WorkoutRecord


class WorkoutQuerySet(models.QuerySet["Workout"]):
    def for_user(self, user: User) -> Self:
        """The person's own library."""
        return self.filter(owner=user)

    def library(self, user: User) -> Self:
        return (
            self.for_user(user)
            .filter(archived_at=None)
            .exclude(current=None)
            .select_related("current", "source__provider")
        )

    def search(self, *, q: str = "", sport: str = "", duration: str = "") -> Self:
        """By words of the current name, all of them; by sport; by "least-most" seconds, either side open."""
        found = self
        for word in q.split():
            found = found.filter(current__name__icontains=word)
        if sport:
            found = found.filter(current__sport=sport)
        least, _, most = duration.partition("-")
        if least:
            found = found.filter(current__duration_s__gte=int(least))
        if most:
            found = found.filter(current__duration_s__lt=int(most))
        return found


class Workout(models.Model):
    """A workout of a coach's library; what it is now stands in its current revision."""

    public_id = models.UUIDField(unique=True, default=uuid4, editable=False)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="workouts")
    source = models.ForeignKey(Connection, models.SET_NULL, null=True, blank=True, related_name="workouts")
    external_id = models.CharField(max_length=64, blank=True)
    external_version = models.CharField(max_length=64, blank=True)
    current = models.ForeignKey("WorkoutRevision", models.SET_NULL, null=True, blank=True, related_name="+")
    gone_at = models.DateTimeField(null=True, blank=True)  # deleted at the provider; ours stays
    archived_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    objects = WorkoutQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["source", "external_id"], condition=Q(source__isnull=False), name="workout_source_once"
            )
        ]
        indexes = [models.Index(fields=["owner", "-updated_at"], condition=Q(archived_at=None), name="workout_library")]

    def __str__(self) -> str:
        return self.current.name if self.current else str(self.public_id)


class WorkoutRevision(models.Model):
    """One immutable state of a workout."""

    workout = models.ForeignKey(Workout, models.CASCADE, related_name="revisions")
    number = models.PositiveIntegerField()
    name = models.CharField(max_length=255)
    sport = models.CharField(max_length=24)
    duration_s = models.PositiveIntegerField(null=True, blank=True)
    distance_m = models.PositiveIntegerField(null=True, blank=True)
    content = models.JSONField()  # WorkoutRecord.content()
    content_hash = models.CharField(max_length=64)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-number"]
        constraints = [
            models.UniqueConstraint(fields=["workout", "number"], name="workoutrevision_number_once"),
        ]

    def __str__(self) -> str:
        return f"{self.name} (revision {self.number})"

    @cached_property
    def record(self) -> WorkoutRecord:
        return WorkoutRecord.from_content(self.content)
