from typing import TYPE_CHECKING, Self
from uuid import uuid4

from django.db import models
from django.db.models import Prefetch, Q
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from coaching.models.roster import CoachingLink
from coaching.models.workout import Workout, WorkoutRevision

if TYPE_CHECKING:
    from coaching.models.delivery import Delivery


class ShareStatus(models.TextChoices):
    OFFERED = "offered", _("Waiting for the athlete")
    ACCEPTED = "accepted", _("Accepted")
    DECLINED = "declined", _("Declined")
    WITHDRAWN = "withdrawn", _("Withdrawn")


class DeclineReason(models.TextChoices):
    """Why the athlete does not do it, as it stands within a sentence."""

    ILL = "ill", _("ill")
    NO_TIME = "no_time", _("no time")
    INJURED = "injured", _("injured")
    TRAVELLING = "travelling", _("travelling")
    OTHER = "other", _("another reason")


class ShareQuerySet(models.QuerySet["Share"]):
    def for_coach(self, coach: User) -> Self:
        """What the coach offered, ended links included: history stays his."""
        return self.filter(link__coach=coach)

    def for_athlete(self, athlete: User) -> Self:
        return self.filter(link__athlete=athlete)

    def inbox(self, athlete: User) -> Self:
        """Offers the athlete can still answer, soonest day first."""
        return (
            self.for_athlete(athlete)
            .filter(status=ShareStatus.OFFERED, link__status="active")
            .order_by("scheduled_for", "pk")
        )

    def ledger(self) -> Self:
        """With all that a ledger row shows, newest first, in a fixed number of queries; see `Share.delivery`."""
        related = ["revision", "workout", "link__athlete", "link__coach"]
        current = Prefetch("deliveries", to_attr="current_deliveries")
        return self.select_related(*related).prefetch_related(current).order_by("-pk")

    def filtered(self, *, q: str = "", state: str = "") -> Self:
        """By words of workout or athlete, and by the state a ledger row shows."""
        found = self
        if q:
            found = found.filter(Q(revision__name__icontains=q) | Q(link__athlete__display_name__icontains=q))
        if state in ShareStatus.values:
            return found.filter(status=state)
        if state:
            return found.filter(status=ShareStatus.ACCEPTED, deliveries__status=state)
        return found

    def standing(self) -> Self:
        return self.filter(status__in=[ShareStatus.OFFERED, ShareStatus.ACCEPTED])


class Share(models.Model):
    """A workout revision that a coach offered to one athlete, for one local day of the athlete or for any day."""

    public_id = models.UUIDField(unique=True, default=uuid4, editable=False)
    link = models.ForeignKey(CoachingLink, models.CASCADE, related_name="shares")
    workout = models.ForeignKey(Workout, models.PROTECT, related_name="shares")
    revision = models.ForeignKey(WorkoutRevision, models.PROTECT, related_name="shares")
    status = models.CharField(max_length=10, choices=ShareStatus, default=ShareStatus.OFFERED)
    message = models.CharField(max_length=1000, blank=True)
    scheduled_for = models.DateField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    responded_at = models.DateTimeField(null=True, blank=True)
    decline_reason = models.CharField(max_length=10, blank=True, choices=DeclineReason, db_default="", default="")
    decline_words = models.CharField(max_length=300, blank=True, db_default="", default="")

    objects = ShareQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(status__in=ShareStatus.values), name="share_known_status"),
            models.CheckConstraint(
                condition=Q(decline_reason__in=["", *DeclineReason.values]), name="share_known_decline_reason"
            ),
            models.CheckConstraint(
                condition=Q(status="declined") | Q(decline_reason="", decline_words=""),
                name="share_reason_of_declined",
            ),
            models.UniqueConstraint(
                fields=["link", "workout", "scheduled_for"],
                condition=Q(status__in=["offered", "accepted"]),
                nulls_distinct=False,
                name="share_offered_once",
            ),
        ]
        indexes = [models.Index(fields=["link", "-id"], name="share_of_link")]

    def __str__(self) -> str:
        return f"{self.revision} for {self.link.athlete}"

    @property
    def stands(self) -> bool:
        """Whether it still counts: neither withdrawn nor declined, and the two still train together."""
        return self.status in {ShareStatus.OFFERED, ShareStatus.ACCEPTED} and self.link.status == "active"

    @property
    def delivery(self) -> "Delivery | None":
        """Its copy's way: the newest one, cancelled ones last. Reads what `ledger()` fetched, or asks."""
        found = getattr(self, "current_deliveries", None)
        rows = list(self.deliveries.all()) if found is None else found
        return max(rows, key=lambda row: (row.status != "cancelled", row.pk), default=None)
