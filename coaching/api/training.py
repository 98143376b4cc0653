"""What was done, and the calendar of plan and doing."""

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from django.http import HttpRequest
from django.shortcuts import get_object_or_404
from ninja import Query, Router, Schema
from pydantic import Field

from accounts.models import TokenScope, User
from accounts.rest.callers import Bearer, user_of
from accounts.rest.paging import Page, Paging, page
from accounts.rest.problems import Problem
from coaching import sessions
from coaching.models import Activity, CoachingLink, Scope
from coaching.sessions import Session

router = Router(tags=["Training"])
READ = Bearer(TokenScope.TRAINING_READ)
MOST_DAYS = 42
FROM_HEART_RATE = ("avg_hr", "max_hr", "load")  # with the duration, the load gives the heart rate away
type Links = Mapping[int, CoachingLink]


class Who(Schema):
    id: UUID | None = Field(description="As in /athletes; null for yourself.")
    name: str


class ActivityOut(Schema):
    id: UUID
    athlete: Who
    source: str
    sport: str
    name: str
    started_at: datetime
    day: date = Field(description="The local date where it was done.")
    duration_s: float
    distance_m: float | None
    ascent_m: float | None
    energy_kcal: float | None
    load: float | None = Field(description="100 for an hour at the threshold; null without a heart rate you may see.")
    avg_hr: int | None = Field(description="Null, too, where the athlete does not share heart rate.")
    max_hr: int | None


class SessionOut(Schema):
    day: date
    athlete: Who
    state: str = Field(description="offered, planned, done, missed, unplanned or declined")
    words: str
    percent: int | None = Field(description="Done of planned.")
    share_id: UUID | None
    planned: str | None = Field(description="The planned workout's name.")
    activity_id: UUID | None


class Calendar(Schema):
    first: date
    last: date
    sessions: list[SessionOut]


class ActivityQuery(Paging):
    athlete: UUID | None = Field(None, description="An id of /athletes.")
    first: date | None = Field(None, description="The earliest local day.")
    last: date | None = Field(None, description="The latest local day.")


class CalendarQuery(Schema):
    first: date
    last: date = Field(description=f"At most {MOST_DAYS} days after `first`.")
    athlete: UUID | None = Field(None, description="An id of /athletes; without one, you and all your athletes.")


@router.get("/activities", auth=READ, response=Page[ActivityOut])
def activities(request: HttpRequest, query: Query[ActivityQuery]) -> Any:
    """My activities, and those that my athletes and their providers let me see; newest first."""
    user = user_of(request)
    links = _links(user)
    rows = Activity.objects.visible_to(user)
    if query.athlete:
        rows = rows.filter(athlete=_chosen(links, query.athlete))
    if query.first:
        rows = rows.filter(day__gte=query.first)
    if query.last:
        rows = rows.filter(day__lte=query.last)
    return page(rows, query, lambda row: _activity(row, user, links), by=("started_at", "pk"))


@router.get("/activities/{uuid:activity_id}", auth=READ, response=ActivityOut)
def activity(request: HttpRequest, activity_id: UUID) -> Any:
    """One activity."""
    user = user_of(request)
    found = get_object_or_404(Activity.objects.visible_to(user), public_id=activity_id)
    return _activity(found, user, _links(user))


@router.get("/calendar", auth=READ, response=Calendar)
def calendar(request: HttpRequest, query: Query[CalendarQuery]) -> Any:
    """What was planned and what was done, day by day, of at most 42 days."""
    user = user_of(request)
    links = _links(user)
    if not timedelta(0) <= query.last - query.first <= timedelta(days=MOST_DAYS):
        raise Problem(400, "invalid", f"last: 0 to {MOST_DAYS} days after first", fields=[{"field": "last"}])
    athlete_ids = [_chosen(links, query.athlete)] if query.athlete else [user.pk, *links]
    found = sessions.between(user, athlete_ids, query.first, query.last)
    rows = [_session(session, user, links) for key in sorted(found, key=_by_day) for session in found[key]]
    return {"first": query.first, "last": query.last, "sessions": rows}


def _by_day(key: tuple[int, date]) -> tuple[date, int]:
    return key[1], key[0]


def _links(user: User) -> Links:
    """By the athlete's own id."""
    return {link.athlete_id: link for link in CoachingLink.objects.active_for_coach(user)}


def _chosen(links: Links, athlete: UUID) -> int:
    """The row id of the athlete; one who is not mine matches nothing."""
    return next((pk for pk, link in links.items() if link.public_id == athlete), 0)


def _who(athlete_id: int, viewer: User, links: Links) -> dict[str, Any]:
    if athlete_id == viewer.pk:
        return {"id": None, "name": viewer.display_name}
    return {"id": links[athlete_id].public_id, "name": links[athlete_id].athlete.display_name}


def _activity(row: Activity, viewer: User, links: Links) -> dict[str, Any]:
    own = row.athlete_id == viewer.pk
    sees_heart_rate = own or Scope.HEART_RATE.value in links[row.athlete_id].scopes
    names = (
        "source", "sport", "name", "started_at", "day", "duration_s", "distance_m", "ascent_m", "energy_kcal",
    )  # fmt: skip
    return {
        "id": row.public_id,
        "athlete": _who(row.athlete_id, viewer, links),
        **{name: getattr(row, name) for name in names},
        **{name: getattr(row, name) if sees_heart_rate else None for name in FROM_HEART_RATE},
    }


def _session(session: Session, viewer: User, links: Links) -> dict[str, Any]:
    return {
        "day": session.day,
        "athlete": _who(session.athlete_id, viewer, links),
        "state": session.state.value,
        "words": session.word,
        "percent": session.percent,
        "share_id": session.share.public_id if session.share else None,
        "planned": session.share.revision.name if session.share else None,
        "activity_id": session.activity.public_id if session.activity else None,
    }
