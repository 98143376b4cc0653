"""The roster and what a coach sees of one athlete: nothing more than consent and the providers' terms allow."""

import re
from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from pytest_django import DjangoAssertNumQueries

from accounts.models import User
from coaching import policies
from coaching.models import CoachingLink
from coaching.services import grouping, noting
from integrations.models import Provider
from tests.coaching.roster_world import account, ago, crowd, done, planned, trained_by

pytestmark = pytest.mark.django_db
ROSTER = "/athletes/"


@pytest.fixture
def ben(coach: User, garmin_provider: Provider) -> CoachingLink:
    link = trained_by(coach)
    account(link, garmin_provider)
    return link


def address(link: CoachingLink, page: str = "athlete") -> str:
    return reverse(f"coaching:{page}", args=[link.public_id])


def read(client: Client, path: str) -> str:
    """The words of a page, without its marks and breaks."""
    return " ".join(re.sub(r"<[^>]+>", " ", client.get(path).text).split())


def test_a_row_tells_how_the_week_went_in_words(as_coach: Client, ben: CoachingLink) -> None:
    planned(ben, ago(ben, 2), name="Hill sprints")
    done(ben, ago(ben, 1), planned(ben, ago(ben, 1), name="Long run"), percent=130)
    planned(ben, ago(ben, -1), name="Track night")
    page = read(as_coach, ROSTER)
    assert f"{ago(ben, 2):%A}: Hill sprints, missed" in page
    assert f"{ago(ben, 1):%A}: Long run, near it, 130 %" in page
    assert f"{ago(ben, 3):%A}: nothing" in page
    assert "yesterday" in page
    assert "Track night" in page
    assert "Connected" in page


def test_the_strip_is_seven_days_of_the_athlete(as_coach: Client, ben: CoachingLink) -> None:
    for days in (7, 6, 0, -1):
        planned(ben, ago(ben, days), name=f"Day {days}")
    strip = as_coach.get(ROSTER).text.partition('<span class="strip">')[2].partition("</td>")[0]
    assert strip.count('class="mark') == 7
    assert ["Day 7" in strip, "Day 6" in strip, "Day 0" in strip, "Day -1" in strip] == [False, True, True, False]


def test_unread_notes_are_counted_and_reading_them_ends_that(as_coach: Client, coach: User, ben: CoachingLink) -> None:
    for text in ("My knee hurts", "Better today"):
        noting.write(ben, ben.athlete, text)
    noting.write(ben, coach, "Rest, please.")
    assert "2 new" in read(as_coach, ROSTER)
    assert "Better today" in read(as_coach, reverse("coaching:notes", args=[ben.public_id]))
    assert "new" not in read(as_coach, ROSTER).partition("Notes")[2].partition("done, on target")[0]
    noting.write(ben, ben.athlete, "One more")
    assert "1 new" in read(as_coach, ROSTER)
    CoachingLink.objects.filter(pk=ben.pk).update(scopes=["plan"])
    assert "1 new" not in read(as_coach, ROSTER), "what is not shared is not counted"


def test_groups_and_names_narrow_the_list(as_coach: Client, coach: User, ben: CoachingLink, other_coach: User) -> None:
    chen = trained_by(coach, "Chen Wei")
    group = grouping.make(coach, "Track", [chen])
    foreign = grouping.make(other_coach, "Theirs", [trained_by(other_coach, "Zoe Zander")])
    for query, seen in (
        ("", [True, True]), (f"?group={group.public_id}", [False, True]), ("?q=bre+ben", [True, False]),
        ("?q=nobody", [False, False]), ("?group=nonsense", [True, True]),
        (f"?group={foreign.public_id}", [False, False]),
        ("?page=9", [False, False]), ("?page=-1", [True, True]),
    ):  # fmt: skip
        page = as_coach.get(ROSTER + query).text
        assert ["Ben Breeze" in page, "Chen Wei" in page] == seen, query
        assert "Zoe Zander" not in page
    assert "Track" in read(as_coach, ROSTER)


def test_what_is_not_shared_is_said_and_not_shown(as_coach: Client, ben: CoachingLink) -> None:
    done(ben, ago(ben, 1), planned(ben, ago(ben, 1)), name="Secret hill")
    assert "Secret hill" in read(as_coach, address(ben, "athlete_activities"))
    assert "141 bpm" in read(as_coach, address(ben, "athlete_activities"))
    CoachingLink.objects.filter(pk=ben.pk).update(scopes=["plan", "activities"])
    assert "141" not in read(as_coach, address(ben, "athlete_activities")), "heart rate has a scope of its own"
    CoachingLink.objects.filter(pk=ben.pk).update(scopes=["plan"])
    assert "Not shared with you" in read(as_coach, address(ben, "athlete_activities"))
    for path in (ROSTER, address(ben), address(ben, "athlete_activities"), address(ben, "athlete_deliveries")):
        assert "Secret hill" not in as_coach.get(path).text
    assert "not shared with you" in read(as_coach, ROSTER)
    day = {"day": ago(ben, 1).isoformat()}
    assert "On target" in as_coach.get(address(ben), day).text, "that it was done is part of the plan"
    assert "Done" not in as_coach.get(address(ben), day).text.partition("week-days")[2].partition("</ol>")[0]


def test_what_a_provider_hides_from_coaches_stays_hidden(
    as_coach: Client, ben: CoachingLink, garmin_provider: Provider
) -> None:
    done(ben, ago(ben, 1), source="garmin", name="Hidden by terms")
    Provider.objects.filter(pk=garmin_provider.pk).update(visible_to_coach=False)
    policies.forget()
    for path in (ROSTER, address(ben), address(ben, "athlete_activities")):
        assert "Hidden by terms" not in as_coach.get(path).text
    assert "none yet" in read(as_coach, ROSTER), "not even that there was one"


def test_the_week_shows_planned_beside_done(as_coach: Client, ben: CoachingLink) -> None:
    done(ben, ago(ben, 0), planned(ben, ago(ben, 0), name="Long run"), percent=60, duration_s=1080)
    page = read(as_coach, address(ben))
    assert "Planned 30 min" in page
    assert "Done 18 min" in page
    assert "Near it, 60 %" in page
    before = as_coach.get(address(ben), {"day": (ago(ben, 0) - timedelta(days=7)).isoformat()}).text
    assert "Long run" not in before
    assert as_coach.get(address(ben), {"day": "0000-13-77"}).status_code == 200


def test_activities_page_on_without_gaps_or_repeats(as_coach: Client, ben: CoachingLink) -> None:
    for number in range(60):
        done(ben, ago(ben, number // 3), name=f"Run {number:02}")  # three at the same moment
    seen: list[str] = []
    path = address(ben, "athlete_activities")
    for _ in range(3):
        page = as_coach.get(path).text
        seen += re.findall(r"Run \d\d", page)
        older = re.search(r'href="(\?before=[^"]+)"', page)
        path = address(ben, "athlete_activities") + (older[1] if older else "")
    assert sorted(seen) == [f"Run {number:02}" for number in range(60)]
    assert older is None
    for wrong in ("?before=x", "?before=2026-01-01,5", "?before=2026-01-01T00:00:00%2B00:00,99999999999999999999"):
        assert as_coach.get(address(ben, "athlete_activities") + wrong).status_code == 200


@pytest.mark.parametrize("page", ["athlete", "athlete_deliveries", "athlete_activities", "notes"])
def test_another_coachs_athlete_does_not_exist(as_coach: Client, other_coach: User, page: str) -> None:
    assert as_coach.get(address(trained_by(other_coach, "Zoe Zander"), page)).status_code == 404


@pytest.mark.parametrize("count", [2, 30])
def test_pages_take_eight_queries_for_two_and_for_thirty(
    as_coach: Client, coach: User, count: int, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    links = crowd(coach, count)
    grouping.make(coach, "All", links)
    for number in range(count):
        done(links[0], ago(links[0], number))
        noting.write(links[0], links[0].athlete, f"Note {number}")
    pages = [
        ROSTER,
        *(address(links[0], name) for name in ("athlete", "athlete_deliveries", "athlete_activities", "notes")),
    ]
    for page in pages:
        with django_assert_max_num_queries(8 + (page == pages[-1]), info=page):
            assert as_coach.get(page).status_code == 200


def test_invitations_have_a_page_that_leads_back(as_coach: Client) -> None:
    assert "No athletes yet" in as_coach.get(ROSTER).text
    assert reverse("coaching:invite") in as_coach.get(ROSTER).text
    assert "Send invitation" in as_coach.get(reverse("coaching:invite")).text
