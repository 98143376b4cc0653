"""Looking before repeating: finds what a lost answer left behind, and tidies up after workers that died.

Only copies that carry our marker are ever touched.
"""

from datetime import timedelta
from enum import Enum

import structlog
from django.db import transaction
from django.db.models import Case, F, Q, Value, When
from django.db.models.functions import Now
from django.utils.translation import gettext_noop

from accounts import audit
from accounts.models import AuditEntry
from coaching import metrics
from coaching.models import Delivery, DeliveryAttempt, DeliveryStatus, Share
from coaching.models.delivery import NO_LEASE, RESUMED
from coaching.services.attempts import attempting
from integrations import errors, events, tracing
from integrations.client import ProviderClient, client_for
from integrations.models import Connection
from integrations.models.leases import LeaseLost
from integrations.records import MARKER
from integrations.spec import Capability
from integrations.timing import seconds, step, timing

log = structlog.get_logger(__name__)

MOST_CRASHES = 5
MOST_REMOVALS = 6
BATCH = 1000
NOT_TAKEN_OUT = gettext_noop("Our copy could not be taken out of the account.")
LOST = (
    "worker_lost",
    gettext_noop("It was interrupted again and again. We stopped it; try again, or tell us the trace id."),
)


class Look(Enum):
    FOUND = "found"  # its id is ours now and the work goes on
    LATER = "later"  # not there; too early to tell
    ABSENT = "absent"  # twice not there, and no call can be on its way any more


def look(delivery: Delivery, client: ProviderClient) -> Look:
    """Search the account for the copy of an uncertain delivery; of several the oldest stays."""
    with attempting(delivery, DeliveryAttempt.Step.RECONCILE) as noted:
        found = _copies(delivery, client)
        if not found:
            noted.outcome = "not there"
            return _after_absence(delivery)
        noted.outcome = "found"
        fields = {"status": DeliveryStatus.SENDING, "remote_workout_id": found[0], "absent_looks": 0}
        if not delivery.write(**fields):
            raise LeaseLost
        for extra in found[1:]:
            client.delete_workout(extra)
    return Look.FOUND


def send_again(delivery: Delivery) -> None:
    """It surely never arrived: forget the mark."""
    delivery.settle(
        status=DeliveryStatus.PENDING,
        create_sent_at=None,
        sent_revision=None,
        absent_looks=0,
        attempts=F("attempts") - 1,
        next_attempt_at=Now(),
    )


def settling(delivery: Delivery, field: str) -> timedelta | None:
    """How long a call announced in `field` may still take effect at the provider; None when it no longer can."""
    window = seconds(timing().delivery_first_look_s)
    row = Delivery.objects.filter(pk=delivery.pk, **{f"{field}__gt": Now() - window})
    left = row.annotate(left=F(field) + window - Now()).values_list("left", flat=True).first()
    return left if isinstance(left, timedelta) else None


def recheck(delivery_id: int) -> None:
    """Some time after the delivery: more than one copy with our marker means a frozen worker woke up; the extras go."""
    delivery = Delivery.objects.uncollected().take(delivery_id)
    if delivery is None:
        return
    with tracing.trace(delivery.trace_id, delivery=str(delivery.public_id)):
        try:
            _delete_extras(delivery)
        except errors.IntegrationError as exc:
            if exc.retryable:
                delivery.settle(recheck_at=Now() + _wait(delivery, exc))
                return
            log.info("delivery_recheck_given_up", error_code=exc.code)
        delivery.settle(rechecked_at=Now())


def remove(delivery_id: int) -> None:
    """Take a withdrawn copy out of the account, calendar entry first. What does not carry our marker stays."""
    delivery = Delivery.objects.removable().take(delivery_id)
    if delivery is None:
        return
    with tracing.trace(delivery.trace_id, delivery=str(delivery.public_id)):
        try:
            _take_out(delivery)
        except errors.IntegrationError as exc:
            _after_removal_failed(delivery, exc)
        else:
            delivery.settle(remove_remote=False)


def reap() -> int:
    """Give back what dead workers held; by the database's clock alone. Returns how many."""
    lapsed = Delivery.objects.lapsed().exclude(lease_token=None)
    ids = list(lapsed.order_by("pk").values_list("pk", flat=True)[:BATCH])
    for pk in ids:
        _bury_if_hopeless(pk)
    unlocked = lapsed.filter(pk__in=ids)
    working = Q(status=DeliveryStatus.SENDING)
    return unlocked.update(
        status=Case(When(working, then=RESUMED), default=F("status")),
        next_attempt_at=Now() + seconds(timing().delivery_retry_s[0]),
        crashes=F("crashes") + 1,
        **NO_LEASE,
    )


def sweep() -> int:
    """One round of tidying: lapsed leases, and what may go on though nobody told us. Returns how many rows moved."""
    moved = reap() + Delivery.objects.callable(anew=True).release()
    waiting = Delivery.objects.filter(status=DeliveryStatus.BLOCKED, connection=None)
    athletes = waiting.values("share__link__athlete")
    for connection in Connection.objects.active().filter(user__in=athletes).select_related("provider"):
        moved += release_for(connection)
    return moved


def release_for(connection: Connection) -> int:
    """The account works: what waited for it, or for any account of its owner, goes on."""
    released = Delivery.objects.filter(connection=connection).release(attempts=0)
    if connection.can(Capability.WORKOUTS_WRITE):
        offers = Share.objects.filter(link__athlete_id=connection.user_id)
        waiting = Delivery.objects.filter(connection=None, share__in=offers)
        released += waiting.release(connection=connection, attempts=0)
    return released


def _after_absence(delivery: Delivery) -> Look:
    """A look counts once no call can be on its way any more; two that count, apart, are proof."""
    given_back = F("attempts") - 1
    if wait := settling(delivery, "create_sent_at"):
        delivery.settle(next_attempt_at=Now() + wait, attempts=given_back)
        return Look.LATER
    if delivery.absent_looks == 0:
        gap = seconds(timing().delivery_look_gap_s)
        delivery.settle(absent_looks=1, next_attempt_at=Now() + gap, attempts=given_back)
        return Look.LATER
    return Look.ABSENT


def _delete_extras(delivery: Delivery) -> None:
    if not Delivery.objects.filter(pk=delivery.pk).callable().exists() or delivery.connection is None:
        return
    client = client_for(delivery.connection, direction="deliver")
    found = _copies(delivery, client)
    for extra in found:
        if extra != delivery.remote_workout_id:
            with attempting(delivery, DeliveryAttempt.Step.DELETE) as noted:
                noted.outcome = "second copy deleted"
                client.delete_workout(extra)


def _take_out(delivery: Delivery) -> None:
    connection = delivery.connection
    if connection is None or connection.status == Connection.Status.DISCONNECTED:
        return
    if connection.status != Connection.Status.ACTIVE:
        raise errors.IntegrationDisabled()
    client = client_for(connection, direction="deliver")
    with attempting(delivery, DeliveryAttempt.Step.DELETE) as noted:
        ours = _ours(delivery, client)
        for workout_id in ours:
            _unschedule(delivery, client, workout_id)
            client.delete_workout(workout_id)
        noted.outcome = "taken out" if ours else "nothing of ours there"


def _ours(delivery: Delivery, client: ProviderClient) -> list[str]:
    """Ids that carry our marker at this moment; an id that we remember is no proof."""
    if not delivery.remote_workout_id:
        return _copies(delivery, client)
    try:
        there = client.workout(delivery.remote_workout_id)
    except errors.NotFoundError:
        return []
    return [delivery.remote_workout_id] if MARKER + delivery.marker in there.description else []


def _unschedule(delivery: Delivery, client: ProviderClient, workout_id: str) -> None:
    entry: str | None = delivery.remote_schedule_id
    if not entry and delivery.schedule_sent_at and delivery.sent_day:
        entry = client.find_schedule(workout_id, delivery.sent_day)
    if entry:
        client.unschedule(entry)


def _after_removal_failed(delivery: Delivery, exc: errors.IntegrationError) -> None:
    code, words = exc.code[:40], f"{NOT_TAKEN_OUT} {exc.advice}"[:500]
    if exc.halted:
        pause = seconds(exc.retry_after or timing().delivery_retry_s[-1])
        delivery.settle(next_attempt_at=Now() + pause, attempts=F("attempts") - 1)
    elif exc.retryable and delivery.attempts < MOST_REMOVALS:
        delivery.settle(next_attempt_at=Now() + _wait(delivery, exc), error_code=code, error_detail=words)
    else:
        delivery.settle(remove_remote=False, error_code=code, error_detail=words)


def _bury_if_hopeless(pk: int) -> None:
    """Work that kills its worker stops after a few."""
    hopeless = Delivery.objects.lapsed().filter(
        pk=pk, status__in=["sending", "uncertain"], crashes__gte=MOST_CRASHES - 1
    )
    with transaction.atomic():
        buried = hopeless.update(
            status=Value(DeliveryStatus.FAILED),
            crashes=F("crashes") + 1,
            error_code=LOST[0],
            error_detail=LOST[1],
            **NO_LEASE,
        )
        if buried:
            delivery = Delivery.objects.select_related("connection__provider").get(pk=pk)
            audit.record("delivery.failed", delivery, outcome=AuditEntry.Outcome.FAILURE, reason=LOST[0])
            events.publish("delivery.failed", delivery, connection=delivery.connection, code=LOST[0])
            slug = delivery.connection.provider.slug if delivery.connection else ""
            transaction.on_commit(metrics.DELIVERIES.labels(slug, "failed").inc)


def _copies(delivery: Delivery, client: ProviderClient) -> list[str]:
    """What stands in the account with our marker: never made before the delivery itself was."""
    return client.find_marker(delivery.marker, name=_name(delivery), since=delivery.created_at)


def _name(delivery: Delivery) -> str:
    return (delivery.sent_revision or delivery.revision).record.name


def _wait(delivery: Delivery, exc: errors.IntegrationError) -> timedelta:
    own = step(timing().delivery_retry_s, delivery.attempts)
    return max(own, seconds(exc.retry_after)) if exc.retry_after else own
