"""Files that athletes brought, and how far the reading of each has come."""

from collections.abc import Sequence
from typing import Any, ClassVar, Self
from uuid import uuid4

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from integrations.models.leases import Leased, LeasedQuerySet, lease_checks, lease_indexes


class UploadStatus(models.TextChoices):
    RECEIVED = "received", _("Waiting to be read")
    READING = "reading", _("Being read")
    DONE = "done", _("Read")
    PARTLY = "partly", _("Read in part")
    REFUSED = "refused", _("Not read")


MOVING = (UploadStatus.RECEIVED, UploadStatus.READING)


class UploadQuerySet(LeasedQuerySet["Upload"]):
    def of(self, athlete: User) -> Self:
        return self.filter(athlete=athlete)

    def moving(self) -> Self:
        return self.filter(status__in=MOVING)

    def settled(self) -> Self:
        return self.exclude(status__in=MOVING)


class Upload(Leased):
    """What somebody sent, a file or a zip of files, until a worker has read it; afterwards what came of it.

    `parts` has one entry a file, in order: its name, and the activity (its public id) or the reason why not. An entry
    is written in the transaction that stores the activity, so who takes over from a dead worker goes on behind it.
    `stored` is blank once all was read: each activity keeps its own file.
    """

    DUE: ClassVar[Sequence[str]] = (UploadStatus.RECEIVED,)
    WORKING = UploadStatus.READING
    LEASE = "upload_lease_s"

    public_id = models.UUIDField(unique=True, default=uuid4, editable=False)
    athlete = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="uploads")
    name = models.CharField(max_length=120)
    stored = models.FileField(upload_to="uploads/%Y/%m", max_length=200, blank=True)
    sha256 = models.CharField(max_length=64)
    bytes_n = models.PositiveIntegerField()
    status = models.CharField(max_length=8, choices=UploadStatus, default=UploadStatus.RECEIVED)
    files_n = models.PositiveSmallIntegerField(null=True, blank=True)  # in it, once it was opened
    parts = models.JSONField(default=list, blank=True)
    created_at = models.DateTimeField(db_default=Now())
    finished_at = models.DateTimeField(null=True, blank=True)

    objects = UploadQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["athlete", "sha256"], name="upload_once"),
            models.CheckConstraint(condition=Q(status__in=UploadStatus.values), name="upload_known_status"),
            *lease_checks("upload"),
        ]
        indexes = [
            models.Index(fields=["athlete", "-created_at"], name="upload_newest"),
            *lease_indexes("upload", (UploadStatus.RECEIVED,), (UploadStatus.READING,)),
        ]

    def __str__(self) -> str:
        return f"{self.status} {self.public_id}"

    @property
    def is_moving(self) -> bool:
        return self.status in MOVING

    @property
    def made(self) -> list[dict[str, Any]]:
        """The parts that became, or were already, an activity."""
        return [part for part in self.parts if not part["problem"]]

    @property
    def refused(self) -> list[dict[str, Any]]:
        return [part for part in self.parts if part["problem"]]
