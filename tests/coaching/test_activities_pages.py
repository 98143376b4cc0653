"""The pages of activities: what is shown, to whom, in whose units and on whose clock."""

import re
from datetime import date, datetime, timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from accounts.models import User
from coaching import policies
from coaching.models import Activity, CoachingLink, DuplicatePair, Match, Scope
from coaching.trends import week_start
from integrations.models import Connection, Provider
from tests.coaching.activity_world import START, run_file, stored
from tests.coaching.uploads import upload
from tests.coaching.world import TUESDAY, offer

HOSTILE = "<script>alert(1)</script>"


def page(client: Client, activity: Activity) -> str:
    return client.get(reverse("coaching:activity", args=[activity.public_id])).text


def share(link: CoachingLink, *scopes: Scope) -> None:
    link.scopes = [Scope.PLAN, *scopes]
    link.save()


@pytest.fixture
def strava_activity(athlete: User) -> Activity:
    provider, _ = Provider.objects.update_or_create(
        slug="strava", defaults={"name": "Strava", "visible_to_coach": False, "cache_days": 7, "may_merge": False}
    )
    policies.forget()
    connection = Connection.objects.create(
        user=athlete, provider=provider, status="active", external_account_id="5", scopes=["read"]
    )
    return stored(athlete, "77", connection=connection, name="Secret ride", started_at=_yesterday())


def _yesterday() -> datetime:
    return timezone.now() - timedelta(days=1)


def test_the_list_pages_through_equal_moments_without_a_gap_or_a_count(
    as_athlete: Client, athlete: User, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    for number in range(65):
        stored(athlete, str(number), name=f"run-{number:02}", started_at=START - timedelta(minutes=number // 40))
    address, seen = reverse("coaching:activities"), []
    for expected in (30, 30, 5):
        with django_assert_max_num_queries(8) as queries:
            text = as_athlete.get(address).text
        assert not any("COUNT(" in query["sql"] for query in queries.captured_queries if "activity" in query["sql"])
        found = re.findall(r"run-\d\d", text)
        assert len(found) == expected
        seen += found
        more = re.search(r'href="(\?after=[\d-]+)"', text)
        address = reverse("coaching:activities") + (more[1] if more else "")
    assert len(set(seen)) == 65
    assert not more


def test_the_list_is_filtered_by_sport_and_days_and_ignores_nonsense(as_athlete: Client, athlete: User) -> None:
    stored(athlete, "1", name="The run")
    stored(athlete, "2", name="The ride", sport="cycling")
    stored(athlete, "3", name="Long ago", started_at=START - timedelta(days=90))
    address = reverse("coaching:activities")
    text = as_athlete.get(address, {"sport": "cycling"}).text
    assert "The ride" in text
    assert "The run" not in text
    assert "Long ago" not in as_athlete.get(address, {"first": "2026-11-01"}).text
    assert "The run" not in as_athlete.get(address, {"last": "2026-11-01"}).text
    nonsense = {"sport": "chess", "first": "yesterday", "after": "99999999999999999-1"}
    assert as_athlete.get(address, nonsense).status_code == 200


def test_a_figure_that_the_source_does_not_tell_is_said_so_and_never_zero(as_athlete: Client, athlete: User) -> None:
    found = stored(athlete, distance_m=None, avg_hr=None, max_hr=None, ascent_m=None)
    text = page(as_athlete, found)
    assert text.count("not provided by an uploaded file") == 6
    assert "needs a heart rate" in text
    assert not re.search(r">0(\.0)? (km|m|bpm|kcal)<", text)


def test_figures_come_in_the_viewers_units(as_athlete: Client, athlete: User) -> None:
    found = stored(athlete, distance_m=10_000, duration_s=3000, ascent_m=100)
    assert all(words in page(as_athlete, found) for words in ("10 km", "5:00 /km", "100 m"))
    athlete.units = "imperial"
    athlete.save()
    assert all(words in page(as_athlete, found) for words in ("6.21 mi", "8:03 /mi", "328 ft"))


def test_a_time_names_its_zone_only_where_the_viewers_clock_differs(as_athlete: Client, athlete: User) -> None:
    found = stored(athlete)  # at 6:30 in Lisbon, where it is UTC
    assert "Wednesday 18 November 2026, 06:30</p>" in page(as_athlete, found)
    away = stored(athlete, "2", utc_offset_s=9 * 3600, time_zone="Asia/Tokyo")
    text = page(as_athlete, away)
    assert "Wednesday 18 November 2026, 15:30 (Asia/Tokyo; on your clock Wed 18 Nov, 06:30)" in text


def test_a_coach_sees_heart_rate_only_while_it_is_shared(as_coach: Client, athlete: User, link: CoachingLink) -> None:
    found = upload(athlete, "run.fit", run_file())[0].activity
    assert found
    share(link, Scope.ACTIVITIES)
    text = page(as_coach, found)
    assert "Time" in text
    assert "not shared with you" in text
    assert "bpm on average" not in text
    assert not re.search(r"\b1[34]\d bpm", text)
    assert "curve-heart_rate" not in text
    share(link, Scope.ACTIVITIES, Scope.HEART_RATE)
    text = page(as_coach, found)
    assert "curve-heart_rate" in text
    assert re.search(r"\b13\d bpm", text)


@pytest.mark.parametrize("route", ["activity", "activity_details"])
def test_consent_withdrawn_while_a_page_is_open_counts_at_the_next_request(
    as_coach: Client, athlete: User, link: CoachingLink, route: str
) -> None:
    found = stored(athlete)
    address = reverse(f"coaching:{route}", args=[found.public_id])
    share(link, Scope.ACTIVITIES)
    assert as_coach.get(address).status_code == 200
    share(link)
    assert as_coach.get(address).status_code == 404
    share(link, Scope.ACTIVITIES)
    CoachingLink.objects.update(status="ended", ended_at=START)
    assert as_coach.get(address).status_code == 404


def test_a_source_that_keeps_activities_private_is_the_athletes_alone(
    as_athlete: Client, as_coach: Client, athlete: User, link: CoachingLink, strava_activity: Activity
) -> None:
    share(link, Scope.ACTIVITIES, Scope.HEART_RATE)
    text = page(as_athlete, strava_activity)
    assert "Only you. The terms of Strava" in text
    assert "keep it for 7 days" in text
    address = reverse("coaching:activity", args=[strava_activity.public_id])
    assert as_coach.get(address).status_code == 404
    weeks = as_coach.get(reverse("coaching:trends_of_athlete", args=[link.public_id])).text
    assert "Nothing to sum up yet" in weeks
    assert "week-bars" in as_athlete.get(reverse("coaching:trends")).text


def test_the_athlete_reads_who_sees_an_activity_and_for_how_long(
    as_athlete: Client, athlete: User, coach: User, link: CoachingLink
) -> None:
    found = stored(athlete)
    assert "Only you. None of your coaches" in page(as_athlete, found)
    share(link, Scope.ACTIVITIES)
    assert "Carla Coach, who sees it without heart rate" in page(as_athlete, found)
    share(link, Scope.ACTIVITIES, Scope.HEART_RATE)
    text = page(as_athlete, found)
    assert "Carla Coach, who sees it with heart rate" in text
    assert "It stays until you delete the upload" in text


def test_the_connections_page_tells_it_of_each_account(
    as_athlete: Client, coach: User, link: CoachingLink, strava_activity: Activity, garmin_provider: Provider
) -> None:
    share(link, Scope.ACTIVITIES)
    Connection.objects.create(user=link.athlete, provider=garmin_provider, status="active", external_account_id="6")
    text = as_athlete.get(reverse("integrations:connections")).text
    assert "Carla Coach, who sees it without heart rate" in text
    assert "What you delete at Garmin Connect goes from here, too." in text
    assert "The terms of Strava do not let us show it to anybody else" in text


def test_who_may_see_it_is_the_athletes_to_read_alone(as_coach: Client, athlete: User, link: CoachingLink) -> None:
    share(link, Scope.ACTIVITIES)
    text = page(as_coach, stored(athlete))
    assert "Who can see this" not in text
    assert "Original file" not in text


def test_the_planned_workout_is_named_to_who_planned_it_and_who_did_it(
    as_athlete: Client, as_coach: Client, athlete: User, link: CoachingLink, other_coach: User
) -> None:
    found = stored(athlete)
    planned = offer(link)
    Match.objects.create(
        share=planned, activity=found, how="day", basis="duration", planned=1800, done=1800, percent=100
    )
    share(link, Scope.ACTIVITIES)
    CoachingLink.objects.create(coach=other_coach, athlete=athlete, scopes=[Scope.PLAN, Scope.ACTIVITIES])
    for client in (as_athlete, as_coach):
        text = page(client, found)
        assert reverse("coaching:session", args=[planned.public_id]) in text
        assert "100 % of the planned time" in text
    rival = Client()
    rival.force_login(other_coach)
    assert "Easy run" not in page(rival, found)
    assert planned.scheduled_for == TUESDAY


def test_what_people_and_files_name_is_shown_escaped(as_athlete: Client, athlete: User) -> None:
    found = stored(athlete, name=HOSTILE)
    for text in (page(as_athlete, found), as_athlete.get(reverse("coaching:activities")).text):
        assert HOSTILE not in text
        assert "&lt;script&gt;" in text


def test_weeks_begin_on_monday_or_sunday() -> None:
    assert week_start(START.date(), 0) == date(2026, 11, 16)
    assert week_start(START.date(), 6) == date(2026, 11, 15)


def test_an_athlete_without_consent_has_no_weeks_for_the_coach(
    as_coach: Client, athlete: User, link: CoachingLink
) -> None:
    stored(athlete)
    text = as_coach.get(reverse("coaching:trends_of_athlete", args=[link.public_id])).text
    assert "Not shared with you" in text
    assert "week-bars" not in text


def test_the_weeks_sum_up_every_sport(
    as_athlete: Client, athlete: User, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    stored(athlete, "1", started_at=_yesterday(), duration_s=3600, distance_m=12_000, avg_hr=165)
    stored(athlete, "2", started_at=_yesterday(), duration_s=1800, distance_m=10_000, sport="cycling", avg_hr=None)
    with django_assert_max_num_queries(8):
        text = as_athlete.get(reverse("coaching:trends")).text
    assert "time 1.5 h, running, cycling" in text
    assert "distance 22 km" in text
    assert "load 100" in text
    assert "1 h 30 min" in text


def test_activities_to_review_are_announced(as_athlete: Client, athlete: User) -> None:
    first, second = stored(athlete, "1"), stored(athlete, "2")
    DuplicatePair.objects.create(athlete=athlete, first=first, second=second)
    text = as_athlete.get(reverse("coaching:activities")).text
    assert "came twice" in text
    assert reverse("coaching:duplicates") in text


def test_an_activity_with_everything_takes_few_queries(
    as_athlete: Client, athlete: User, link: CoachingLink, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    found = upload(athlete, "run.fit", run_file())[0].activity
    assert found
    page(as_athlete, found)
    with django_assert_max_num_queries(8):
        page(as_athlete, found)


def test_the_load_tells_the_heart_rate_so_it_is_shared_with_it(
    as_coach: Client, link: CoachingLink, athlete: User
) -> None:
    activity = stored(athlete, avg_hr=150)
    pages = [reverse("coaching:activity", args=[activity.public_id]), _weeks_of(link)]
    for scopes, told in (([Scope.ACTIVITIES], False), ([Scope.ACTIVITIES, Scope.HEART_RATE], True)):
        CoachingLink.objects.filter(pk=link.pk).update(scopes=scopes)
        for path in pages:
            page = as_coach.get(path).text
            assert (f"{activity.load:.0f}</" in page) == told, (path, scopes)


def _weeks_of(link: CoachingLink) -> str:
    return reverse("coaching:trends_of_athlete", args=[link.public_id])
