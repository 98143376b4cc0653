"""A delivery's way to the athlete's account: create, put on the calendar, done. The row announces every call.

Garmin's create has no idempotency key, so a call whose outcome nobody knows is never simply repeated: the delivery is
`uncertain` until `reconciling` has looked. Nothing is called without the row's lease, or for what is no longer wanted.
"""

from datetime import date, timedelta

import structlog
from django.db import transaction
from django.db.models import F
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.translation import gettext_noop

from accounts import audit
from accounts.models import AuditEntry
from coaching import metrics
from coaching.models import CoachingLink, Delivery, DeliveryAttempt, DeliveryStatus, ShareStatus
from coaching.services import reconciling, targeting
from coaching.services.attempts import attempting
from integrations import control, credentials, errors, events, tracing
from integrations.client import ProviderClient, client_for, unsupported
from integrations.models import Connection
from integrations.models.leases import LeaseLost
from integrations.records import MARKER, WorkoutRecord
from integrations.shortcomings import in_words
from integrations.spec import Capability
from integrations.timing import seconds, step, timing

log = structlog.get_logger(__name__)

MOST_ATTEMPTS = 6
GONE = "gone_remote"
GONE_WORDS = gettext_noop(
    "The copy is no longer in the account: it was deleted there. It is made anew when the athlete asks for it."
)
NO_LONGER_SHARED = ("no_longer_shared", gettext_noop("The workout is no longer shared."))
DISCONNECTED = ("disconnected", gettext_noop("The account was disconnected before the workout got there."))
# Answers of a create that leave open whether the workout is there; all others say that it is not.
UNKNOWN = (errors.TimeoutError, errors.ServerError, errors.DataError, errors.ConflictError)
# What may come right by itself, though the class alone says no: half an answer, and a state that a look settles.
PASSING = (errors.DataError, errors.ConflictError)


class _NotNow(Exception):
    """Something else has to happen first; the wait costs no attempt."""

    def __init__(self, wait: timedelta) -> None:
        super().__init__()
        self.wait = wait


class _NoLongerWanted(Exception):
    """Whoever looked just before the call found that it must not be made."""


def deliver(delivery_id: int) -> None:
    """Bring a due delivery as far as it goes. Safe to run twice, in parallel too: only the run that claims it works."""
    delivery = Delivery.objects.in_full().claim(delivery_id)
    if delivery is None:
        return
    with tracing.trace(delivery.trace_id, delivery=str(delivery.public_id)):
        try:
            _work(delivery)
        except LeaseLost:
            log.warning("delivery_lease_lost")


def marked(delivery: Delivery) -> WorkoutRecord:
    """The workout as it is sent: our reference stands at the end of its description."""
    record = delivery.revision.record
    reference = MARKER + delivery.marker
    text = f"{record.description.rstrip()}\n\n{reference}" if record.description.strip() else reference
    return record.model_copy(update={"description": text})


def _work(delivery: Delivery) -> None:
    if _hindered(delivery):
        return
    assert delivery.connection is not None
    client = client_for(delivery.connection, direction="deliver")
    try:
        if delivery.status == DeliveryStatus.UNCERTAIN and not _is_there(delivery, client):
            return
        _bring(delivery, client)
    except _NoLongerWanted:
        now = Delivery.objects.in_full().filter(pk=delivery.pk, lease_token=delivery.lease_token).first()
        if now is None or not _hindered(now):
            raise LeaseLost from None
    except _NotNow as halt:
        _put_off(delivery, halt.wait, attempts=F("attempts") - 1)
    except errors.IntegrationError as exc:
        _after(delivery, exc)


def _is_there(delivery: Delivery, client: ProviderClient) -> bool:
    _announce(delivery)
    look = reconciling.look(delivery, client)
    if look == reconciling.Look.ABSENT and delivery.attempts > MOST_ATTEMPTS:
        _fail(delivery, "not_taken", gettext_noop("The provider did not take the workout, however often we sent it."))
    elif look == reconciling.Look.ABSENT:
        reconciling.send_again(delivery)
    return look == reconciling.Look.FOUND


def _bring(delivery: Delivery, client: ProviderClient) -> None:
    revision_id, day = delivery.revision_id, delivery.day
    if not delivery.remote_workout_id:
        _create(delivery, client)
    elif delivery.sent_revision_id != revision_id:
        _replace(delivery, client)
    if delivery.sent_day and delivery.sent_day != day:
        _leave_day(delivery, client, delivery.sent_day)
    if day and not delivery.remote_schedule_id:
        _schedule(delivery, client, day)
    _finish(delivery, revision_id, day)


def _create(delivery: Delivery, client: ProviderClient) -> None:
    record = _expressible(delivery)
    credentials.usable(client.connection)  # a renewal takes its time now, not after the mark
    _announce(delivery, create_sent_at=Now(), sent_revision=delivery.revision, absent_looks=0)
    with attempting(delivery, DeliveryAttempt.Step.CREATE):
        try:
            remote_id = client.create_workout(record)
        except errors.IntegrationError as exc:
            if not _is_unknown(exc):
                _keep(delivery, create_sent_at=None, sent_revision=None)
            raise
        _keep(delivery, remote_workout_id=remote_id)


def _replace(delivery: Delivery, client: ProviderClient) -> None:
    """Safe to repeat: the id stays, and with it the calendar entry."""
    record = _expressible(delivery)
    _announce(delivery)
    with attempting(delivery, DeliveryAttempt.Step.UPDATE):
        client.replace_workout(delivery.remote_workout_id, record)
        _keep(delivery, sent_revision=delivery.revision)


def _leave_day(delivery: Delivery, client: ProviderClient, on: date) -> None:
    """It was moved: the entry of its earlier day goes. Safe to repeat, an entry that is gone is done.

    A call that may still put it there is waited for, or else two days would hold it.
    """
    _announce(delivery)
    with attempting(delivery, DeliveryAttempt.Step.UNSCHEDULE) as noted:
        entry = delivery.remote_schedule_id or client.find_schedule(delivery.remote_workout_id, on)
        if entry:
            client.unschedule(entry)
        elif wait := reconciling.settling(delivery, "schedule_sent_at"):
            noted.outcome = "not there yet"
            raise _NotNow(wait)
        else:
            noted.outcome = "not there"
        _keep(delivery, remote_schedule_id="", schedule_sent_at=None, sent_day=None)


def _schedule(delivery: Delivery, client: ProviderClient, on: date) -> None:
    """At most one entry: the calendar is read first, and again for as long as an earlier call may still take effect."""
    if not client.connection.can(Capability.WORKOUTS_SCHEDULE):
        return
    _announce(delivery)
    with attempting(delivery, DeliveryAttempt.Step.SCHEDULE) as noted:
        entry = client.find_schedule(delivery.remote_workout_id, on)
        if entry is not None:
            noted.outcome = "found on the calendar"
            _keep(delivery, remote_schedule_id=entry, sent_day=on)
            return
        if wait := reconciling.settling(delivery, "schedule_sent_at"):
            noted.outcome = "not there yet"
            raise _NotNow(wait)
        _announce(delivery, schedule_sent_at=Now(), sent_day=on)
        try:
            entry = client.schedule(delivery.remote_workout_id, on)
        except errors.IntegrationError as exc:
            if not _is_unknown(exc):
                _keep(delivery, schedule_sent_at=None, sent_day=None)
            raise
        _keep(delivery, remote_schedule_id=entry)


def _finish(delivery: Delivery, revision_id: int, day: date | None) -> None:
    """Delivered, unless a newer revision or another day is wanted by now: then it goes on with that."""
    assert delivery.connection is not None
    recheck = Now() + seconds(timing().delivery_recheck_s)
    with transaction.atomic():
        done = Delivery.objects.filter(
            pk=delivery.pk, lease_token=delivery.lease_token, revision_id=revision_id, day=day
        ).update(
            status=DeliveryStatus.DELIVERED,
            delivered_at=Now(),
            recheck_at=recheck,
            rechecked_at=None,
            lease_token=None,
            lease_until=None,
            error_code="",
            error_detail="",
        )
        if not done:
            _put_off(delivery, timedelta(0))
            return
        audit.record("delivery.delivered", delivery, level=AuditEntry.Level.CHATTER)
        events.publish("delivery.delivered", delivery, connection=delivery.connection)
    metrics.DELIVERIES.labels(_slug(delivery), "delivered").inc()
    if delivery.delivered_at is None:  # a later revision does not count from the athlete's yes
        delivery.refresh_from_db(fields=["delivered_at"])
        took = (delivery.delivered_at or timezone.now()) - delivery.created_at
        metrics.DELIVERY_SECONDS.labels(_slug(delivery)).observe(took.total_seconds())


def _expressible(delivery: Delivery) -> WorkoutRecord:
    """The record to send. UnsupportedError, with the steps in words, when the provider cannot express it."""
    assert delivery.connection is not None
    record = marked(delivery)
    if problems := unsupported(delivery.connection.provider.slug, record):
        words = [in_words(problem) for problem in problems]
        raise errors.UnsupportedError(" ".join(words), context={"problems": words})
    return record


def _announce(delivery: Delivery, **fields: object) -> None:
    """Write ahead of a call, alone, and only while it is wanted; the lease runs anew, so that it outlives the call."""
    mine = Delivery.objects.filter(pk=delivery.pk, lease_token=delivery.lease_token).callable()
    if not mine.update(lease_until=Now() + Delivery.lease(), **fields):
        raise _NoLongerWanted
    delivery.refresh_from_db(fields=["lease_until", *fields])


def _keep(delivery: Delivery, **fields: object) -> None:
    if not delivery.write(**fields):
        raise LeaseLost


def _is_unknown(exc: errors.IntegrationError) -> bool:
    return isinstance(exc, UNKNOWN) or type(exc) is errors.IntegrationError


def _hindered(delivery: Delivery) -> bool:
    """Whether it must not go on; it is then cancelled, or waits for what people have to do. Costs no attempt."""
    connection, link = delivery.connection, delivery.share.link
    if delivery.share.status != ShareStatus.ACCEPTED or link.status != CoachingLink.Status.ACTIVE:
        Delivery.objects.filter(pk=delivery.pk, lease_token=delivery.lease_token).cancel(*NO_LONGER_SHARED)
        return True
    if connection is None or connection.status == Connection.Status.DISCONNECTED:
        Delivery.objects.filter(pk=delivery.pk, lease_token=delivery.lease_token).cancel(*DISCONNECTED)
        return True
    if (obstacle := targeting.obstacle(connection)) and obstacle.code == control.NOT_YET:
        told = {"error_code": obstacle.code, "error_detail": obstacle.words[:500]}
        _put_off(delivery, seconds(timing().not_yet_s), attempts=F("attempts") - 1, **told)
        return True
    if obstacle:
        _block(delivery, *obstacle, attempts=F("attempts") - 1)
        return True
    return False


def _after(delivery: Delivery, exc: errors.IntegrationError) -> None:
    """The one place that says what an error means for a delivery."""
    code, words = _told(delivery, exc)
    over = delivery.attempts >= MOST_ATTEMPTS
    if isinstance(exc, errors.AuthenticationError) and not over:
        _block(delivery, code, words)
    elif _in_doubt(delivery) and (_is_unknown(exc) or exc.retryable):
        _doubt(delivery, exc, error_code=code, error_detail=words)
    elif exc.halted:
        wait = seconds(exc.retry_after or timing().delivery_retry_s[0])
        _put_off(delivery, wait, attempts=F("attempts") - 1, error_code=code, error_detail=words)
    elif (exc.retryable or isinstance(exc, PASSING)) and not over:
        _put_off(delivery, _delay(delivery, exc), error_code=code, error_detail=words)
    else:
        _fail(delivery, code, words)


def _in_doubt(delivery: Delivery) -> bool:
    return delivery.create_sent_at is not None and not delivery.remote_workout_id


def _doubt(delivery: Delivery, exc: errors.IntegrationError, **told: str) -> None:
    """Sent, and nobody knows: look soon. A look that fails costs no attempt; waits grow with the time that passed."""
    shortest, longest = timing().delivery_retry_s[0], timing().delivery_retry_s[-1]
    age = (timezone.now() - delivery.create_sent_at).total_seconds() if delivery.create_sent_at else 0
    wait = max(min(max(age / 4, shortest), longest), exc.retry_after or 0)
    looked = {"attempts": F("attempts") - 1} if delivery.status == DeliveryStatus.UNCERTAIN else {}
    if delivery.settle(status=DeliveryStatus.UNCERTAIN, next_attempt_at=Now() + seconds(wait), **looked, **told):
        metrics.DELIVERIES.labels(_slug(delivery), "uncertain").inc()


def _block(delivery: Delivery, code: str, words: str, **fields: object) -> None:
    if delivery.settle(status=DeliveryStatus.BLOCKED, error_code=code, error_detail=words[:500], **fields):
        metrics.DELIVERIES.labels(_slug(delivery), "blocked").inc()


def _put_off(delivery: Delivery, wait: timedelta, **fields: object) -> None:
    """Due again after `wait`, in the state it goes on from."""
    status = DeliveryStatus.UNCERTAIN if _in_doubt(delivery) else DeliveryStatus.PENDING
    delivery.settle(status=status, next_attempt_at=Now() + wait, **fields)


def _fail(delivery: Delivery, code: str, words: str) -> None:
    with transaction.atomic():
        if not delivery.settle(status=DeliveryStatus.FAILED, error_code=code, error_detail=words[:500]):
            raise LeaseLost
        audit.record("delivery.failed", delivery, outcome=AuditEntry.Outcome.FAILURE, reason=code)
        events.publish("delivery.failed", delivery, connection=delivery.connection, code=code)
    metrics.DELIVERIES.labels(_slug(delivery), "failed").inc()


def _told(delivery: Delivery, exc: errors.IntegrationError) -> tuple[str, str]:
    """Code and words for people; a provider's own prose is in neither."""
    if isinstance(exc, errors.NotFoundError) and delivery.remote_workout_id:
        return GONE, GONE_WORDS
    if isinstance(exc, errors.AuthenticationError):
        return "needs_login", exc.advice
    said_already = isinstance(exc, errors.UnsupportedError | errors.IntegrationDisabled)
    words = exc.message if said_already else exc.advice
    return exc.code[:40], words[:500]


def _delay(delivery: Delivery, exc: errors.IntegrationError) -> timedelta:
    own = step(timing().delivery_retry_s, delivery.attempts)
    return max(own, seconds(exc.retry_after)) if exc.retry_after else own


def _slug(delivery: Delivery) -> str:
    return delivery.connection.provider.slug if delivery.connection else ""
