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

    def __str__(self) -> str:
        return self.kid


class VaultRotation(Leased):
    """Everything sealed under other keys is sealed anew under `target`, batch by batch; a killed one goes on."""

    class Status(models.TextChoices):
        QUEUED = "queued", "Waiting for a worker"
        RUNNING = "running", "Running"
        DONE = "done", "Done"
        STOPPED = "stopped", "Stopped"

    DUE = (Status.QUEUED,)
    WORKING = Status.RUNNING
    LEASE: ClassVar[str] = "rotation_lease_s"

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
                fields=["target"], condition=Q(status__in=["queued", "running"]), name="vaultrotation_one_active"
            ),
        ]
        indexes = lease_indexes("vaultrotation", ["queued"], ["running"])

    def __str__(self) -> str:
        return f"to {self.target}"
