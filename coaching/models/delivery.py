import secrets
import string
from typing import Any, Self
from uuid import uuid4

from django.db import models
from django.db.models import Case, Exists, F, OuterRef, Q, Value, When
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from coaching.models.roster import CoachingLink
from coaching.models.share import Share, ShareStatus
from coaching.models.workout import WorkoutRevision
from integrations.models import Connection, Provider
from integrations.models.leases import Leased, LeasedQuerySet, lease_checks, lease_indexes
from integrations.timing import seconds, timing

MARKER_LETTERS = string.ascii_lowercase + string.digits


def new_marker() -> str:
    return "".join(secrets.choice(MARKER_LETTERS) for _ in range(10))


class DeliveryStatus(models.TextChoices):
    BLOCKED = "blocked", _("Waiting for the athlete's account")
    PENDING = "pending", _("Waiting to be sent")
    SENDING = "sending", _("Being sent")
    UNCERTAIN = "uncertain", _("Checking whether it arrived")
    DELIVERED = "delivered", _("In the athlete's account")
    FAILED = "failed", _("Did not arrive")
    CANCELLED = "cancelled", _("Cancelled")


# Where a delivery goes on: a create whose outcome nobody knows is looked for before anything is sent again.
RESUMED = Case(
    When(create_sent_at__isnull=False, remote_workout_id="", then=Value(DeliveryStatus.UNCERTAIN)),
    default=Value(DeliveryStatus.PENDING),
)
NO_LEASE: dict[str, Any] = {"lease_token": None, "lease_until": None}
NO_ERROR = {"error_code": "", "error_detail": ""}


class DeliveryQuerySet(LeasedQuerySet["Delivery"]):
    def open(self) -> Self:
        return self.exclude(status__in=[DeliveryStatus.DELIVERED, DeliveryStatus.FAILED, DeliveryStatus.CANCELLED])

    def callable(self, *, anew: bool = False) -> Self:
        """Those for which the provider may be called at this moment, whatever the row itself says.

        `anew`: to begin with; maintenance that drains lets what has begun finish.
        Asked of the other tables by subquery only: in a guarded UPDATE the row's own columns are then judged anew when
        somebody else has just changed it.
        """
        wanted = Share.objects.filter(status=ShareStatus.ACCEPTED, link__status=CoachingLink.Status.ACTIVE)
        switch = Provider.objects.may_begin if anew else Provider.objects.may_call
        reachable = Connection.objects.active().filter(provider__in=switch("deliver"))
        return self.filter(
            Exists(wanted.filter(pk=OuterRef("share_id"))), Exists(reachable.filter(pk=OuterRef("connection_id")))
        )

    def uncollected(self) -> Self:
        """Delivered ones whose account has not yet been looked through for doubles."""
        return self.filter(status=DeliveryStatus.DELIVERED, rechecked_at=None, recheck_at__lte=Now(), lease_token=None)

    def removable(self) -> Self:
        """Cancelled ones whose copy, or what there is of it, has to be taken out of the account."""
        return self.filter(
            status=DeliveryStatus.CANCELLED, remove_remote=True, next_attempt_at__lte=Now(), lease_token=None
        )

    def take(self, pk: int) -> "Delivery | None":
        """Lease one row of a selection without moving it."""
        token = uuid4()
        taken = self.filter(pk=pk).update(
            attempts=F("attempts") + 1, lease_token=token, lease_until=Now() + Delivery.lease()
        )
        return Delivery.objects.in_full().get(pk=pk) if taken else None

    def in_full(self) -> Self:
        """With all that the work on one needs."""
        return self.select_related("share__link", "connection__provider", "connection__user", "revision")

    def cancel(self, code: str, detail: str) -> int:
        """End the open ones now, whoever works on them.

        What was half sent is taken out again, once no call can be on its way any more.
        """
        later = Now() + seconds(timing().delivery_first_look_s)
        return self.open().update(
            status=DeliveryStatus.CANCELLED,
            remove_remote=Case(When(create_sent_at__isnull=False, then=Value(True)), default=Value(False)),
            next_attempt_at=Case(When(lease_token__isnull=False, then=later), default=Now()),
            attempts=0,
            error_code=code,
            error_detail=detail,
            **NO_LEASE,
        )

    def take_back(self, code: str, detail: str) -> int:
        """Cancel those that came to an end, too, and take their copies out of the accounts."""
        sent = self.exclude(create_sent_at=None, remote_workout_id="")
        return sent.exclude(remove_remote=True).update(
            status=DeliveryStatus.CANCELLED,
            remove_remote=True,
            next_attempt_at=Now(),
            attempts=0,
            error_code=code,
            error_detail=detail,
        )

    def release(self, **fields: Any) -> int:
        """Let blocked ones go on where they stopped."""
        blocked = self.filter(status=DeliveryStatus.BLOCKED)
        return blocked.update(status=RESUMED, next_attempt_at=Now(), **NO_ERROR, **fields)


class Delivery(Leased):
    """One athlete's copy on its way to his account: exactly once in effect, whatever dies half-way.

    `create_sent_at` is the write-ahead mark: committed before the create call goes out, so a worker that dies leaves a
    trace, and `marker` in the remote description tells whether the call had reached the provider.
    """

    DUE = (DeliveryStatus.PENDING, DeliveryStatus.UNCERTAIN)
    WORKING = DeliveryStatus.SENDING
    LEASE = "delivery_lease_s"

    public_id = models.UUIDField(unique=True, default=uuid4, editable=False)
    marker = models.CharField(max_length=10, unique=True, default=new_marker, editable=False)
    share = models.ForeignKey(Share, models.PROTECT, related_name="deliveries")
    connection = models.ForeignKey(Connection, models.PROTECT, null=True, blank=True, related_name="deliveries")
    revision = models.ForeignKey(WorkoutRevision, models.PROTECT, related_name="deliveries")  # what is wanted there
    sent_revision = models.ForeignKey(WorkoutRevision, models.PROTECT, null=True, blank=True, related_name="+")
    day = models.DateField(null=True, blank=True)  # on the calendar it is wanted there; the share's, kept in step
    sent_day = models.DateField(null=True, blank=True)  # of the entry that stands there, or that was announced
    status = models.CharField(max_length=10, choices=DeliveryStatus, default=DeliveryStatus.PENDING)
    create_sent_at = models.DateTimeField(null=True, blank=True)
    schedule_sent_at = models.DateTimeField(null=True, blank=True)
    remote_workout_id = models.CharField(max_length=64, blank=True)
    remote_schedule_id = models.CharField(max_length=64, blank=True)
    absent_looks = models.PositiveSmallIntegerField(default=0)
    created_at = models.DateTimeField(auto_now_add=True)
    delivered_at = models.DateTimeField(null=True, blank=True)
    recheck_at = models.DateTimeField(null=True, blank=True)
    rechecked_at = models.DateTimeField(null=True, blank=True)
    remove_remote = models.BooleanField(default=False)  # a withdrawn one whose copy is to be taken out of the account
    trace_id = models.CharField(max_length=32, blank=True)

    objects: DeliveryQuerySet = DeliveryQuerySet.as_manager()  # type: ignore[assignment]

    class Meta:
        verbose_name_plural = "deliveries"
        constraints = [
            *lease_checks("delivery"),
            models.UniqueConstraint(fields=["share"], condition=~Q(status="cancelled"), name="delivery_once_per_share"),
            models.UniqueConstraint(
                fields=["connection", "remote_workout_id"],
                condition=~Q(remote_workout_id=""),
                name="delivery_remote_once",
            ),
            models.CheckConstraint(
                condition=~Q(status="uncertain") | Q(create_sent_at__isnull=False), name="delivery_uncertain_was_sent"
            ),
            models.CheckConstraint(
                condition=~Q(status="delivered") | (~Q(remote_workout_id="") & Q(delivered_at__isnull=False)),
                name="delivery_delivered_whole",
            ),
            models.CheckConstraint(
                condition=Q(connection__isnull=False) | Q(status__in=["blocked", "cancelled"]),
                name="delivery_has_target",
            ),
        ]
        indexes = [
            *lease_indexes("delivery", ["pending", "uncertain"], ["sending", "uncertain"]),
            models.Index(fields=["connection", "-id"], name="delivery_of_connection"),
            models.Index(
                fields=["recheck_at"], condition=Q(status="delivered", rechecked_at=None), name="delivery_recheck"
            ),
            models.Index(
                fields=["next_attempt_at"],
                condition=Q(status="cancelled", remove_remote=True),
                name="delivery_removable",
            ),
            models.Index(fields=["lease_until"], condition=Q(lease_token__isnull=False), name="delivery_leased"),
        ]

    def __str__(self) -> str:
        return f"delivery {self.marker}"

    @property
    def is_moving(self) -> bool:
        """Whether a page that shows it should look again soon."""
        return self.status in {DeliveryStatus.PENDING, DeliveryStatus.SENDING, DeliveryStatus.UNCERTAIN}

    @classmethod
    def claimed_status(cls) -> Any:
        """An uncertain delivery stays uncertain while somebody looks: only finding the copy makes it anything else."""
        return Case(
            When(status=DeliveryStatus.UNCERTAIN, then=Value(DeliveryStatus.UNCERTAIN)),
            default=Value(DeliveryStatus.SENDING),
        )


class DeliveryAttempt(models.Model):
    """One call, or look, of a delivery: what coach, athlete and operations read when something went wrong."""

    class Step(models.TextChoices):
        CREATE = "create", _("Create the workout")
        SCHEDULE = "schedule", _("Put it on the calendar")
        UPDATE = "update", _("Replace the workout")
        RECONCILE = "reconcile", _("Look whether it arrived")
        DELETE = "delete", _("Take it out again")
        UNSCHEDULE = "unschedule", _("Take it off its earlier day")

    delivery = models.ForeignKey(Delivery, models.CASCADE, related_name="attempts_made")
    number = models.PositiveIntegerField()
    step = models.CharField(max_length=10, choices=Step)
    started_at = models.DateTimeField(default=timezone.now)
    seconds = models.FloatField(default=0)
    outcome = models.CharField(max_length=40)
    http_status = models.PositiveSmallIntegerField(null=True, blank=True)
    error_code = models.CharField(max_length=40, blank=True)

    class Meta:
        ordering = ["delivery", "number"]
        constraints = [models.UniqueConstraint(fields=["delivery", "number"], name="deliveryattempt_number_once")]

    def __str__(self) -> str:
        return f"{self.step} {self.outcome}"
