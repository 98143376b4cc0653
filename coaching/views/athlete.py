"""What a coach sees of one athlete: the week, the deliveries, the activities; the notes have a page of both sides."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_GET

from accounts.permissions import signed_in
from coaching import sessions
from coaching.models import Activity, CoachingLink, Scope, Share
from coaching.permissions import coach_required
from coaching.plan_forms import a_day
from coaching.views.slices import slice_of
from coaching.weeks import WEEK, today_of, week_of

PAGE = 25


@require_GET
@coach_required
def week(request: HttpRequest, link_id: UUID) -> HttpResponse:
    coach, link = signed_in(request), _link(request, link_id)
    here = today_of(link.athlete)
    first = week_of(a_day(request.GET.get("day", "")) or here, coach.week_start)
    days = sessions.between(coach, [link.athlete_id], first, first + WEEK - timedelta(days=1))
    shown = [first + timedelta(days=number) for number in range(WEEK.days)]
    context: dict[str, Any] = {
        "link": link,
        "days": [(day, days.get((link.athlete_id, day), ())) for day in shown],
        "today": here,
        "first": first,
        "last": shown[-1],
        "earlier": first - timedelta(days=1),
        "later": first + WEEK,
        "shares_activities": Scope.ACTIVITIES in link.scopes,
        "tab": "week",
        "section": "athletes",
    }
    return render(request, "coaching/athlete.html", context)


@require_GET
@coach_required
def deliveries(request: HttpRequest, link_id: UUID) -> HttpResponse:
    link = _link(request, link_id)
    shares = Share.objects.for_coach(signed_in(request)).filter(link=link).ledger()
    page = slice_of(shares, request.GET.get("page"), PAGE)
    context = {"link": link, "page": page, "tab": "deliveries", "section": "athletes"}
    return render(request, "coaching/athlete_deliveries.html", context)


@require_GET
@coach_required
def activities(request: HttpRequest, link_id: UUID) -> HttpResponse:
    """What the athlete and the providers let this coach see of them, newest first."""
    link = _link(request, link_id)
    shown = Activity.objects.shown_to_coach(signed_in(request)).filter(athlete=link.athlete_id).newest_first()
    place = _place(request.GET.get("before", ""))
    rows = list((shown.filter(place) if place else shown)[: PAGE + 1])
    context = {
        "link": link,
        "activities": rows[:PAGE],
        "earlier": rows[PAGE - 1] if len(rows) > PAGE else None,
        "is_first": place is None,
        "shares_activities": Scope.ACTIVITIES in link.scopes,
        "shares_heart_rate": Scope.HEART_RATE in link.scopes,
        "tab": "activities",
        "section": "athletes",
    }
    return render(request, "coaching/athlete_activities.html", context)


def _place(text: str) -> Q | None:
    """Everything older than the row that the address names as moment and id; None for an address that names none."""
    moment, _, pk = text.rpartition(",")
    try:
        at, number = datetime.fromisoformat(moment), int(pk)
    except ValueError:
        return None
    if at.tzinfo is None or not 0 < number < 2**63:
        return None
    return Q(started_at__lt=at) | Q(started_at=at, pk__lt=number)


def _link(request: HttpRequest, link_id: UUID) -> CoachingLink:
    mine = CoachingLink.objects.active_for_coach(signed_in(request)).with_account()
    return get_object_or_404(mine, public_id=link_id)
