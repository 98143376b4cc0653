import secrets
from typing import ClassVar
from uuid import uuid4

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from integrations.models import Connection, Provider
from integrations.models.leases import Leased, lease_checks, lease_indexes
from webhooks.managers import (
    AppliedObjectQuerySet,
    WebhookEndpointQuerySet,
    WebhookEventQuerySet,
    WebhookSecretQuerySet,
)


def new_token() -> str:
    """256 bits: for a provider that signs nothing the address is the proof."""
    return secrets.token_urlsafe(32)


class WebhookEndpoint(models.Model):
    """An address that one provider sends to. How it signs is said by the provider's folder."""

    public_id = models.UUIDField(unique=True, default=uuid4, editable=False)
    provider = models.ForeignKey(Provider, models.PROTECT, related_name="webhook_endpoints")
    name = models.CharField(max_length=60, help_text="What it is for, such as “activities”.")
    token = models.CharField(max_length=43, unique=True, default=new_token, editable=False)
    is_active = models.BooleanField(
        "enabled", default=True, help_text="Disabled, it answers 404 as if it were not there."
    )
    strict_order = models.BooleanField(
        default=False, help_text="What concerns one object is processed in the order it came in, one after the other."
    )
    must_be_signed = models.BooleanField(
        "signature demanded",
        default=False,
        help_text="For a provider that may sign with our client secret: what comes unsigned is refused.",
    )
    max_body_bytes = models.PositiveIntegerField(default=1024 * 1024)
    tolerance_s = models.PositiveIntegerField(
        "tolerance in seconds", default=300, help_text="How far the sender's clock may be from ours."
    )
    registration = models.JSONField(
        default=dict, blank=True, help_text="What the provider told us when the address was registered, by name."
    )
    created_at = models.DateTimeField(auto_now_add=True)

    objects = WebhookEndpointQuerySet.as_manager()

    class Meta:
        ordering = ["provider", "name"]
        permissions = [("set_webhook_secrets", "Can make and end webhook endpoints and their secrets")]
        constraints = [
            models.UniqueConstraint(fields=["provider", "name"], name="webhookendpoint_name_once"),
            models.CheckConstraint(
                condition=Q(tolerance_s__gte=30, tolerance_s__lte=3600), name="webhookendpoint_tolerance"
            ),
            models.CheckConstraint(
                condition=Q(max_body_bytes__gte=1024, max_body_bytes__lte=25 * 1024 * 1024), name="webhookendpoint_cap"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.provider}: {self.name}"


class WebhookSecret(models.Model):
    """A sealed signing secret. At most two are live: the one in use, and the one before it for its last day."""

    class State(models.TextChoices):
        NEW = "new", "New: nothing came signed with it yet"
        ACTIVE = "active", "In use"
        RETIRING = "retiring", "Good for its last day"
        ENDED = "ended", "Ended"

    public_id = models.UUIDField(unique=True, default=uuid4, editable=False)
    endpoint = models.ForeignKey(WebhookEndpoint, models.CASCADE, related_name="secrets")
    state = models.CharField(max_length=8, choices=State, default=State.NEW)
    sealed = models.TextField(blank=True, editable=False)
    key_id = models.CharField(max_length=16, blank=True, db_index=True, editable=False)
    fingerprint = models.CharField(max_length=12)
    created_at = models.DateTimeField(auto_now_add=True)
    not_after = models.DateTimeField("good until", null=True, blank=True)

    objects = WebhookSecretQuerySet.as_manager()

    class Meta:
        ordering = ["-pk"]
        constraints = [
            models.CheckConstraint(
                condition=Q(state="ended", sealed="") | Q(sealed__startswith="cv1:"), name="webhooksecret_sealed"
            ),
            models.CheckConstraint(
                condition=Q(state__in=["new", "active"], not_after=None)
                | Q(state__in=["retiring", "ended"], not_after__isnull=False),
                name="webhooksecret_ends",
            ),
            models.UniqueConstraint(
                fields=["endpoint"], condition=Q(state__in=["new", "active"]), name="webhooksecret_one_in_use"
            ),
            models.UniqueConstraint(
                fields=["endpoint"], condition=Q(state="retiring"), name="webhooksecret_one_retiring"
            ),
        ]

    def __str__(self) -> str:
        return f"secret {self.fingerprint}"

    @property
    def place(self) -> dict[str, str]:
        """What binds the sealed secret to this row."""
        return {
            "model_label": WebhookSecret._meta.label_lower,
            "row_uuid": str(self.public_id),
            "field": "sealed",
            "owner": f"provider:{self.endpoint.provider.slug}",
        }


class WebhookEvent(Leased):
    """A verified request as it came, stored before it was answered.

    The raw body is kept in clear for 30 days: it is a hint about rows that stand in clear beside it, and a sealed one
    would cost each request more than all the rest of its way.
    """

    class Status(models.TextChoices):
        RECEIVED = "received", "Waiting"
        PROCESSING = "processing", "At work"
        PROCESSED = "processed", "Processed"
        IGNORED = "ignored", "Ignored"
        DEAD = "dead", "Dead"

    DUE = (Status.RECEIVED,)
    WORKING = Status.PROCESSING
    LEASE = "webhook_lease_s"
    OPEN: ClassVar[tuple[str, ...]] = (Status.RECEIVED, Status.PROCESSING)
    OVER: ClassVar[tuple[str, ...]] = (Status.PROCESSED, Status.IGNORED, Status.DEAD)

    public_id = models.UUIDField(unique=True, default=uuid4, editable=False)
    endpoint = models.ForeignKey(WebhookEndpoint, models.PROTECT, related_name="events")
    secret = models.ForeignKey(WebhookSecret, models.SET_NULL, null=True, blank=True, related_name="+")
    connection = models.ForeignKey(Connection, models.SET_NULL, null=True, blank=True, related_name="+")
    status = models.CharField(max_length=10, choices=Status, default=Status.RECEIVED)
    reason = models.CharField(max_length=40, blank=True)  # why it is ignored or dead
    dedupe_key = models.CharField(max_length=128)
    event_type = models.CharField("type", max_length=80, blank=True)
    ordering_key = models.CharField(max_length=64, blank=True, editable=False)
    occurred_at = models.DateTimeField(null=True, blank=True)
    received_at = models.DateTimeField(db_default=Now())
    finished_at = models.DateTimeField(null=True, blank=True)
    headers = models.JSONField(default=dict, blank=True)
    body = models.BinaryField(null=True, editable=False)
    body_sha256 = models.CharField(max_length=64)
    body_bytes = models.PositiveIntegerField(default=0)
    has_duplicate_keys = models.BooleanField(default=False)
    is_conflicting = models.BooleanField(default=False, db_default=False)  # redelivered with another body
    redeliveries = models.PositiveSmallIntegerField(default=0, db_default=0)
    replays = models.PositiveSmallIntegerField(default=0, db_default=0)
    remote_ip = models.GenericIPAddressField(null=True, blank=True)
    trace_id = models.CharField(max_length=32, blank=True)
    # written by the one statement of the receiver, which names no more columns than it must
    attempts = models.PositiveSmallIntegerField(default=0, db_default=0)
    crashes = models.PositiveSmallIntegerField(default=0, db_default=0)
    error_code = models.CharField(max_length=40, blank=True, db_default="")
    error_detail = models.CharField(max_length=500, blank=True, db_default="")

    objects: WebhookEventQuerySet = WebhookEventQuerySet.as_manager()  # type: ignore[assignment]

    class Meta:
        permissions = [("read_webhook_body", "Can read what webhooks say")]
        constraints = [
            *lease_checks("webhookevent"),
            models.UniqueConstraint(fields=["endpoint", "dedupe_key"], name="webhookevent_once"),
            models.CheckConstraint(
                condition=Q(status__in=["received", "processing"], finished_at=None)
                | Q(status__in=["processed", "ignored", "dead"], finished_at__isnull=False),
                name="webhookevent_finished_when_over",
            ),
        ]
        indexes = [
            *lease_indexes("webhookevent", ["received"], ["processing"]),
            models.Index(
                fields=["ordering_key", "id"],
                condition=Q(status__in=["received", "processing"]) & ~Q(ordering_key=""),
                name="webhookevent_in_line",
            ),
            models.Index(
                fields=["received_at"],
                condition=Q(status__in=["processed", "ignored", "dead"]),
                name="webhookevent_retention",
            ),
            models.Index(fields=["status", "-id"], name="webhookevent_by_status"),
            models.Index(fields=["endpoint", "event_type", "-id"], name="webhookevent_by_type"),
        ]

    def __str__(self) -> str:
        return f"{self.event_type or 'webhook'} {self.public_id}"


class WebhookAttempt(models.Model):
    """One try to process an event. `replays` says of which round, `number` counts within it."""

    event = models.ForeignKey(WebhookEvent, models.CASCADE, related_name="attempts_made")
    replays = models.PositiveSmallIntegerField(default=0)
    number = models.PositiveSmallIntegerField()
    ended_at = models.DateTimeField(db_default=Now())
    seconds = models.FloatField(default=0)
    outcome = models.CharField(max_length=16)  # "processed", "ignored", "put_off", "dead" or "crashed"
    error_code = models.CharField(max_length=40, blank=True)
    error_detail = models.CharField(max_length=500, blank=True)
    worker = models.CharField(max_length=64, blank=True)

    class Meta:
        ordering = ["-pk"]
        indexes = [models.Index(fields=["event", "-id"], name="webhookattempt_of_event")]

    def __str__(self) -> str:
        return f"attempt {self.number} of {self.event_id}"


class AppliedObject(models.Model):
    """What was last heard of one object of a provider, so that late and reordered events do no harm.

    A deleted one is the tombstone that makes a delete win over the creation that comes in after it.
    """

    provider = models.ForeignKey(Provider, models.CASCADE, related_name="+")
    key = models.CharField(max_length=64)  # SHA-256 of resource, account and object
    happened_at = models.DateTimeField()
    is_deleted = models.BooleanField(default=False)
    updated_at = models.DateTimeField(db_default=Now())

    objects = AppliedObjectQuerySet.as_manager()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["provider", "key"], name="appliedobject_once")]
        indexes = [models.Index(fields=["updated_at"], name="appliedobject_retention")]

    def __str__(self) -> str:
        return self.key
