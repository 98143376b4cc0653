"""What I shared or was offered, and whether it reached the watch."""

from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.utils import timezone
from ninja import Query, Router, Schema, Status
from pydantic import Field

from accounts.models import TokenScope, User
from accounts.rest.answers import shown
from accounts.rest.callers import Bearer, coach_of, user_of
from accounts.rest.paging import Page, Paging, page
from accounts.rest.problems import Problem
from accounts.rest.repeating import once
from coaching.forms import FURTHEST_DAYS, MOST_TARGETS
from coaching.models import CoachingLink, Delivery, Share, Workout
from coaching.services import sharing

router = Router(tags=["Sharing"])
READ, WRITE = Bearer(TokenScope.SHARING_READ), Bearer(TokenScope.SHARING_WRITE)


class ShareIn(Schema):
    athletes: list[UUID] = Field(min_length=1, max_length=MOST_TARGETS, description="Ids of /athletes.")
    on: date | None = Field(None, description="A day in each athlete's own time zone; null for any day.")
    message: str = Field("", max_length=sharing.LONGEST_MESSAGE)


class DeliveryOut(Schema):
    id: UUID
    share_id: UUID
    status: str = Field(description="blocked, pending, sending, uncertain, delivered, failed or cancelled")
    words: str
    error_code: str
    error_detail: str
    delivered_at: datetime | None


class ShareOut(Schema):
    id: UUID
    workout_id: UUID | None = Field(description="Null where the workout is the coach's and you are the athlete.")
    name: str
    sport: str
    revision: int
    athlete: str
    coach: str
    on: date | None
    message: str
    status: str = Field(description="offered, accepted, declined or withdrawn")
    delivery: DeliveryOut | None


class Shared(Schema):
    told: int = Field(description="How many athletes got something new; who had it already is left alone.")
    shares: list[ShareOut]


@router.post("/workouts/{uuid:workout_id}/shares", auth=WRITE, response=Shared)
def share_workout(request: HttpRequest, workout_id: UUID, wanted: ShareIn) -> Any:
    """Share a workout with athletes of mine. Sharing a newer revision replaces the older one, also on the watch."""
    coach = coach_of(request)
    workout = get_object_or_404(Workout.objects.library(coach), public_id=workout_id)
    links = _links(coach, wanted)

    def write() -> HttpResponse:
        assert workout.current  # the library holds no other
        targets = [(link, wanted.on) for link in links]
        told = sharing.share_workout(workout.current, targets=targets, by=coach, message=wanted.message)
        rows = Share.objects.for_coach(coach).standing().ledger()
        same = rows.filter(workout=workout, link__in=links, scheduled_for=wanted.on)
        return shown(Shared.model_validate({"told": told, "shares": [_share(row, coach) for row in same]}))

    return once(request, write)


@router.get("/shares", auth=READ, response=Page[ShareOut])
def shares(request: HttpRequest, paging: Query[Paging]) -> Any:
    """What I offered as a coach and what was offered to me, newest first."""
    user = user_of(request)
    return page(_mine(user).ledger(), paging, lambda row: _share(row, user))


@router.get("/shares/{uuid:share_id}", auth=READ, response=ShareOut)
def share(request: HttpRequest, share_id: UUID) -> Any:
    """One shared workout, and how far its copy has come."""
    user = user_of(request)
    return _share(get_object_or_404(_mine(user).ledger(), public_id=share_id), user)


@router.delete("/shares/{uuid:share_id}", auth=WRITE, response={204: None})
def withdraw(request: HttpRequest, share_id: UUID) -> Any:
    """Take an offer back: nothing more is sent. What is in the athlete's account already stays there."""
    coach = coach_of(request)
    sharing.withdraw(get_object_or_404(Share.objects.for_coach(coach), public_id=share_id), by=coach)
    return Status(204, None)


@router.get("/deliveries", auth=READ, response=Page[DeliveryOut])
def deliveries(request: HttpRequest, paging: Query[Paging]) -> Any:
    """Every copy on its way to an athlete's account, newest first."""
    return page(Delivery.objects.filter(share__in=_mine(user_of(request))).select_related("share"), paging, _delivery)


def _mine(user: User) -> Any:
    return Share.objects.filter(Q(link__coach=user) | Q(link__athlete=user))


def _links(coach: User, wanted: ShareIn) -> list[CoachingLink]:
    """Problem 404 for an athlete who is not the coach's, as if there were none; 400 for a day out of reach."""
    today = timezone.now().date()
    if wanted.on and not today - timedelta(days=1) <= wanted.on <= today + timedelta(days=FURTHEST_DAYS):
        raise Problem(400, "invalid", "on: a day from today on, within a year", fields=[{"field": "on"}])
    found = list(CoachingLink.objects.active_for_coach(coach).filter(public_id__in=wanted.athletes))
    if len(found) != len(set(wanted.athletes)):
        raise Problem(404, "unknown_athlete", "One of these athletes is not yours.")
    return found


def _share(row: Share, viewer: User) -> dict[str, Any]:
    return {
        "id": row.public_id,
        "workout_id": row.workout.public_id if row.link.coach_id == viewer.pk else None,
        "name": row.revision.name,
        "sport": row.revision.sport,
        "revision": row.revision.number,
        "athlete": row.link.athlete.display_name,
        "coach": row.link.coach.display_name,
        "on": row.scheduled_for,
        "message": row.message,
        "status": row.status,
        "delivery": _delivery(row.delivery, row) if row.delivery else None,
    }


def _delivery(row: Delivery, share: Share | None = None) -> dict[str, Any]:
    return {
        "id": row.public_id,
        "share_id": (share or row.share).public_id,
        "status": row.status,
        "words": row.get_status_display(),
        "error_code": row.error_code,
        "error_detail": row.error_detail,
        "delivered_at": row.delivered_at,
    }
