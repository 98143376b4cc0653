"""Activities and the calendar through the API: who sees what, page by page."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import User
from coaching.models import Activity, CoachingLink, Match, Scope, Share, Workout
from tests.api.conftest import MakeCaller
from tests.api.test_library import EASY
from tests.coaching.activity_world import stored

START = datetime(2026, 11, 1, 8, tzinfo=UTC)


def pages(api: Client, address: str, limit: int) -> list[list[dict[str, Any]]]:
    found: list[list[dict[str, Any]]] = []
    cursor: str | None = ""
    while cursor is not None:
        told = api.get(f"{address}?limit={limit}&cursor={cursor}").json()
        found.append(told["items"])
        cursor = told["next_cursor"]
    return found


def test_pages_tell_each_activity_once_though_some_begin_together(athlete: User, calling: MakeCaller) -> None:
    for i in range(7):
        stored(
            athlete, external_id=str(i), name=str(i), started_at=START - timedelta(hours=i // 3)
        )  # older ones came later
    found = pages(calling(athlete), "/api/v1/activities", 2)
    assert [len(part) for part in found] == [2, 2, 2, 1]
    assert [row["name"] for part in found for row in part] == ["2", "1", "0", "5", "4", "3", "6"]


def test_what_comes_meanwhile_moves_nothing(athlete: User, calling: MakeCaller) -> None:
    api = calling(athlete)
    for i in range(3):
        stored(athlete, external_id=str(i), name=str(i), started_at=START + timedelta(hours=i))
    first = api.get("/api/v1/activities?limit=2").json()
    stored(athlete, external_id="new", name="new", started_at=START + timedelta(hours=9))
    rest = api.get("/api/v1/activities", {"limit": 2, "cursor": first["next_cursor"]}).json()
    assert ([row["name"] for row in rest["items"]], rest["next_cursor"]) == (["0"], None)


@pytest.mark.parametrize(
    ("asked", "n"),
    [("limit=1000000", 100), ("limit=-1", 1), ("limit=0", 1), ("", 25), ("page=-1&ordering=password", 25)],
)
def test_a_page_has_a_size(athlete: User, calling: MakeCaller, asked: str, n: int) -> None:
    for i in range(101):
        stored(athlete, external_id=str(i), started_at=START + timedelta(minutes=i))
    assert len(calling(athlete).get(f"/api/v1/activities?{asked}").json()["items"]) == n


CURSORS = ["x", "W10", "bnVsbA", "WzFd", "WyJhIiwgMV0", "WyIyMDI2LTAxLTAxIiwgMV0", "ey I", "%00", "W" * 200, "é"]


@pytest.mark.parametrize("cursor", [*CURSORS, "WyIyMDI2LTAxLTAxVDAwOjAwOjAwKzAwOjAwIiwgOTk5OTk5OTk5OTk5OTk5OTk5OTk5XQ"])
def test_a_cursor_that_is_none_of_ours_is_refused(athlete: User, calling: MakeCaller, cursor: str) -> None:
    answer = calling(athlete).get("/api/v1/activities", {"cursor": cursor})
    assert (answer.status_code, answer.json()["code"]) == (400, "bad_cursor")


def test_a_coach_sees_what_the_athlete_lets_him_and_heart_rate_only_if_so(
    coach: User, athlete: User, link: CoachingLink, calling: MakeCaller
) -> None:
    stored(athlete, name="Seen", avg_hr=150, max_hr=170, started_at=START)
    Activity.objects.update(load=61.5)
    api, address = calling(coach), "/api/v1/activities"
    assert api.get(address).json()["items"] == []
    for scopes, heart_rate in (([Scope.ACTIVITIES], None), ([Scope.ACTIVITIES, Scope.HEART_RATE], 150)):
        CoachingLink.objects.update(scopes=["plan", *scopes])
        (row,) = api.get(address).json()["items"]
        assert (row["name"], row["avg_hr"], row["load"]) == ("Seen", heart_rate, heart_rate and 61.5)
        assert row["athlete"] == {"id": str(link.public_id), "name": "Ada Athlete"}
        assert api.get(f"{address}/{row['id']}").json() == row
    own = calling(athlete).get(address).json()["items"][0]
    assert (own["avg_hr"], own["athlete"]["id"]) == (150, None)
    CoachingLink.objects.update(status="ended", ended_at=timezone.now())
    assert api.get(address).json()["items"] == []
    assert api.get(f"{address}/{row['id']}").status_code == 404


def test_activities_of_one_athlete_and_of_some_days(
    coach: User, athlete: User, stranger: User, link: CoachingLink, calling: MakeCaller
) -> None:
    other = CoachingLink.objects.create(coach=coach, athlete=stranger, scopes=["plan", "activities"])
    CoachingLink.objects.update(scopes=["plan", "activities"])
    for person in (athlete, stranger):
        for day in range(3):
            stored(person, external_id=str(day), name=f"{person.display_name} {day}", started_at=START + timedelta(day))
    api = calling(coach)

    def names(**asked: str) -> list[str]:
        return [row["name"] for row in api.get("/api/v1/activities", asked).json()["items"]]

    assert names(athlete=str(other.public_id), first="2026-11-02") == ["Sam Stranger 2", "Sam Stranger 1"]
    assert names(athlete=str(link.public_id), last="2026-11-01") == ["Ada Athlete 0"]
    assert names(athlete="7f0c3c9e-0000-4000-8000-000000000000") == []


def test_the_calendar_tells_plan_and_doing(coach: User, athlete: User, link: CoachingLink, calling: MakeCaller) -> None:
    CoachingLink.objects.update(scopes=["plan", "activities"])
    api = calling(coach)
    made = api.post("/api/v1/workouts", EASY, content_type="application/json").json()
    day = timezone.now().date() + timedelta(days=1)
    wanted = {"athletes": [str(link.public_id)], "on": day.isoformat()}
    api.post(f"/api/v1/workouts/{made['id']}/shares", wanted, content_type="application/json")
    share = Share.objects.get()
    done = stored(athlete, name="Done", started_at=datetime.combine(day, START.timetz()))
    alone = stored(athlete, external_id="2", started_at=datetime.combine(day, START.timetz()) + timedelta(hours=3))
    Match.objects.create(share=share, activity=done, how="day", percent=97)
    told = api.get("/api/v1/calendar", {"first": str(day), "last": str(day + timedelta(days=6))}).json()["sessions"]
    assert [(row["state"], row["planned"], row["percent"]) for row in told] == [
        ("done", "Easy run", 97),
        ("unplanned", None, None),
    ]
    assert [row["activity_id"] for row in told] == [str(done.public_id), str(alone.public_id)]
    assert told[0]["share_id"] == str(share.public_id)
    assert told[0]["athlete"]["id"] == str(link.public_id)
    mine = calling(athlete).get("/api/v1/calendar", {"first": str(day), "last": str(day)}).json()["sessions"]
    assert mine[0]["athlete"] == {"id": None, "name": "Ada Athlete"}


@pytest.mark.parametrize(
    "asked",
    ["", "first=2026-01-01", "first=2026-01-01&last=2026-02-28", "first=2026-01-02&last=2026-01-01", "first=x&last=y",
     "first=0000-00-00&last=2026-01-01"],
)  # fmt: skip
def test_a_calendar_has_an_end(athlete: User, calling: MakeCaller, asked: str) -> None:
    answer = calling(athlete).get(f"/api/v1/calendar?{asked}")
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid")


def test_the_ends_of_time_are_days_like_others(athlete: User, calling: MakeCaller) -> None:
    for day in (date.min, date.max):
        asked = {"first": day.isoformat(), "last": day.isoformat()}
        assert calling(athlete).get("/api/v1/calendar", asked).json()["sessions"] == []
        assert calling(athlete).get("/api/v1/activities", asked).json()["items"] == []


def test_a_page_costs_as_many_queries_as_it_is_long_or_short(
    coach: User, athlete: User, link: CoachingLink, calling: MakeCaller, django_assert_max_num_queries: Any
) -> None:
    api = calling(coach)
    for i in range(30):
        api.post("/api/v1/workouts", EASY | {"name": str(i)}, content_type="application/json")
    for workout in Workout.objects.all():
        assert workout.current
        Share.objects.create(link=link, workout=workout, revision=workout.current)
    for address in ("workouts", "shares", "deliveries", "athletes", "activities", "invitations", "connections"):
        with django_assert_max_num_queries(6):
            assert api.get(f"/api/v1/{address}").status_code == 200
