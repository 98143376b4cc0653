from typing import Self

from django.conf import settings
from django.db import models
from django.db.models import Q

from accounts.models import User
from integrations.models import DomainEvent
from integrations.models.leases import Leased, LeasedQuerySet, lease_checks, lease_indexes


class Channel(models.TextChoices):
    EMAIL = "email"
    IN_APP = "in_app"


class NotificationQuerySet(LeasedQuerySet["Notification"]):
    def bell(self, user: User) -> Self:
        return self.filter(recipient=user, channel=Channel.IN_APP).order_by("-created_at")

    def unread(self, user: User) -> Self:
        return self.bell(user).filter(read_at=None)


class Notification(Leased):
    """One message to one person on one channel; the unique constraint makes its consumer idempotent."""

    class Status(models.TextChoices):
        PENDING = "pending"
        SENDING = "sending"
        SENT = "sent"
        FAILED = "failed"

    DUE = (Status.PENDING,)
    WORKING = Status.SENDING
    LEASE = "notification_lease_s"

    event = models.ForeignKey(DomainEvent, models.CASCADE, related_name="+")
    recipient = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="notifications")
    channel = models.CharField(max_length=8, choices=Channel)
    template = models.CharField(max_length=48)
    context = models.JSONField(default=dict)  # words and paths for the template, no secrets
    status = models.CharField(max_length=8, choices=Status, default=Status.PENDING)
    created_at = models.DateTimeField(auto_now_add=True)
    sent_at = models.DateTimeField(null=True, blank=True)
    read_at = models.DateTimeField(null=True, blank=True)

    objects: NotificationQuerySet = NotificationQuerySet.as_manager()  # type: ignore[assignment]

    class Meta:
        constraints = [
            *lease_checks("notification"),
            models.UniqueConstraint(fields=["event", "recipient", "channel"], name="notification_once"),
        ]
        indexes = [
            *lease_indexes("notification", ["pending"], ["sending"]),
            models.Index(fields=["recipient", "-created_at"], condition=Q(read_at=None), name="notification_unread"),
        ]

    def __str__(self) -> str:
        return f"{self.template} to {self.recipient}"
