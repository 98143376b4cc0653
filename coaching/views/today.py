from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from accounts.permissions import signed_in
from coaching import sessions
from coaching.models import CoachingLink
from coaching.permissions import coach_required
from coaching.services import attention
from coaching.sessions import Session
from coaching.weeks import today_of

SHOWN = 25


@dataclass(frozen=True, slots=True)
class Health:
    """How many of the roster's accounts work, and whose do not."""

    ok_n: int
    broken: Sequence[CoachingLink]


@require_GET
@coach_required
def today(request: HttpRequest) -> HttpResponse:
    """Who needs the coach first, what is on today, and whether what is shown is fresh."""
    coach = signed_in(request)
    links: list[Any] = list(attention.watched(coach))  # with what the query annotates
    here = today_of(coach)
    own_days = [today_of(link.athlete) for link in links] or [here]
    days = sessions.of_links(coach, links, min(own_days), max(own_days))
    found = attention.concerns(links)
    context: dict[str, Any] = {
        "links": links,
        "day": here,
        "concerns": found if request.GET.get("all") else found[:SHOWN],
        "more_n": 0 if request.GET.get("all") else max(len(found) - SHOWN, 0),
        "on_today": _on_today(links, days),
        "failures": [link for link in links if link.failures],
        "health": _health(links),
        "as_of": attention.as_of(links),
        "section": "today",
    }
    return render(request, "coaching/today.html", context)


def _on_today(
    links: Sequence[CoachingLink], days: Mapping[tuple[int, date], Sequence[Session]]
) -> list[tuple[CoachingLink, Sequence[Session]]]:
    """By each athlete's own today; who has nothing on is left out."""
    rows = ((link, days.get((link.athlete_id, today_of(link.athlete)), ())) for link in links)
    return [(link, on) for link, on in rows if on]


def _health(links: Sequence[Any]) -> Health:
    broken = [link for link in links if link.account != "active"]
    return Health(len(links) - len(broken), broken)
