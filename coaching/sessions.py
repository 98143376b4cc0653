"""What was planned and what was done, day by day: the one way in which pages, feeds and the API read a week."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from enum import StrEnum

from django.db.models import F, Q, QuerySet
from django.utils.translation import gettext, gettext_noop

from accounts.models import User
from coaching import compliance
from coaching.compliance import Bands, Verdict
from coaching.models import Activity, CoachingLink, Match, Share, ShareStatus

SHOWN = (ShareStatus.OFFERED, ShareStatus.ACCEPTED, ShareStatus.DECLINED)
type Days = dict[tuple[int, date], list["Session"]]


class SessionState(StrEnum):
    OFFERED = "offered"
    PLANNED = "planned"
    DONE = "done"
    MISSED = "missed"
    UNPLANNED = "unplanned"
    DECLINED = "declined"


_LISTED_OF_SHARE = (
    "public_id", "link", "status", "scheduled_for", "decline_reason", "revision__name",
    "match__share", "match__activity", "match__percent",
)  # fmt: skip
_LISTED_OF_ACTIVITY = ("athlete", "day", "sport", "name", "started_at", "match__share", "match__activity")
_BANDS = ("near_from", "on_from", "on_to", "near_to")
WORDS = {
    SessionState.OFFERED: gettext_noop("Not answered yet"),
    SessionState.PLANNED: gettext_noop("Planned"),
    SessionState.DONE: gettext_noop("Done"),
    SessionState.MISSED: gettext_noop("Missed"),
    SessionState.UNPLANNED: gettext_noop("Not planned"),
    SessionState.DECLINED: gettext_noop("Declined"),
}


@dataclass(frozen=True, slots=True)
class Session:
    """A planned workout with what was done of it, or something done without a plan.

    `activity` is there only where the viewer may see it; that the session was done is told in any case.
    """

    day: date
    athlete_id: int
    share: Share | None
    activity: Activity | None
    match: Match | None
    state: SessionState
    verdict: Verdict | None = None

    @property
    def word(self) -> str:
        if self.state == SessionState.DONE and self.verdict:
            return f"{gettext(self.verdict.word)}, {self.percent} %"
        if self.state == SessionState.DECLINED and self.share and self.share.decline_reason:
            return gettext("Called off: %(reason)s") % {"reason": self.share.get_decline_reason_display()}
        return gettext(WORDS[self.state])

    @property
    def percent(self) -> int | None:
        return self.match.percent if self.match else None


def between(viewer: User, athlete_ids: Sequence[int], first: date, last: date) -> Days:
    """By (athlete's id, day), in the order of planning and doing. Two queries, whatever the number of athletes."""
    shares = list(_planned(viewer, athlete_ids, first, last))
    activities = list(_done(viewer, athlete_ids, first, last))
    return _by_day(shares, activities, compliance.bands_with(share.link.coach for share in shares))


def of_links(coach: User, links: Sequence[CoachingLink], first: date, last: date) -> Days:
    """As `between`, of active links that were read with their athletes: for lists of many.

    Read are only names, sports, states and percents; a model costs as much time as all of its columns together.
    """
    known = {link.pk: link for link in links}
    shares = list(_planned_in(known, first, last))
    for share in shares:
        share.link = known[share.link_id]
    activities = list(_done(coach, [link.athlete_id for link in links], first, last).only(*_LISTED_OF_ACTIVITY))
    return _by_day(shares, activities, {coach.pk: _bands_beside(shares)})


def _by_day(shares: Iterable[Share], activities: Iterable[Activity], bands: Mapping[int, Bands]) -> Days:
    seen = {activity.pk: activity for activity in activities}
    found: Days = defaultdict(list)
    now, told = datetime.now(UTC), set()
    for share in shares:
        session = of_share(share, now, bands, seen)
        found[session.athlete_id, session.day].append(session)
        told.add(share.pk)
    for activity in seen.values():
        if _match_of(activity) in told:
            continue
        key = (activity.athlete_id, activity.day)
        found[key].append(Session(activity.day, activity.athlete_id, None, activity, None, SessionState.UNPLANNED))
    return dict(found)


def of_share(
    share: Share, now: datetime, bands: Mapping[int, Bands], seen: Mapping[int, Activity] | None = None
) -> Session:
    """One planned workout; `seen` holds the activities that the viewer may see."""
    match = _match(share)
    activity = (seen or {}).get(match.activity_id) if match and match.activity_id else None
    state = _state(share, match, now)
    verdict = None
    if state == SessionState.DONE and match:
        verdict = compliance.verdict(match.percent, bands.get(share.link.coach_id, compliance.USUAL))
    assert share.scheduled_for is not None
    return Session(share.scheduled_for, share.link.athlete_id, share, activity, match, state, verdict)


def _planned(viewer: User, athlete_ids: Sequence[int], first: date, last: date) -> Iterable[Share]:
    """Of the viewer's own links, on either side; ended ones are history and stay with the athlete."""
    mine = Q(link__coach=viewer, link__status="active") | Q(link__athlete=viewer)
    return (
        Share.objects.filter(mine, link__athlete__in=athlete_ids, scheduled_for__range=(first, last), status__in=SHOWN)
        .select_related("revision", "workout", "link__athlete", "link__coach__compliance_bands", "match")
        .order_by("scheduled_for", "pk")
    )


def _planned_in(link_ids: Iterable[int], first: date, last: date) -> Iterable[Share]:
    """Each knows its coach's bands, too, as far as there are any; see `_bands_beside`."""
    return (
        Share.objects.filter(link__in=list(link_ids), scheduled_for__range=(first, last), status__in=SHOWN)
        .select_related("revision", "match")
        .only(*_LISTED_OF_SHARE)
        .annotate(**{name: F(f"link__coach__compliance_bands__{name}") for name in _BANDS})
        .order_by("scheduled_for", "pk")
    )


def _bands_beside(shares: Sequence[Share]) -> Bands:
    """Of one coach's shares."""
    values: list[int | None] = [getattr(share, name) for share in shares[:1] for name in _BANDS]
    chosen = [value for value in values if value is not None]
    return Bands(*chosen) if chosen else compliance.USUAL


def _done(viewer: User, athlete_ids: Sequence[int], first: date, last: date) -> QuerySet[Activity]:
    rows = Activity.objects.visible_to(viewer).filter(athlete__in=athlete_ids, day__range=(first, last))
    return rows.select_related("match").order_by("started_at", "pk")


def _match(share: Share) -> Match | None:
    return getattr(share, "match", None)  # Django's way to say that there is none is an AttributeError


def _match_of(activity: Activity) -> int | None:
    """The share it was done for."""
    match = getattr(activity, "match", None)
    return match.share_id if match else None


def _state(share: Share, match: Match | None, now: datetime) -> SessionState:
    if match and match.activity_id:
        return SessionState.DONE
    if share.status == ShareStatus.DECLINED:
        return SessionState.DECLINED
    if share.scheduled_for and share.scheduled_for < now.astimezone(share.link.athlete.zone).date():
        return SessionState.MISSED
    return SessionState.OFFERED if share.status == ShareStatus.OFFERED else SessionState.PLANNED
