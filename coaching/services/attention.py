"""How a coach's athletes stand, and who needs the coach first."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import Case, Count, ExpressionWrapper, Min, OuterRef, Q, Subquery, Value, When
from django.db.models.fields import BooleanField
from django.db.models.functions import Coalesce, JSONObject
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext, gettext_noop, ngettext

from accounts.models import User
from coaching import policies
from coaching.models import (
    CoachingLink,
    DailyTotal,
    DeclineReason,
    Delivery,
    DeliveryStatus,
    Scope,
    Share,
    ShareStatus,
)
from coaching.models.roster import CoachingLinkQuerySet
from coaching.services import noting
from coaching.sessions import SHOWN
from coaching.weeks import today_of
from integrations.models import Resource, SyncStream

SILENT_DAYS = 7
PLAN_ENDS_DAYS = 7
PLAN_ENDED_DAYS = 14  # after that it is no longer a plan that ends but none
PATIENCE = timedelta(days=2)  # so long an offer may wait
LOOK_BACK_DAYS = 7
LOOK_AHEAD_DAYS = 7  # for what is called off
MOST_FAILURES = 3
_ACCOUNTS = {
    "needs_reauth": gettext_noop("The account asks for a new login"),
    "paused": gettext_noop("The connection is paused"),
    None: gettext_noop("No account is connected"),
}
_SILENTLY = gettext_noop("without a word")
_NEAR_ENDS = {
    -1: gettext_noop("The plan ended yesterday."),
    0: gettext_noop("The plan ends today."),
    1: gettext_noop("The plan ends tomorrow."),
}


@dataclass(frozen=True, slots=True)
class Concern:
    """One row of the coach's list: who, why, the number behind it and the one thing to do about it."""

    link: CoachingLink
    reason: str
    rank: int  # the smaller, the sooner
    number: int
    words: str
    action: str
    path: str


def watched(coach: User) -> CoachingLinkQuerySet:
    """The coach's athletes with all that lists say about each, in one query however many there are.

    Annotated: account, account_since, as_of, last_day (of an activity), planned (lately, or called off), plan_until,
    next_on, next_name, offered_n, offered_since, failures, unread_n. What the athlete does not share is None.
    """
    return (
        CoachingLink.objects.active_for_coach(coach)
        .with_account()
        .annotate(as_of=_as_of(), **_of_plan(), unread_n=noting.unread_by_coach(), last_day=_last_day())
        .order_by("athlete__display_name", "pk")
    )


def concerns(links: Iterable[CoachingLink]) -> list[Concern]:
    """Everything about these athletes, as `watched` read them, that wants the coach: the most urgent first."""
    found = [concern for link in links for concern in _about(link)]
    return sorted(found, key=lambda concern: (concern.rank, -concern.number, str(concern.link.athlete)))


def as_of(links: Iterable[CoachingLink]) -> Any:
    """The oldest of the last successful reads of those accounts that work; None where nothing was read."""
    read: list[Any] = [link.as_of for link in links if link.account == "active" and link.as_of]  # type: ignore[attr-defined]
    return min(read, default=None)


def _as_of() -> Subquery:
    streams = SyncStream.objects.filter(connection__user=OuterRef("athlete"), connection__status="active")
    streams = streams.filter(resource=Resource.ACTIVITIES, enabled=True).order_by()
    return Subquery(streams.values("connection__user").annotate(at=Min("last_success_at")).values("at"))


def _of_plan() -> dict[str, Any]:
    mine = Share.objects.filter(link=OuterRef("pk"))
    here = timezone.now().date()  # by UTC; every athlete's own day is this one or a neighbour of it
    standing = mine.standing().exclude(scheduled_for=None)
    coming = standing.filter(scheduled_for__gte=here).order_by("scheduled_for", "pk")
    near = (here - timedelta(days=LOOK_BACK_DAYS + 1), here + timedelta(days=LOOK_AHEAD_DAYS + 1))
    planned = mine.filter(Q(scheduled_for__lte=here) | ~Q(decline_reason=""), scheduled_for__range=near)
    planned = planned.filter(status__in=SHOWN).order_by("scheduled_for", "pk")
    planned = planned.exclude(status=ShareStatus.DECLINED, decline_reason="", match__activity=None)
    is_done = ExpressionWrapper(Q(match__activity__isnull=False), output_field=BooleanField())
    offers = mine.filter(status=ShareStatus.OFFERED).order_by().values("link")
    failed = Delivery.objects.filter(share__link=OuterRef("pk"), status=DeliveryStatus.FAILED)
    failed = failed.filter(share__status=ShareStatus.ACCEPTED).order_by("-pk")
    failure = JSONObject(share="share__public_id", name="revision__name", detail="error_detail", code="error_code")
    return {
        "planned": ArraySubquery(
            planned.values_list(JSONObject(day="scheduled_for", reason="decline_reason", is_done=is_done))
        ),
        "plan_until": Subquery(standing.order_by("-scheduled_for").values("scheduled_for")[:1]),
        "next_on": Subquery(coming.values("scheduled_for")[:1]),
        "next_name": Subquery(coming.values("revision__name")[:1]),
        "offered_n": Coalesce(Subquery(offers.annotate(n=Count("pk")).values("n")), 0),
        "offered_since": Subquery(offers.annotate(at=Min("created_at")).values("at")),
        "failures": ArraySubquery(failed.values_list(failure)[:MOST_FAILURES]),
    }


def _last_day() -> Case:
    """Of what the coach may know about: the athlete's consent and the provider's terms both count."""
    totals = DailyTotal.objects.filter(athlete=OuterRef("athlete"), activities_n__gt=0)
    shown = totals.exclude(source__in=policies.standing().hidden_from_coach).order_by("-day")
    return Case(When(scopes__contains=[Scope.ACTIVITIES], then=Subquery(shown.values("day")[:1])), default=Value(None))


def _about(link: Any) -> list[Concern]:
    return [
        concern
        for concern in (
            _failed(link), _account(link), _missed(link), _called_off(link), _silent(link), _ending(link),
            _unanswered(link),
        )
        if concern
    ]  # fmt: skip


def _failed(link: Any) -> Concern | None:
    if not link.failures:
        return None
    number, first = len(link.failures), link.failures[0]
    # xgettext:no-python-format
    words = ngettext("“%(name)s” did not arrive.", "%(number)s workouts did not arrive.", number) % {
        "name": first["name"],
        "number": number,
    }
    return Concern(
        link, "delivery", 1, number, words, gettext("See why"), reverse("coaching:delivery", args=[first["share"]])
    )


def _account(link: Any) -> Concern | None:
    if link.account in ("active", "pending"):
        return None
    what = gettext(_ACCOUNTS[link.account])
    number = max((timezone.now() - (link.account_since or link.started_at)).days, 0)
    rank = 2 if link.account else 5  # what worked once and broke comes before what never worked
    return Concern(link, "account", rank, number, f"{what}{_for_days(number)}.", gettext("Write a note"), _notes(link))


def _missed(link: Any) -> Concern | None:
    """With the reasons that the athlete gave; only the others were missed without a word."""
    week = _between(link, -LOOK_BACK_DAYS, -1)
    missed = [planned for planned in week if not planned["is_done"]]
    if not missed:
        return None
    said = {"number": len(missed), "whole": len(week), "days": LOOK_BACK_DAYS, "reasons": _reasons(missed)}
    if any(planned["reason"] for planned in missed):
        words = gettext("%(number)s of %(whole)s sessions of the last %(days)s days missed: %(reasons)s.") % said
    else:
        words = gettext("%(number)s of %(whole)s sessions of the last %(days)s days missed.") % said
    return Concern(link, "missed", 3, len(missed), words, gettext("Look at the week"), _week(link))


def _called_off(link: Any) -> Concern | None:
    off = [planned for planned in _between(link, 0, LOOK_AHEAD_DAYS) if planned["reason"] and not planned["is_done"]]
    if not off:
        return None
    words = ngettext(
        "A session of the next %(days)s days is called off: %(reasons)s.",
        "%(number)s sessions of the next %(days)s days are called off: %(reasons)s.",
        len(off),
    ) % {"number": len(off), "days": LOOK_AHEAD_DAYS, "reasons": _reasons(off)}
    return Concern(link, "called_off", 3, len(off), words, gettext("Write a note"), _notes(link))


def _between(link: Any, first: int, last: int) -> list[Mapping[str, Any]]:
    """What was planned on these days, counted from the athlete's own today."""
    today = today_of(link.athlete)
    begin, end = ((today + timedelta(days=days)).isoformat() for days in (first, last))
    return [planned for planned in link.planned if begin <= planned["day"] <= end]


def _reasons(planned: Sequence[Mapping[str, Any]]) -> str:
    """The most frequent first: "2 × ill, no time"."""
    found = Counter(each["reason"] for each in planned)
    said = [(gettext(_SILENTLY) if not code else str(DeclineReason(code).label), n) for code, n in found.most_common()]
    return ", ".join(f"{n} × {word}" if n > 1 else word for word, n in said)


def _silent(link: Any) -> Concern | None:
    """Only of those whose account works and who showed something once: of the others another row tells."""
    if link.last_day is None or link.account != "active":
        return None
    number = (today_of(link.athlete) - link.last_day).days
    if number < SILENT_DAYS:
        return None
    words = gettext("No activity for %(number)s days.") % {"number": number}
    return Concern(link, "silent", 4, number, words, gettext("Write a note"), _notes(link))


def _ending(link: Any) -> Concern | None:
    if link.plan_until is None:
        return None
    left = (link.plan_until - today_of(link.athlete)).days
    if not -PLAN_ENDED_DAYS <= left <= PLAN_ENDS_DAYS:
        return None
    return Concern(link, "ending", 6, PLAN_ENDS_DAYS - left, _end_in_words(left), gettext("Plan on"), _week(link))


def _unanswered(link: Any) -> Concern | None:
    if not link.offered_n or link.offered_since > timezone.now() - PATIENCE:
        return None
    number = (timezone.now() - link.offered_since).days
    words = ngettext(
        "An offer has not been answered, the oldest for %(days)s days.",
        "%(offers)s offers have not been answered, the oldest for %(days)s days.",
        link.offered_n,
    ) % {"offers": link.offered_n, "days": number}
    return Concern(link, "unanswered", 7, link.offered_n, words, gettext("Write a note"), _notes(link))


def _end_in_words(left: int) -> str:
    """Of the plan's last day; `left` is below 0 when it is over."""
    if left in _NEAR_ENDS:
        return gettext(_NEAR_ENDS[left])
    if left < 0:
        return gettext("The plan ended %(days)s days ago.") % {"days": -left}
    return gettext("The plan ends in %(days)s days.") % {"days": left}


def _for_days(number: int) -> str:
    if number == 0:
        return ""
    return ngettext(", for a day", ", for %(number)s days", number) % {"number": number}


def _notes(link: CoachingLink) -> str:
    return reverse("coaching:notes", args=[link.public_id])


def _week(link: CoachingLink) -> str:
    return reverse("coaching:athlete", args=[link.public_id])
