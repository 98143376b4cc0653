from typing import Self
from uuid import uuid4

from django.conf import settings
from django.db import models
from django.db.models import F, OuterRef, Q, Subquery
from django.db.models.functions import Lower, Now
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from integrations.models import Connection


class Scope(models.TextChoices):
    """What an athlete lets a coach see; planning is what the link is for and always part of it."""

    PLAN = "plan", _("Workouts the coach plans for me, and whether they reached my watch")
    ACTIVITIES = "activities", _("My activities: date, sport, duration, distance")
    HEART_RATE = "heart_rate", _("Heart rate of my activities")
    NOTES = "notes", _("My notes")


class CoachingLinkQuerySet(models.QuerySet["CoachingLink"]):
    def active(self) -> Self:
        return self.filter(status=CoachingLink.Status.ACTIVE)

    def active_for_coach(self, coach: User) -> Self:
        return self.active().filter(coach=coach).select_related("athlete")

    def with_account(self) -> Self:
        """Annotated with how the athlete's account stands that workouts go to, and since when; None without one."""
        live = Connection.objects.live().filter(user=OuterRef("athlete")).order_by("-delivers", "pk")
        return self.annotate(
            account=Subquery(live.values("status")[:1]), account_since=Subquery(live.values("status_changed_at")[:1])
        )

    def for_user(self, user: User) -> Self:
        """Links the person stands in, on either side."""
        return self.filter(Q(coach=user) | Q(athlete=user))


class CoachingLink(models.Model):
    """A coach trains an athlete, with the athlete's consent. Ending it takes effect at once, on queued work too."""

    class Status(models.TextChoices):
        ACTIVE = "active"
        ENDED = "ended"

    public_id = models.UUIDField(unique=True, default=uuid4, editable=False)
    coach = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="athlete_links")
    athlete = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="coach_links")
    status = models.CharField(max_length=8, choices=Status, default=Status.ACTIVE)
    scopes = models.JSONField(default=list)
    auto_import = models.BooleanField(default=False)
    started_at = models.DateTimeField(db_default=Now())
    ended_at = models.DateTimeField(null=True, blank=True)
    notes_read_by_coach_at = models.DateTimeField(null=True, blank=True)
    notes_read_by_athlete_at = models.DateTimeField(null=True, blank=True)

    objects = CoachingLinkQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["coach", "athlete"], condition=Q(status="active"), name="coachinglink_once"
            ),
            models.CheckConstraint(condition=~Q(coach=F("athlete")), name="coachinglink_two_people"),
            models.CheckConstraint(
                condition=Q(status="active", ended_at=None) | Q(status="ended", ended_at__isnull=False),
                name="coachinglink_ended_at",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.coach} → {self.athlete}"

    @property
    def scope_words(self) -> list[str]:
        return [str(Scope(scope).label) for scope in self.scopes if scope in Scope.values]


class InvitationQuerySet(models.QuerySet["Invitation"]):
    def open(self) -> Self:
        return self.filter(accepted_at=None, revoked_at=None, declined_at=None, expires_at__gt=Now())

    def pending_for_coach(self, coach: User) -> Self:
        """Open and expired ones the coach can still resend or revoke, newest first."""
        return self.filter(coach=coach, accepted_at=None, revoked_at=None).order_by("-created_at")


class Invitation(models.Model):
    """A single-use link to become somebody's athlete. Only the token's hash is kept; resending makes a new token."""

    public_id = models.UUIDField(unique=True, default=uuid4, editable=False)
    coach = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="invitations")
    email = models.EmailField(max_length=254)
    token_hash = models.CharField(max_length=64, unique=True, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField()
    accepted_at = models.DateTimeField(null=True, blank=True)
    declined_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)
    reported_at = models.DateTimeField(null=True, blank=True)  # unwanted: this coach never invites this address again
    mailed_at = models.DateTimeField(null=True, blank=True)  # empty: the mail did not leave, the link can be copied
    link = models.ForeignKey(CoachingLink, models.SET_NULL, null=True, blank=True, related_name="+")

    objects = InvitationQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                "coach",
                Lower("email"),
                condition=Q(accepted_at=None, revoked_at=None, declined_at=None),
                name="invitation_once",
            )
        ]

    def __str__(self) -> str:
        return f"invitation of {self.email} by {self.coach}"
