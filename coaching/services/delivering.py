"""The life of deliveries as far as it needs no call: begin, go on, try again, cancel. `sending` makes the calls."""

from collections.abc import Iterable, Sequence

from django.db import transaction
from django.db.models.functions import Now
from django.utils.translation import gettext_noop

from accounts import audit
from accounts.models import User
from coaching import tasks
from coaching.models import CoachingLink, Delivery, DeliveryStatus, Share
from coaching.models.delivery import NO_ERROR, RESUMED
from coaching.services import reconciling, targeting
from coaching.services.sending import GONE
from integrations import bell, control, tracing
from integrations.models import Connection

FEW = 20  # deliveries that get a message each; more are found by one sweep
DISCONNECTED = ("disconnected", gettext_noop("The account was disconnected before the workout got there."))


def begin(shares: Sequence[Share]) -> None:
    """A delivery for each of these accepted shares that has none; in the caller's transaction, safe to run twice."""
    found = targeting.targets(share.link.athlete_id for share in shares)
    rows = [_delivery(share, found.get(share.link.athlete_id)) for share in shares]
    Delivery.objects.bulk_create(rows, ignore_conflicts=True)
    set_off(Delivery.objects.due().filter(share__in=[share.pk for share in shares]).values_list("pk", flat=True))


def set_off(delivery_ids: Iterable[int]) -> None:
    """Ring for due deliveries after the commit."""
    ids = list(delivery_ids)
    if len(ids) > FEW:
        bell.ring(tasks.tick_deliveries)
        return
    for pk in ids:
        bell.ring(tasks.deliver, pk)


def retry(delivery: Delivery, by: User) -> bool:
    """Try one again where `may_retry`. False: there is nothing to try, or it is not for `by` to decide."""
    share = Share.objects.select_related("link").get(pk=delivery.share_id)
    if not may_retry(delivery, share, by):
        return False
    with transaction.atomic():
        again = _restart(delivery, share)
        if again:
            audit.record("delivery.retried", delivery, actor=by, was=delivery.error_code)
    return again


def may_retry(delivery: Delivery, share: Share, by: User) -> bool:
    """Whether `by` can have it tried again: exactly then pages offer the button.

    It failed, or its account was disconnected before it got there. A copy that the athlete deleted is made anew only
    when the athlete asks; what operations stopped, only they set going again.
    """
    if not share.stands or not _concerns(share.link, by):
        return False
    if delivery.status == DeliveryStatus.CANCELLED:
        return by.is_staff or delivery.error_code == DISCONNECTED[0]
    deleted_there = delivery.error_code == GONE and by.pk == share.link.coach_id
    return delivery.status == DeliveryStatus.FAILED and not deleted_there


def cancel_for(connection: Connection) -> int:
    """Its account is no longer ours to write to."""
    return Delivery.objects.filter(connection=connection).cancel(*DISCONNECTED)


def resume_for(connection: Connection) -> None:
    """The account works again: what waited for it goes on at once."""
    if reconciling.release_for(connection):
        set_off(Delivery.objects.due().filter(connection=connection).values_list("pk", flat=True))


def ask_again() -> int:
    """Copies for people who were not in yet are due once every process knows the flags anew."""
    waiting = Delivery.objects.filter(status=DeliveryStatus.PENDING, error_code=control.NOT_YET)
    return waiting.update(next_attempt_at=Now() + control.KNOWN_EVERYWHERE)


def _delivery(share: Share, connection: Connection | None) -> Delivery:
    obstacle = targeting.obstacle(connection)
    people_must_act = obstacle and obstacle.code != control.NOT_YET
    return Delivery(
        share=share,
        connection=connection,
        revision_id=share.revision_id,
        day=share.scheduled_for,
        status=DeliveryStatus.BLOCKED if people_must_act else DeliveryStatus.PENDING,
        error_code=obstacle.code if obstacle else "",
        error_detail=obstacle.words if obstacle else "",
        trace_id=tracing.current_trace_id(),
    )


def _concerns(link: CoachingLink, by: User) -> bool:
    return by.is_staff or by.pk in (link.coach_id, link.athlete_id)


def _restart(delivery: Delivery, share: Share) -> bool:
    connection = delivery.connection
    if delivery.status == DeliveryStatus.CANCELLED or connection is None or connection.status == "disconnected":
        return _start_anew(delivery, share)
    anew = {"remote_workout_id": "", "remote_schedule_id": "", "create_sent_at": None, "schedule_sent_at": None}
    gone = anew | {"sent_revision": None, "sent_day": None} if delivery.error_code == GONE else {}
    failed = Delivery.objects.filter(pk=delivery.pk, status=DeliveryStatus.FAILED, error_code=delivery.error_code)
    moved = failed.update(
        status=DeliveryStatus.PENDING if gone else RESUMED,
        next_attempt_at=Now(),
        attempts=0,
        crashes=0,
        absent_looks=0,
        **NO_ERROR,
        **gone,
    )
    if moved:
        set_off([delivery.pk])
    return bool(moved)


def _start_anew(delivery: Delivery, share: Share) -> bool:
    """The old way is closed: another row, on the athlete's account of today."""
    Delivery.objects.filter(pk=delivery.pk, status=DeliveryStatus.FAILED).update(status=DeliveryStatus.CANCELLED)
    if share.deliveries.exclude(status=DeliveryStatus.CANCELLED).exists():
        return False
    begin([Share.objects.select_related("link").select_for_update(of=("self",), no_key=True).get(pk=share.pk)])
    return True
