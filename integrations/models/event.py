from datetime import UTC
from typing import Any
from uuid import uuid4

from django.db import models
from django.db.models import Q

from integrations.models.connection import Connection
from integrations.models.leases import Leased, LeasedQuerySet, lease_checks, lease_indexes


class DomainEvent(Leased):
    """The outbox: written in the transaction of what happened, dispatched in batches afterwards, at least once."""

    class Status(models.TextChoices):
        PENDING = "pending"
        WORKING = "working"
        DONE = "done"
        DEAD = "dead"
        DROPPED = "dropped"

    OPEN = (Status.PENDING, Status.WORKING, Status.DEAD)
    OVER = (Status.DONE, Status.DROPPED)
    DUE = (Status.PENDING,)
    WORKING = Status.WORKING
    LEASE = "event_lease_s"

    event_id = models.UUIDField(unique=True, default=uuid4, editable=False)
    type = models.CharField(max_length=64)
    source = models.CharField(max_length=32)
    version = models.PositiveSmallIntegerField(default=1)
    subject_type = models.CharField(max_length=48)
    subject_id = models.CharField(max_length=40)
    connection = models.ForeignKey(Connection, models.SET_NULL, null=True, blank=True, related_name="+")
    payload = models.JSONField(default=dict, blank=True)
    trace_id = models.CharField(max_length=32, blank=True)
    status = models.CharField(max_length=8, choices=Status, default=Status.PENDING)
    created_at = models.DateTimeField(auto_now_add=True)
    done_at = models.DateTimeField(null=True, blank=True)
    replays = models.PositiveSmallIntegerField(default=0)

    objects: LeasedQuerySet["DomainEvent"] = LeasedQuerySet.as_manager()  # type: ignore[assignment]

    class Meta:
        constraints = [
            *lease_checks("domainevent"),
            models.CheckConstraint(
                condition=Q(status__in=["pending", "working", "dead"], done_at=None)
                | Q(status__in=["done", "dropped"], done_at__isnull=False),
                name="domainevent_done_at",
            ),
        ]
        indexes = [
            *lease_indexes("domainevent", ["pending"], ["working"]),
            models.Index(fields=["type", "-created_at"], name="domainevent_by_type"),
            models.Index(
                fields=["status", "type", "created_at"],
                condition=Q(status__in=["pending", "working", "dead"]),
                name="domainevent_open",
            ),
            models.Index(fields=["done_at"], condition=Q(done_at__isnull=False), name="domainevent_over"),
        ]

    def __str__(self) -> str:
        return f"{self.type} {self.subject_id}"

    def as_dict(self) -> dict[str, Any]:
        """The event as others may see it. JSON-able, without secrets: the catalogue lets none into a payload."""
        return {
            "id": str(self.event_id),
            "type": self.type,
            "timestamp": self.created_at.astimezone(UTC).isoformat(),
            "source": self.source,
            "correlation_id": self.trace_id,
            "version": self.version,
            "subject": {"type": self.subject_type, "id": self.subject_id},
            "payload": self.payload,
        }


class Tick(models.Model):
    """The heartbeat of one kind of periodic work."""

    name = models.CharField(max_length=64, unique=True)
    last_at = models.DateTimeField()
    last_seconds = models.FloatField(default=0)
    last_count = models.PositiveIntegerField(default=0)

    def __str__(self) -> str:
        return self.name
