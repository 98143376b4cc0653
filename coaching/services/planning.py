"""Changing the plan: a session gets another day, a week is copied to a group."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext

from accounts import audit
from accounts.models import User
from coaching.models import CoachingLink, Delivery, DeliveryStatus, Match, Share, ShareStatus, WorkoutRevision
from coaching.models.delivery import NO_ERROR, RESUMED
from coaching.services import delivering, sharing
from coaching.services.sending import GONE
from coaching.weeks import WEEK, today_of
from integrations import errors, events

FURTHEST = timedelta(days=366)
MOST_COPIES = 1000


@dataclass(frozen=True, slots=True)
class Copy:
    """One workout of a copied week, for one athlete; `stands` when he has it on that day already."""

    link: CoachingLink
    revision: WorkoutRevision
    day: date
    stands: bool


@transaction.atomic
def move(share: Share, on: date, *, by: User) -> bool:
    """Give a planned workout another day of the athlete's calendar; its copy in the athlete's account follows.

    False: it is on that day already. NotFoundError when it is no longer shared, or not `by`'s; ValidationError for a
    day that is over or too far, and for what is done; ConflictError when the workout stands on that day already.
    """
    links = CoachingLink.objects.for_user(by).active()
    mine = Share.objects.standing().filter(pk=share.pk, link__in=links).select_related("link__athlete", "link__coach")
    found = mine.select_for_update(of=("self",), no_key=True).first()
    if found is None:
        raise errors.NotFoundError(gettext("This workout is no longer shared."), code="share_gone")
    was = found.scheduled_for
    if was == on:
        return False
    _refuse_impossible(found, on)
    _put_on(found, on)
    _follow(found, on)
    days: dict[str, Any] = {"was": was.isoformat()} if was else {}
    audit.record("share.moved", found, actor=by, on=on.isoformat(), **days)
    events.publish("share.moved", found, by=by.pk, on=on.isoformat(), **days)
    return True


def copies(source: CoachingLink, monday: date, targets: Sequence[CoachingLink], to_monday: date) -> list[Copy]:
    """What copying a week would come to, athlete by athlete and day by day. Nothing is changed.

    A workout goes out as it is now; one that left the library stays out. The source itself gets a copy only in
    another week.
    """
    planned = (
        Share.objects.standing()
        .filter(link=source, scheduled_for__range=(monday, monday + WEEK - timedelta(days=1)))
        .exclude(workout__current=None)
        .exclude(workout__archived_at__isnull=False)
        .select_related("workout__current")
        .order_by("scheduled_for", "pk")
    )
    wanted = {(share.scheduled_for, share.workout_id): share.workout.current for share in planned}
    offset = to_monday - monday
    links = [link for link in targets if link.pk != source.pk or offset]
    standing = set(
        Share.objects.standing()
        .filter(link__in=links, workout__in={workout_id for _, workout_id in wanted})
        .filter(scheduled_for__range=(to_monday, to_monday + WEEK))
        .values_list("link_id", "workout_id", "scheduled_for")
    )
    return [
        Copy(link, revision, day + offset, (link.pk, workout_id, day + offset) in standing)
        for link in links
        for (day, workout_id), revision in wanted.items()
        if day and revision and day + offset >= today_of(link.athlete)
    ]


@transaction.atomic
def copy_week(rows: Sequence[Copy], *, by: User) -> int:
    """Offer what the list says and what does not stand yet: all of it or nothing. Returns how many offers are new.

    Copies into accounts go through the delivery queue. ThrottledError past the day's limit, ValidationError for more
    than can go at once. Safe to run twice.
    """
    if len(rows) > MOST_COPIES:
        words = gettext("That is %(n)s workouts; at most %(most)s go at once. Choose a smaller group.") % {
            "n": len(rows),
            "most": MOST_COPIES,
        }
        raise errors.ValidationError(words, code="most_copies")
    by_revision: defaultdict[WorkoutRevision, list[tuple[CoachingLink, date | None]]] = defaultdict(list)
    for row in rows:
        if not row.stands:
            by_revision[row.revision].append((row.link, row.day))
    return sum(sharing.share_workout(revision, targets=targets, by=by) for revision, targets in by_revision.items())


def _refuse_impossible(share: Share, on: date) -> None:
    today = today_of(share.link.athlete)
    if on < today:
        raise errors.ValidationError(
            gettext("That day is over for the athlete. Choose today or a later day."), code="day_over"
        )
    if on > today + FURTHEST:
        raise errors.ValidationError(gettext("Choose a day within a year."), code="day_far")
    if Match.objects.filter(share=share, activity__isnull=False).exists():
        raise errors.ValidationError(gettext("It is done, so it stays on its day."), code="done")


def _put_on(share: Share, on: date) -> None:
    try:
        with transaction.atomic():
            Share.objects.filter(pk=share.pk).update(scheduled_for=on)
    except IntegrityError:
        raise errors.ConflictError(gettext("The same workout stands on that day already."), code="day_taken") from None
    share.scheduled_for = on


def _follow(share: Share, on: date) -> None:
    """Whoever sends the copy reads the day off its row; what had arrived is taken up again.

    A copy that was deleted at the provider is not: it is made anew only when the athlete asks.
    """
    if share.status != ShareStatus.ACCEPTED:
        return
    copies = Delivery.objects.filter(share=share).exclude(status=DeliveryStatus.CANCELLED)
    copies.update(day=on)
    stuck = Q(status=DeliveryStatus.FAILED) & ~Q(sent_day=None) & ~Q(error_code=GONE)
    arrived = copies.filter(Q(status=DeliveryStatus.DELIVERED) | stuck)
    if arrived.update(status=RESUMED, next_attempt_at=Now(), attempts=0, crashes=0, **NO_ERROR):
        delivering.set_off(copies.due().values_list("pk", flat=True))
