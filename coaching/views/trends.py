from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils import timezone
from django.views.decorators.http import require_GET

from accounts.models import User
from accounts.permissions import signed_in
from coaching import trends as weekly
from coaching.models import CoachingLink, Scope
from coaching.permissions import coach_required


@require_GET
def trends(request: HttpRequest) -> HttpResponse:
    """One's own weeks."""
    user = signed_in(request)
    return _page(request, user, {"section": "activities"}, with_heart_rate=True)


@require_GET
@coach_required
def trends_of_athlete(request: HttpRequest, link_id: UUID) -> HttpResponse:
    """The weeks of an athlete, as far as he lets this coach see activities."""
    link = get_object_or_404(CoachingLink.objects.active_for_coach(signed_in(request)), public_id=link_id)
    context: dict[str, Any] = {"link": link, "tab": "weeks", "section": "athletes"}
    if Scope.ACTIVITIES not in link.scopes:
        return render(request, "coaching/trends.html", context)
    return _page(request, link.athlete, context, with_heart_rate=Scope.HEART_RATE in link.scopes)


def _page(request: HttpRequest, athlete: User, context: dict[str, Any], *, with_heart_rate: bool) -> HttpResponse:
    viewer = signed_in(request)
    today = timezone.localdate(timezone=athlete.zone)
    weeks = weekly.weeks(athlete, viewer, today, with_heart_rate=with_heart_rate)
    context |= {
        "is_shared": True,
        "weeks": [week for week in reversed(weeks) if week.whole.activities_n],
        "bars": weekly.bars(weeks, viewer.units),
        "sports": weekly.main_sports(weeks),
        "has_rest": weekly.has_rest(weeks),
        "weeks_n": weekly.WEEKS,
    }
    return render(request, "coaching/trends.html", context)
