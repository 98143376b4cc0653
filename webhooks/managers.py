"""Questions about many rows of the in-box, and the one statement that fills it."""

from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Self
from uuid import UUID, uuid4

from django.db import connection, models
from django.db.models import Exists, OuterRef, Q
from django.db.models.functions import Now

from integrations.models import Provider
from integrations.models.leases import LeasedQuerySet
from integrations.timing import seconds, timing

if TYPE_CHECKING:
    from webhooks.models import (  # noqa: F401 - named in quotes by the generics below
        AppliedObject,
        WebhookEndpoint,
        WebhookEvent,
        WebhookSecret,
    )

STORE = """
INSERT INTO webhooks_webhookevent AS kept (
    public_id, endpoint_id, secret_id, status, reason, dedupe_key, event_type, ordering_key, occurred_at, headers, body,
    body_sha256, body_bytes, has_duplicate_keys, remote_ip, trace_id, received_at, finished_at
) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, now(), CASE WHEN %s THEN now() END)
ON CONFLICT (endpoint_id, dedupe_key) DO UPDATE SET
    redeliveries = least(kept.redeliveries + 1, 32767),
    is_conflicting = kept.is_conflicting OR kept.body_sha256 <> EXCLUDED.body_sha256
RETURNING public_id, xmax = 0, body_sha256
"""
ADVANCE = """
INSERT INTO webhooks_appliedobject AS known (provider_id, key, happened_at, is_deleted, updated_at)
VALUES (%s, %s, %s, %s, now())
ON CONFLICT (provider_id, key) DO UPDATE SET
    happened_at = EXCLUDED.happened_at, is_deleted = EXCLUDED.is_deleted, updated_at = now()
WHERE EXCLUDED.happened_at > known.happened_at
   OR (EXCLUDED.happened_at = known.happened_at AND (EXCLUDED.is_deleted OR NOT known.is_deleted))
RETURNING true
"""


@dataclass(frozen=True, slots=True)
class Stored:
    """What the one statement found: a row of its own, or the one that was there, perhaps with another body."""

    public_id: UUID
    is_new: bool
    is_same_body: bool


@dataclass(frozen=True, slots=True)
class Arrival:
    """A verified request, as it is written down. `reason` is set for what needs no processing."""

    endpoint_id: int
    secret_id: int | None
    dedupe_key: str
    event_type: str
    ordering_key: str
    occurred_at: datetime | None
    headers: str  # JSON
    body: bytes
    has_duplicate_keys: bool
    remote_ip: str | None
    trace_id: str
    reason: str = ""


class WebhookEndpointQuerySet(models.QuerySet["WebhookEndpoint"]):
    def awake(self) -> Self:
        """Those whose provider may be worked with now: what arrives for the others is stored and held."""
        return self.filter(provider__in=Provider.objects.awake())


class WebhookSecretQuerySet(models.QuerySet["WebhookSecret"]):
    def live(self) -> Self:
        """Good for a signature now: the one in use, and the one before it for its last day."""
        return self.exclude(state="ended").filter(Q(not_after=None) | Q(not_after__gt=Now()))

    def lapsed(self) -> Self:
        return self.filter(state="retiring", not_after__lte=Now())


class WebhookEventQuerySet(LeasedQuerySet["WebhookEvent"]):
    def due(self) -> Self:
        """What may be claimed now; of a strict endpoint only the oldest unfinished row of each object."""
        model = self.model
        endpoints: Any = model._meta.get_field("endpoint").related_model
        return (
            super()
            .due()
            .filter(endpoint__in=endpoints.objects.awake())
            .exclude(Exists(model.objects.unfinished().filter(
                Q(pk__lt=OuterRef("pk")), endpoint=OuterRef("endpoint"), ordering_key=OuterRef("ordering_key")
            ).exclude(ordering_key="")))
        )  # fmt: skip

    def unfinished(self) -> Self:
        return self.filter(status__in=self.model.OPEN)

    def dead(self) -> Self:
        return self.filter(status=self.model.Status.DEAD)

    def bodies_to_blank(self) -> Self:
        """Over for so long that the body goes; what is dead keeps its body for longer."""
        return self.filter(self._older(timing().webhook_body_kept_s, timing().webhook_dead_body_kept_s)).exclude(
            body=None
        )

    def rows_to_delete(self) -> Self:
        return self.filter(self._older(timing().webhook_kept_s, timing().webhook_dead_kept_s))

    def store(self, arrival: Arrival) -> Stored:
        """One INSERT .. ON CONFLICT: a new row, or one more redelivery of the old one, whose body stays the first."""
        digest = sha256(arrival.body).hexdigest()
        status = self.model.Status.IGNORED if arrival.reason else self.model.Status.RECEIVED
        values: list[Any] = [
            uuid4(), arrival.endpoint_id, arrival.secret_id, status.value, arrival.reason, arrival.dedupe_key,
            arrival.event_type, arrival.ordering_key, arrival.occurred_at, arrival.headers, arrival.body, digest,
            len(arrival.body), arrival.has_duplicate_keys, arrival.remote_ip, arrival.trace_id, bool(arrival.reason),
        ]  # fmt: skip
        with connection.cursor() as cursor:
            cursor.execute(STORE, values)
            public_id, is_new, kept = cursor.fetchone()
        return Stored(public_id, is_new, kept == digest)

    def _older(self, over_s: float, dead_s: float) -> Q:
        status = self.model.Status
        over = Q(status__in=[status.PROCESSED, status.IGNORED], received_at__lt=Now() - seconds(over_s))
        return over | Q(status=status.DEAD, received_at__lt=Now() - seconds(dead_s))


class AppliedObjectQuerySet(models.QuerySet["AppliedObject"]):
    def advance(self, provider: Provider, key: str, happened_at: datetime, *, is_deleted: bool) -> bool:
        """Note what was last heard of an object. False: something newer, or its end, has been heard already.

        Serialises all work on the object until the caller's transaction ends.
        """
        with connection.cursor() as cursor:
            cursor.execute(ADVANCE, [provider.pk, key, happened_at, is_deleted])
            return cursor.fetchone() is not None

    def outlived(self) -> Self:
        return self.filter(updated_at__lt=Now() - seconds(timing().webhook_body_kept_s))
