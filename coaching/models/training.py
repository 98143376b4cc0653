"""What coach and athlete keep around the plan: groups, notes, a calendar feed."""

from typing import Self
from uuid import uuid4

from django.conf import settings
from django.db import models
from django.db.models import Count, Q
from django.db.models.functions import Lower, Now

from accounts.models import User
from coaching.models.roster import CoachingLink
from coaching.models.share import Share


class GroupQuerySet(models.QuerySet["Group"]):
    def for_coach(self, coach: User) -> Self:
        return self.filter(coach=coach).order_by(Lower("name"))

    def with_size(self) -> Self:
        """Annotated with how many train with the coach now."""
        return self.annotate(members_n=Count("members", filter=Q(members__status=CoachingLink.Status.ACTIVE)))


class Group(models.Model):
    """Athletes a coach treats together: a target of sharing and a filter of lists."""

    public_id = models.UUIDField(unique=True, default=uuid4, editable=False)
    coach = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="athlete_groups")
    name = models.CharField(max_length=60)
    members = models.ManyToManyField(CoachingLink, related_name="groups", blank=True)

    objects = GroupQuerySet.as_manager()

    class Meta:
        constraints = [models.UniqueConstraint("coach", Lower("name"), name="group_once")]

    def __str__(self) -> str:
        return self.name


class NoteQuerySet(models.QuerySet["Note"]):
    def visible_to(self, viewer: User) -> Self:
        """Both sides of an active link; a coach only while the athlete shares notes with him."""
        mine = Q(link__athlete=viewer) | Q(link__coach=viewer, link__scopes__contains=["notes"])
        return self.filter(mine | Q(author=viewer), link__status=CoachingLink.Status.ACTIVE)


class Note(models.Model):
    """A line of the talk between coach and athlete, about a planned workout or about nothing in particular."""

    public_id = models.UUIDField(unique=True, default=uuid4, editable=False)
    link = models.ForeignKey(CoachingLink, models.CASCADE, related_name="notes")
    share = models.ForeignKey(Share, models.SET_NULL, null=True, blank=True, related_name="notes")
    author = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="+")
    text = models.CharField(max_length=2000)
    created_at = models.DateTimeField(db_default=Now())

    objects = NoteQuerySet.as_manager()

    class Meta:
        indexes = [models.Index(fields=["link", "-id"], name="note_of_link")]

    def __str__(self) -> str:
        return f"note {self.pk}"


class CalendarFeed(models.Model):
    """A person's iCal address. Only its token's hash is kept; a new token ends the old address."""

    user = models.OneToOneField(settings.AUTH_USER_MODEL, models.CASCADE, related_name="calendar_feed")
    token_hash = models.CharField(max_length=64, unique=True, editable=False)
    created_at = models.DateTimeField(db_default=Now())
    last_read_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return f"calendar feed of {self.user}"
