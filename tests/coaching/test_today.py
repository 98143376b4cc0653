"""The coach's day: who needs him, why, in which order; what is on today; and how fresh all of it is."""

from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from accounts.models import User
from coaching import policies
from coaching.models import CoachingLink, Delivery, Share
from coaching.services import attention
from coaching.weeks import today_of
from integrations.models import Connection, Provider, SyncStream
from tests.coaching.roster_world import account, ago, crowd, done, planned, trained_by
from tests.coaching.world import offer

pytestmark = pytest.mark.django_db
TODAY = "/today/"


@pytest.fixture
def ben(coach: User, garmin_provider: Provider) -> CoachingLink:
    """All is well with him."""
    link = trained_by(coach)
    account(link, garmin_provider)
    return link


def reasons(coach: User) -> list[tuple[str, str]]:
    """(who, why) in the order of the list."""
    links = list(attention.watched(coach))
    return [(str(found.link.athlete), found.reason) for found in attention.concerns(links)]


def words(coach: User) -> str:
    links = list(attention.watched(coach))
    return " ".join(found.words for found in attention.concerns(links))


def test_nobody_needs_anything_where_all_is_well(as_coach: Client, coach: User, ben: CoachingLink) -> None:
    planned(ben, ago(ben, -10))
    done(ben, ago(ben, 1), planned(ben, ago(ben, 1)))
    assert reasons(coach) == []
    assert "Nobody at the moment" in as_coach.get(TODAY).text


def test_missed_sessions_of_the_last_seven_days_count(coach: User, ben: CoachingLink) -> None:
    planned(ben, ago(ben, -10))
    for days in (8, 7, 2, 1):
        planned(ben, ago(ben, days))
    done(ben, ago(ben, 3), planned(ben, ago(ben, 3)))
    planned(ben, ago(ben, 0))
    assert reasons(coach) == [("Ben Breeze", "missed")]
    assert "3 of 4 sessions of the last 7 days missed." in words(coach)


def test_a_day_is_over_when_it_is_over_where_the_athlete_is(coach: User, ben: CoachingLink) -> None:
    """14 hours apart: yesterday there may be today here."""
    planned(ben, ago(ben, -10))
    for zone in ("Pacific/Kiritimati", "Etc/GMT+12"):
        ben.athlete.time_zone = zone
        ben.athlete.save()
        share = planned(ben, today_of(ben.athlete))
        assert reasons(coach) == [], f"in {zone} the day is not over"
        Share.objects.filter(pk=share.pk).update(scheduled_for=today_of(ben.athlete) - timedelta(days=1))
        assert reasons(coach) == [("Ben Breeze", "missed")]
        share.delete()


@pytest.mark.parametrize(("days", "expected"), [(6, []), (7, [("Ben Breeze", "silent")])])
def test_silence_counts_from_a_week_on(
    coach: User, ben: CoachingLink, days: int, expected: list[tuple[str, str]]
) -> None:
    done(ben, ago(ben, days))
    assert reasons(coach) == expected


def test_silence_is_only_of_what_the_coach_may_know(coach: User, ben: CoachingLink, garmin_provider: Provider) -> None:
    done(ben, ago(ben, 9))
    done(ben, ago(ben, 1), source="garmin")
    assert reasons(coach) == []
    Provider.objects.filter(pk=garmin_provider.pk).update(visible_to_coach=False)
    policies.forget()
    assert reasons(coach) == [("Ben Breeze", "silent")]
    CoachingLink.objects.filter(pk=ben.pk).update(scopes=["plan"])
    assert reasons(coach) == []


@pytest.mark.parametrize(
    ("status", "said"),
    [("needs_reauth", "asks for a new login"), ("paused", "is paused"), ("disconnected", "No account is connected")],
)
def test_a_broken_account_is_told_with_how_long(coach: User, ben: CoachingLink, status: str, said: str) -> None:
    since = timezone.now() - timedelta(days=3, hours=1)
    Connection.objects.update(status=status, status_changed_at=since)
    CoachingLink.objects.update(started_at=since)
    assert reasons(coach) == [("Ben Breeze", "account")]
    assert said in words(coach)
    assert "for 3 days" in words(coach)


def test_a_failed_delivery_comes_first_and_leads_there(as_coach: Client, coach: User, ben: CoachingLink) -> None:
    planned(ben, ago(ben, 2))
    share = planned(ben, ago(ben, -9), name="Hill sprints")
    Delivery.objects.create(
        share=share, revision=share.revision, connection=Connection.objects.get(), status="failed",
        error_code="unsupported", error_detail="Step 3 cannot be expressed.",
    )  # fmt: skip
    assert reasons(coach) == [("Ben Breeze", "delivery"), ("Ben Breeze", "missed")]
    page = as_coach.get(TODAY).text
    assert "“Hill sprints” did not arrive." in page
    assert "Step 3 cannot be expressed." in page
    assert reverse("coaching:delivery", args=[share.public_id]) in page


def test_what_was_withdrawn_fails_nobody(coach: User, ben: CoachingLink) -> None:
    share = planned(ben, ago(ben, -9))
    Delivery.objects.create(share=share, revision=share.revision, connection=Connection.objects.get(), status="failed")
    Share.objects.update(status="withdrawn")
    assert reasons(coach) == []


@pytest.mark.parametrize(
    ("left", "said"),
    [(8, ""), (7, "ends in 7 days"), (1, "ends tomorrow"), (0, "ends today"), (-1, "ended yesterday"), (-15, "")],
)
def test_a_plan_that_ends_is_told_a_week_ahead(coach: User, ben: CoachingLink, left: int, said: str) -> None:
    share = planned(ben, ago(ben, -left))
    if left < 0:
        done(ben, ago(ben, 1), share)
    assert said in words(coach)
    assert ("plan" in words(coach)) == bool(said)


def test_an_offer_that_waits_for_two_days_is_told(coach: User, ben: CoachingLink) -> None:
    share = offer(ben, on=None)
    assert reasons(coach) == []
    Share.objects.filter(pk=share.pk).update(created_at=timezone.now() - timedelta(days=2, minutes=1))
    assert reasons(coach) == [("Ben Breeze", "unanswered")]
    assert "An offer has not been answered, the oldest for 2 days." in words(coach)


def test_todays_sessions_are_told_in_words(as_coach: Client, coach: User, ben: CoachingLink) -> None:
    planned(ben, ago(ben, 0), name="Hill sprints")
    done(ben, ago(ben, 0), planned(ben, ago(ben, 0), name="Long run"), percent=60)
    planned(ben, ago(ben, -1), name="Tomorrow")
    page = as_coach.get(TODAY).text
    for word in ("Hill sprints", "Planned", "Long run", "Near it, 60 %"):
        assert word in page
    assert "Tomorrow" not in page


def test_as_of_is_the_oldest_read_of_working_accounts(as_coach: Client, coach: User, ben: CoachingLink) -> None:
    assert "no activities read yet" in as_coach.get(TODAY).text
    old, new = (timezone.now() - timedelta(hours=hours) for hours in (5, 1))
    SyncStream.objects.create(connection=Connection.objects.get(), resource="activities", last_success_at=new)
    other = trained_by(coach, "Chen Wei")
    connection = account(other, Provider.objects.get(slug="garmin"))
    stream = SyncStream.objects.create(connection=connection, resource="activities", last_success_at=old)
    assert "as of 5 hours ago" in as_coach.get(TODAY).text.replace("\xa0", " ")
    SyncStream.objects.filter(pk=stream.pk).update(resource="workouts")
    assert "as of an hour ago" in as_coach.get(TODAY).text.replace("\xa0", " ")


def test_health_counts_accounts(as_coach: Client, coach: User, ben: CoachingLink) -> None:
    trained_by(coach, "Chen Wei")
    page = as_coach.get(TODAY).text
    assert '<strong class="number">1</strong> connected, <strong class="number">1</strong> needs action' in page


def test_another_coachs_athletes_are_not_there(as_coach: Client, other_coach: User, ben: CoachingLink) -> None:
    planned(trained_by(other_coach, "Zoe Zander"), None)
    assert "Zoe Zander" not in as_coach.get(TODAY).text


def test_home_is_today_once_something_is_planned(as_coach: Client, coach: User, ben: CoachingLink) -> None:
    assert "First steps" in as_coach.get("/").text
    planned(ben, ago(ben, -1))
    assert as_coach.get("/")["Location"] == TODAY


def test_a_coach_without_athletes_is_told_how_to_begin(as_coach: Client) -> None:
    page = as_coach.get(TODAY).text
    assert "No athletes yet" in page
    assert "Who needs you" not in page


def test_who_does_not_coach_has_no_such_page(as_athlete: Client) -> None:
    assert as_athlete.get(TODAY)["Location"] == reverse("accounts:settings")


@pytest.mark.parametrize("count", [2, 30])
def test_today_takes_eight_queries_for_two_and_for_thirty(
    as_coach: Client, coach: User, count: int, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    crowd(coach, count)
    with django_assert_max_num_queries(8):
        page = as_coach.get(TODAY).text
    assert "Person01 Crowd" in page
    assert ("more</a>" in page) == (count == 30), "the list shows the first ones"
