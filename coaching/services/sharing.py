"""Offering workouts to athletes, and what becomes of an offer."""

from collections.abc import Sequence
from datetime import date, timedelta
from typing import NamedTuple

from django.db import transaction
from django.db.models import Q
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.translation import gettext, gettext_noop

from accounts import audit
from accounts.models import User
from coaching import tasks
from coaching.models import CoachingLink, Delivery, DeliveryStatus, Share, ShareStatus, WorkoutRevision
from coaching.models.delivery import NO_ERROR, RESUMED
from coaching.plain import plain_text
from coaching.services import delivering, targeting
from integrations import bell, errors, events
from integrations.client import unsupported, warnings
from integrations.models import Connection
from integrations.shortcomings import in_words
from integrations.wording import told

MOST_A_DAY = 2000
DAY = timedelta(days=1)
LONGEST_MESSAGE = 1000
WITHDRAWN = ("withdrawn", gettext_noop("The coach withdrew the workout."))
DECLINED = ("declined", gettext_noop("The athlete declined the workout."))

type Target = tuple[CoachingLink, date | None]


class Check(NamedTuple):
    """What sharing with one athlete would come to: "ready", "warning" (it waits) or "blocked" (it is refused).

    `caution` is what may go wrong behind the account, on the watch.
    """

    link: CoachingLink
    state: str
    reason: str = ""
    caution: str = ""


def preflight(revision: WorkoutRevision, links: Sequence[CoachingLink]) -> list[Check]:
    """One answer per link, in their order, without a call."""
    found = targeting.targets(link.athlete_id for link in links)
    slugs = {target.provider.slug for target in found.values()}
    refusals = {slug: _refusal(slug, revision) for slug in slugs}
    cautioned = {slug: caution(slug, revision) for slug in slugs}
    return [_check(link, found.get(link.athlete_id), refusals, cautioned) for link in links]


def caution(slug: str, revision: WorkoutRevision) -> str:
    """What a provider takes of it though a watch may not; empty when there is nothing to say."""
    return " ".join(told(in_words(problem)) for problem in warnings(slug, revision.record))


@transaction.atomic
def share_workout(revision: WorkoutRevision, *, targets: Sequence[Target], by: User, message: str = "") -> int:
    """Offer `revision` once per link and day; returns how many athletes get something new.

    An offer that already stands is left alone, unless it is of another revision: then this one replaces it, also in the
    athlete's account. Links that are not active or not of `by` are passed over. ThrottledError past the day's limit.
    """
    User.objects.select_for_update(no_key=True).get(pk=by.pk)  # two posts at once count together
    wanted = _still_active(targets, by)
    renewed = _renew(revision, wanted)
    offered = _offer(revision, wanted, plain_text(message, most=LONGEST_MESSAGE))
    _keep_to_the_limit(by)
    delivering.begin([share for share in offered if share.status == ShareStatus.ACCEPTED])
    events.publish_each("workout.shared", offered)
    events.publish_each("workout.shared", renewed, again=True)
    if told := len(offered) + len(renewed):
        audit.record("workout.shared", revision.workout, actor=by, revision=revision.number, athletes=told)
    return told


def accept(share: Share, by: User) -> Delivery | None:
    """The athlete takes it: its one delivery, however often and in parallel this is called. None: no longer shared."""
    with transaction.atomic():
        if _answer(share, by, ShareStatus.ACCEPTED, only_from=[ShareStatus.OFFERED]):
            share.refresh_from_db(fields=["scheduled_for", "revision"])  # ours now: nobody moves it before the commit
            delivering.begin([share])
            audit.record("share.accepted", share, actor=by)
            events.publish("share.accepted", share)
    current = Share.objects.select_related("link").get(pk=share.pk)
    if current.status != ShareStatus.ACCEPTED or not current.stands or current.link.athlete_id != by.pk:
        return None
    return current.delivery


@transaction.atomic
def decline(share: Share, by: User) -> bool:
    """Safe to run twice. What is already in the account stays there."""
    arrived = Delivery.objects.filter(share=share, status=DeliveryStatus.DELIVERED).exists()
    if arrived or not _answer(share, by, ShareStatus.DECLINED, only_from=[ShareStatus.OFFERED, ShareStatus.ACCEPTED]):
        return False
    Delivery.objects.filter(share=share).cancel(*DECLINED)
    audit.record("share.declined", share, actor=by)
    events.publish("share.declined", share)
    return True


@transaction.atomic
def withdraw(share: Share, by: User, *, remove_remote: bool = False) -> bool:
    """The coach takes it back, nothing more is sent; with `remove_remote` our copy leaves the athlete's account."""
    own = Share.objects.for_coach(by).standing().filter(pk=share.pk)
    if not own.update(status=ShareStatus.WITHDRAWN, responded_at=Now()):
        return False
    deliveries = Delivery.objects.filter(share=share)
    deliveries.cancel(*WITHDRAWN)
    if remove_remote:
        deliveries.take_back(*WITHDRAWN)
    bell.ring(tasks.tick_deliveries)
    audit.record("share.withdrawn", share, actor=by, remove_remote=remove_remote)
    events.publish("share.withdrawn", share)
    return True


def _check(link: CoachingLink, target: Connection | None, refusals: dict[str, str], cautioned: dict[str, str]) -> Check:
    slug = target.provider.slug if target else ""
    if refusal := refusals.get(slug):
        return Check(link, "blocked", refusal)
    words = cautioned.get(slug, "")
    if obstacle := targeting.obstacle(target):
        return Check(
            link,
            "warning",
            gettext("%(obstacle)s The workout waits until then.") % {"obstacle": told(obstacle.words)},
            words,
        )
    return Check(link, "ready", caution=words)


def _refusal(slug: str, revision: WorkoutRevision) -> str:
    problems = unsupported(slug, revision.record)
    if not problems:
        return ""
    more = gettext(" (%(n)s more)") % {"n": len(problems) - 1} if len(problems) > 1 else ""
    return told(in_words(problems[0])) + more


def _still_active(targets: Sequence[Target], by: User) -> list[Target]:
    """The targets whose links are active now, and stay so until the commit."""
    ids = {link.pk for link, _ in targets}
    links = CoachingLink.objects.active().filter(coach=by, pk__in=ids).order_by("pk")
    locked = {link.pk: link for link in links.select_for_update(no_key=True)}
    return [(locked[link.pk], on) for link, on in targets if link.pk in locked]


def _offer(revision: WorkoutRevision, targets: Sequence[Target], message: str) -> list[Share]:
    """The new ones only; for links that import by themselves already accepted."""
    rows = [
        Share(
            link=link,
            workout_id=revision.workout_id,
            revision=revision,
            status=ShareStatus.ACCEPTED if link.auto_import else ShareStatus.OFFERED,
            responded_at=timezone.now() if link.auto_import else None,
            message=message,
            scheduled_for=on,
        )
        for link, on in targets
    ]
    Share.objects.bulk_create(rows, ignore_conflicts=True)
    return list(Share.objects.filter(public_id__in=[row.public_id for row in rows]).select_related("link"))


def _renew(revision: WorkoutRevision, targets: Sequence[Target]) -> list[Share]:
    """Standing offers of another revision of the workout now offer this one, and copies in accounts are replaced."""
    days = {(link.pk, on) for link, on in targets}
    standing = Share.objects.standing().filter(workout=revision.workout_id, link__in=[link for link, _ in targets])
    outdated = standing.exclude(revision=revision).select_related("link").select_for_update(of=("self",))
    shares = [share for share in outdated if (share.link_id, share.scheduled_for) in days]
    ids = [share.pk for share in shares]
    Share.objects.filter(pk__in=ids).update(revision=revision)
    copies = Delivery.objects.filter(share__in=ids).exclude(status=DeliveryStatus.CANCELLED)
    copies.update(revision=revision)
    over = Q(status=DeliveryStatus.DELIVERED) | Q(status=DeliveryStatus.FAILED)
    moved = copies.filter(over).update(status=RESUMED, next_attempt_at=Now(), attempts=0, crashes=0, **NO_ERROR)
    if moved:
        delivering.set_off(copies.due().values_list("pk", flat=True))
    return shares


def _keep_to_the_limit(coach: User) -> None:
    """Counts what this transaction has just added; raising undoes it."""
    recent = Share.objects.for_coach(coach).filter(created_at__gt=Now() - DAY)
    if recent.count() > MOST_A_DAY:
        oldest = recent.order_by("created_at").values_list("created_at", flat=True)[0]
        wait = (oldest + DAY - timezone.now()).total_seconds()
        words = gettext(
            "You have shared %(most)s workouts within a day, the limit. Nothing was shared now; go on later."
        ) % {"most": MOST_A_DAY}
        raise errors.ThrottledError(words, code="share_limit", retry_after=max(wait, 60))


def _answer(share: Share, by: User, status: ShareStatus, *, only_from: list[ShareStatus]) -> bool:
    active = CoachingLink.objects.active().filter(athlete=by)
    mine = Share.objects.filter(pk=share.pk, status__in=only_from, link__in=active)
    return bool(mine.update(status=status, responded_at=Now()))
