"""A coach's athletes with plans and past, for the tests of the coach's pages."""

from datetime import date, datetime, time, timedelta
from typing import Any

from accounts.models import User
from coaching import totals
from coaching.models import Activity, CoachingLink, Match, Scope, Share, ShareStatus, Workout
from coaching.weeks import today_of
from integrations.models import Connection, Provider
from tests.coaching.world import easy_run, make_workout
from tests.conftest import make_user

EVERYTHING = [Scope.PLAN, Scope.ACTIVITIES, Scope.HEART_RATE, Scope.NOTES]


def trained_by(coach: User, name: str = "Ben Breeze", **fields: Any) -> CoachingLink:
    """Somebody new who shares everything."""
    person = make_user(f"{name.split(maxsplit=1)[0].lower()}@example.org", name, time_zone="Europe/Berlin")
    return CoachingLink.objects.create(coach=coach, athlete=person, scopes=EVERYTHING, **fields)


def planned(link: CoachingLink, on: date | None, name: str = "Easy run", workout: Workout | None = None) -> Share:
    """Accepted; nothing was sent anywhere."""
    found = workout or make_workout(link.coach, easy_run(name))
    assert found.current is not None
    return Share.objects.create(
        link=link, workout=found, revision=found.current, status=ShareStatus.ACCEPTED, scheduled_for=on
    )


def done(link: CoachingLink, on: date, share: Share | None = None, percent: int = 100, **fields: Any) -> Activity:
    """An activity of that day, matched with `share` where one is given."""
    started = datetime.combine(on, time(7), link.athlete.zone)
    activity = Activity.objects.create(
        **{
            "athlete": link.athlete, "source": "file", "external_id": str(Activity.objects.count()), "name": "Morning",
            "sport": "running", "started_at": started, "day": on, "duration_s": 1800, "distance_m": 5000,
            "avg_hr": 141, "content_hash": "0" * 64,
        }
        | fields
    )  # fmt: skip
    totals.refresh([(link.athlete_id, on)])
    if share:
        Match.objects.create(share=share, activity=activity, how="day", basis="duration", percent=percent)
    return activity


def account(link: CoachingLink, provider: Provider, status: str = "active") -> Connection:
    return Connection.objects.create(
        user=link.athlete, provider=provider, status=status, external_account_id=str(link.pk), delivers=True
    )


def ago(link: CoachingLink, days: int) -> date:
    return today_of(link.athlete) - timedelta(days=days)


def crowd(coach: User, count: int) -> list[CoachingLink]:
    """Athletes with a plan and a past each, so that a page has something to show of everybody."""
    links = [trained_by(coach, f"Person{number:02} Crowd") for number in range(count)]
    workout = make_workout(coach)
    for link in links:
        for days in (3, 1, 0, -2):
            share = planned(link, ago(link, days), workout=workout)
            if days == 3:
                done(link, ago(link, days), share)
    return links
