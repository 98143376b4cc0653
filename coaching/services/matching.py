"""Which activity belongs to which planned workout.

What a day's matches are follows from the rows as they stand, so any order of arrival, edits and deletions ends the
same. A person's own decision stays until he takes it back, or what he decided on is gone.
"""

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from django.db import connection as database
from django.db import transaction
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext

from accounts import audit
from accounts.models import User
from coaching import compliance
from coaching.families import family_of
from coaching.models import Activity, Delivery, Match, Share, ShareStatus
from integrations import errors

LOCKS = 5_418  # the first half of our advisory locks, the athlete's id is the second
MOST_STEPS = 10
FARTHEST = math.log(3)  # a third or three times as long is something else
STANDING = (ShareStatus.OFFERED, ShareStatus.ACCEPTED)
COMPARED = ["activity_id", "how", "basis", "planned", "done", "percent"]


@dataclass(frozen=True, slots=True)
class Scene:
    """All that may belong together: plans that stand and live activities that touch the days in question."""

    athlete_id: int
    days: Collection[date]
    shares: Mapping[int, Share]
    activities: Mapping[int, Activity]
    links: Mapping[int, int]  # activity → share, by what the provider says


@transaction.atomic
def match_days(athlete_id: int, days: Iterable[date]) -> int:
    """Bring the matches of these days up to date. Returns how many changed. Safe to run twice, in parallel too."""
    take_turn(athlete_id)
    scene = _scene(athlete_id, set(days))
    stored = _stored(scene)
    decided = {pk: match for pk, match in stored.items() if match.how == Match.How.MANUAL and _holds(match, scene)}
    return _write(stored, {**_wanted(scene, decided), **_measured(decided, scene)})


def take_turn(athlete_id: int) -> None:
    """Whoever decides on one athlete's matches or pairs waits for whoever does so, until the transaction's end.

    Take it before any row: all do, so nobody waits in a circle.
    """
    with database.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s, %s)", [LOCKS, athlete_id % 2**31])


@transaction.atomic
def rematch(share: Share, activity: Activity, *, by: User) -> Match:
    """`activity` is what was done of `share`, because somebody says so.

    ValidationError for somebody else's, and for a plan that was withdrawn.
    """
    if activity.athlete_id != share.link.athlete_id:
        raise errors.ValidationError(gettext("This activity is somebody else's."), code="not_yours")
    if share.status == ShareStatus.WITHDRAWN:
        raise errors.ValidationError(gettext("This workout was withdrawn."), code="withdrawn")
    take_turn(activity.athlete_id)
    days = _free(Q(share=share) | Q(activity=activity)) | _days(share, activity)
    Match.objects.create(share=share, activity=activity, how=Match.How.MANUAL)
    audit.record("share.matched", share, actor=by, activity=str(activity.public_id))
    match_days(activity.athlete_id, days)  # which measures it, too
    return Match.objects.get(share=share)


@transaction.atomic
def unlink(share: Share, *, by: User) -> None:
    """None of the activities belongs to `share`, because somebody says so. Safe to run twice."""
    take_turn(share.link.athlete_id)
    days = _free(Q(share=share)) | _days(share)
    Match.objects.create(share=share, activity=None, how=Match.How.MANUAL)
    audit.record("share.unlinked", share, actor=by)
    match_days(share.link.athlete_id, days)


@transaction.atomic
def decide_by_itself(share: Share, *, by: User) -> None:
    """Take the decision back: it is matched by link or day again."""
    take_turn(share.link.athlete_id)
    days = _free(Q(share=share, how=Match.How.MANUAL)) | _days(share)
    audit.record("share.match_undone", share, actor=by)
    match_days(share.link.athlete_id, days)


def follow(into: Mapping[int, int]) -> None:
    """What a person matched stays matched when it is merged into another; `into` says by ids what goes into what."""
    rows = Match.objects.filter(activity__in=into, how=Match.How.MANUAL)
    for match in sorted(rows, key=lambda row: row.share_id):
        taken = Match.objects.filter(activity=into[match.activity_id or 0])
        if not taken.filter(how=Match.How.MANUAL).exists():
            taken.delete()
            Match.objects.filter(pk=match.pk).update(activity=into[match.activity_id or 0])


def _free(which: Q) -> set[date]:
    """Drop these matches. Returns the days on which something is free again."""
    rows = list(Match.objects.filter(which).select_related("share", "activity"))
    Match.objects.filter(pk__in=[match.pk for match in rows]).delete()
    return {day for match in rows for day in _days(match.share, match.activity)}


def _days(share: Share, activity: Activity | None = None) -> set[date]:
    return {day for day in (share.scheduled_for, activity and activity.day) if day}


def _scene(athlete_id: int, days: set[date]) -> Scene:
    """The days, and all that hangs on them by a link or a match, until nothing new does."""
    shares: dict[int, Share] = {}
    activities: dict[int, Activity] = {}
    links: dict[int, int] = {}
    for _ in range(MOST_STEPS):
        before = (len(shares), len(activities), len(days))
        shares |= {row.pk: row for row in _shares(athlete_id, days, set(links.values()) | set(shares), activities)}
        activities |= {row.pk: row for row in _activities(athlete_id, days, shares)}
        links = _links(athlete_id, activities)
        days = days | {share.scheduled_for for share in shares.values() if share.scheduled_for}
        days |= {activity.day for activity in activities.values()}
        if before == (len(shares), len(activities), len(days)) and set(links.values()) <= shares.keys():
            break
    return Scene(athlete_id, days, shares, activities, links)


def _stored(scene: Scene) -> dict[int, Match]:
    """The matches that may have to change. One of a plan that stands beyond the scene is none of them."""
    touched = Q(share__in=scene.shares) | Q(activity__in=scene.activities)
    touched |= Q(share__link__athlete=scene.athlete_id, share__scheduled_for__in=scene.days)
    rows = Match.objects.filter(touched).select_related("share__revision")
    return {
        match.share_id: match
        for match in rows
        if match.share_id in scene.shares or match.how == Match.How.MANUAL or match.share.status not in STANDING
    }


def _holds(match: Match, scene: Scene) -> bool:
    """Whether what a person decided on is still there. Who declined may have done it all the same."""
    is_there = match.activity_id is None or match.activity_id in scene.activities
    return is_there and match.share.status != ShareStatus.WITHDRAWN


def _measured(decided: Mapping[int, Match], scene: Scene) -> dict[int, Match]:
    """What a person decided, with the figures of today: both the plan and the activity may have been edited."""
    found = {}
    for pk, match in decided.items():
        activity = scene.activities[match.activity_id] if match.activity_id else None
        measured = compliance.measure(match.share.revision, activity) if activity else {}
        found[pk] = Match(share_id=pk, activity=activity, how=match.how, **measured)
    return found


def _shares(athlete_id: int, days: Collection[date], ids: Collection[int], done: Collection[int]) -> Iterable[Share]:
    touched = Q(scheduled_for__in=days) | Q(pk__in=ids) | Q(match__activity__in=list(done))
    touched |= Q(match__activity__day__in=days)  # also of what is gone by now
    return Share.objects.filter(touched, link__athlete=athlete_id, status__in=STANDING).select_related("revision")


def _activities(athlete_id: int, days: Collection[date], shares: Collection[int]) -> Iterable[Activity]:
    copies = Delivery.objects.filter(share__in=list(shares)).exclude(remote_workout_id="")
    linked = copies.values("remote_workout_id")
    touched = Q(day__in=days) | Q(workout_id__in=linked) | Q(match__share__in=list(shares))
    touched |= Q(match__share__scheduled_for__in=days)  # of a plan that was withdrawn, too: it is free again
    return Activity.objects.live().filter(touched, athlete=athlete_id)


def _links(athlete_id: int, activities: Mapping[int, Activity]) -> dict[int, int]:
    """What the source itself says: this was done from that workout, in the same account."""
    named = {(row.connection_id, row.workout_id): row.pk for row in activities.values() if row.workout_id}
    copies = Delivery.objects.filter(
        share__link__athlete=athlete_id,
        share__status__in=STANDING,
        remote_workout_id__in={workout_id for _, workout_id in named},
    ).exclude(status="cancelled")
    share_of = {(row.connection_id, row.remote_workout_id): row.share_id for row in copies.order_by("pk")}
    return {
        row.pk: share_of[key]
        for row in activities.values()
        if row.workout_id and (key := (row.connection_id, row.workout_id)) in share_of
    }


def _wanted(scene: Scene, decided: Mapping[int, Match]) -> dict[int, Match]:
    taken = {match.activity_id for match in decided.values() if match.activity_id}
    free = {pk: share for pk, share in scene.shares.items() if pk not in decided}
    left = {pk: activity for pk, activity in scene.activities.items() if pk not in taken}
    linked = _best(
        [(_distance(free[share], left[pk]), free[share], left[pk])
         for pk, share in scene.links.items() if pk in left and share in free]
    )  # fmt: skip
    done = {activity.pk for activity in linked.values()}
    rest = [activity for pk, activity in left.items() if pk not in done and pk not in scene.links]
    by_day = _best(_candidates([share for pk, share in free.items() if pk not in linked], rest))
    return {
        pk: Match(share_id=pk, activity=activity, how=how, **compliance.measure(free[pk].revision, activity))
        for how, found in ((Match.How.LINK, linked), (Match.How.DAY, by_day))
        for pk, activity in found.items()
    }


def _candidates(shares: Sequence[Share], activities: Sequence[Activity]) -> list[tuple[float, Share, Activity]]:
    found = []
    for share in shares:
        for activity in activities:
            same_sport = family_of(share.revision.sport) == family_of(activity.sport)
            if share.scheduled_for == activity.day and same_sport:
                found.append((_difference(share, activity), share, activity))
    return [candidate for candidate in found if candidate[0] <= FARTHEST]


def _best(candidates: Iterable[tuple[float, Share, Activity]]) -> dict[int, Activity]:
    """The closest first, each once; equal ones in an order that no arrival changes."""
    found: dict[int, Activity] = {}
    taken: set[int] = set()
    for _, share, activity in sorted(candidates, key=_rank):
        if share.pk not in found and activity.pk not in taken:
            found[share.pk] = activity
            taken.add(activity.pk)
    return found


def _rank(candidate: tuple[float, Share, Activity]) -> tuple[object, ...]:
    distance, share, activity = candidate
    return (distance, share.pk, activity.started_at, activity.source, activity.external_id)


def _distance(share: Share, activity: Activity) -> float:
    """Of several runs of one workout the one nearest to its day counts."""
    return abs((activity.day - share.scheduled_for).days) if share.scheduled_for else 0


def _difference(share: Share, activity: Activity) -> float:
    """How far the lengths are apart; 0 where one of them is not known."""
    planned = compliance.planned_of(share.revision)
    done = compliance.done_of(activity, planned[0]) if planned else None
    return abs(math.log(done / planned[1])) if planned and done else 0.0


def _write(stored: Mapping[int, Match], wanted: Mapping[int, Match]) -> int:
    """Only what differs; what goes, goes first: an activity is in one match at a time."""
    differ = {pk for pk, match in wanted.items() if pk not in stored or _columns(stored[pk]) != _columns(match)}
    gone = [stored[pk].pk for pk in stored if pk not in wanted or pk in differ]
    Match.objects.filter(pk__in=gone).delete()
    Match.objects.filter(activity__in=[wanted[pk].activity_id for pk in differ]).delete()
    now = timezone.now()
    for pk in differ:
        wanted[pk].matched_at = now
    Match.objects.bulk_create([wanted[pk] for pk in sorted(differ)])
    return len(differ) + len(set(stored) - set(wanted))


def _columns(match: Match) -> list[object]:
    return [getattr(match, name) for name in COMPARED]
