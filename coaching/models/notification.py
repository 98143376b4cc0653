from datetime import time
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
    DIGEST = "digest"


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


class NotificationChoice(models.Model):
    """How one person wants one kind of message; no row means the kind's defaults."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="notification_choices")
    kind = models.CharField(max_length=48)
    channels = models.JSONField(default=list, blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["user", "kind"], name="notificationchoice_once")]

    def __str__(self) -> str:
        return f"{self.kind}: {', '.join(self.channels)}"


class NotificationTimes(models.Model):
    """When mails may leave, by the person's own clock. No quiet hours: at any time."""

    user = models.OneToOneField(settings.AUTH_USER_MODEL, models.CASCADE, related_name="notification_times")
    quiet_from = models.TimeField(null=True, blank=True)
    quiet_to = models.TimeField(null=True, blank=True)
    digest_at = models.TimeField(default=time(7))

    class Meta:
        verbose_name_plural = "notification times"
        constraints = [
            models.CheckConstraint(
                condition=Q(quiet_from=None, quiet_to=None) | Q(quiet_from__isnull=False, quiet_to__isnull=False),
                name="notificationtimes_quiet_whole",
            )
        ]

    def __str__(self) -> str:
        return f"times of {self.user}"
