from typing import Any, ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Q

from integrations.models.leases import Leased, LeasedQuerySet, lease_checks, lease_indexes


class VaultKey(models.Model):
    """A key id that has sealed rows, with a value that tells whether the ring still holds the same key."""

    kid = models.CharField(max_length=16, unique=True)
    check_value = models.CharField(max_length=64)
    first_seen = models.DateTimeField(auto_now_add=True)
    retired_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        permissions = [("rotate_keys", "Can rotate, verify and retire keys")]

    def __str__(self) -> str:
        return self.kid


class VaultRotation(Leased):
    """A walk over everything that is sealed, batch by batch; a killed one goes on.

    A rotation seals anew under `target` what other keys have sealed. A verification opens all and changes nothing.
    """

    class Kind(models.TextChoices):
        ROTATE = "rotate", "Rotation"
        VERIFY = "verify", "Verification"

    class Status(models.TextChoices):
        QUEUED = "queued", "Waiting for a worker"
        RUNNING = "running", "Running"
        DONE = "done", "Done"
        STOPPED = "stopped", "Stopped"

    DUE = (Status.QUEUED,)
    WORKING = Status.RUNNING
    LEASE: ClassVar[str] = "rotation_lease_s"

    kind = models.CharField(max_length=8, choices=Kind, default=Kind.ROTATE)
    target = models.CharField(max_length=16)
    status: Any = models.CharField(max_length=8, choices=Status, default=Status.QUEUED)
    total_n = models.PositiveIntegerField(default=0)
    done_n = models.PositiveIntegerField(default=0)
    failed_n = models.PositiveIntegerField(default=0)  # did not open; left as they are
    started_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)
    ended_at = models.DateTimeField(null=True, blank=True)

    objects: LeasedQuerySet["VaultRotation"] = LeasedQuerySet.as_manager()  # type: ignore[assignment]

    class Meta:
        ordering = ["-created_at"]
        constraints = [
            *lease_checks("vaultrotation"),
            models.UniqueConstraint(
                fields=["kind"], condition=Q(status__in=["queued", "running"]), name="vaultrotation_one_active"
            ),
        ]
        indexes = lease_indexes("vaultrotation", ["queued"], ["running"])

    def __str__(self) -> str:
        return f"{self.get_kind_display()} to {self.target}" if self.kind == self.Kind.ROTATE else "Verification"

    @property
    def is_active(self) -> bool:
        return self.status in (self.Status.QUEUED, self.Status.RUNNING)

    @property
    def percent(self) -> int:
        """How far it is; never 100 before it has ended."""
        if self.status == self.Status.DONE:
            return 100
        return min(99, 100 * (self.done_n + self.failed_n) // self.total_n) if self.total_n else 0
