"""My week, a session beside its plan, what was told twice, and a coach's bands: as people click through them."""

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import User
from coaching.models import ActivityDetail, CoachingLink, ComplianceBands, DuplicatePair, Match, Scope
from coaching.weeks import today_of
from tests.coaching.doings import DAY, did, plan, record

pytestmark = pytest.mark.django_db


@pytest.fixture
def seen(link: CoachingLink) -> CoachingLink:
    link.scopes = [Scope.PLAN, Scope.ACTIVITIES]
    link.save()
    return link


def test_an_empty_week_says_what_will_come(as_athlete: Client) -> None:
    assert "Nothing is planned for the next four weeks" in as_athlete.get("/week/").text


def test_the_next_session_comes_first(as_athlete: Client, link: CoachingLink, athlete: User) -> None:
    today = today_of(athlete)
    plan(link, today + timedelta(days=9), name="Later")
    plan(link, today + timedelta(days=2), name="Sooner")
    page = as_athlete.get("/week/").text
    head = page[page.index('id="next"') :][:200]
    assert "Sooner" in head


def test_weeks_begin_when_the_person_says(as_athlete: Client, athlete: User) -> None:
    athlete.week_start = 6
    athlete.save()
    page = as_athlete.get("/week/?day=2026-11-18").text
    assert "15 November to 21 November 2026" in page
    assert as_athlete.get("/week/?day=nonsense").status_code == 200


def test_planned_and_done_stand_side_by_side(as_athlete: Client, seen: CoachingLink, athlete: User) -> None:
    share = plan(seen)
    did(athlete, record("a", duration_s=1440.0))
    page = as_athlete.get(f"/sessions/{share.public_id}/").text
    assert "On target, 80 %" in page
    assert "30 min" in page
    assert "24 min" in page


def test_laps_are_told_by_step_where_each_has_one(as_athlete: Client, seen: CoachingLink, athlete: User) -> None:
    share = plan(seen)
    activity = did(athlete, record("a"))
    detail = ActivityDetail.objects.create(activity=activity, laps=[{"duration_s": 1799.0, "avg_hr": 141}])
    assert "29:59" in as_athlete.get(f"/sessions/{share.public_id}/").text
    detail.laps = [{"duration_s": 900.0}, {"duration_s": 899.0}]
    detail.save()
    assert "14:59" not in as_athlete.get(f"/sessions/{share.public_id}/").text


def test_a_coach_sees_what_he_may(as_coach: Client, link: CoachingLink, athlete: User) -> None:
    share = plan(link)
    activity = did(athlete, record("a", duration_s=1440.0))
    ActivityDetail.objects.create(activity=activity, laps=[{"duration_s": 1439.0, "avg_hr": 141}])
    page = as_coach.get(f"/sessions/{share.public_id}/").text
    assert "On target, 80 %" in page, "that it was done is what the link is for"
    assert "not shared with you" in page
    assert "24 min" not in page
    link.scopes = [Scope.PLAN, Scope.ACTIVITIES]
    link.save()
    page = as_coach.get(f"/sessions/{share.public_id}/").text
    assert "24 min" in page
    assert "141" not in page, "the heart rate is not"


def test_an_ended_link_shows_a_coach_nothing(as_coach: Client, as_athlete: Client, link: CoachingLink) -> None:
    share = plan(link)
    link.status, link.ended_at = "ended", timezone.now()
    link.save()
    assert as_coach.get(f"/sessions/{share.public_id}/").status_code == 404
    assert as_athlete.get(f"/sessions/{share.public_id}/").status_code == 200


def test_an_activity_is_chosen_by_hand(as_athlete: Client, seen: CoachingLink, athlete: User) -> None:
    share = plan(seen)
    other = did(athlete, record("b", day=DAY - timedelta(days=2), duration_s=900.0, name="Evening run"))
    address = f"/sessions/{share.public_id}/"
    assert "Evening run" in as_athlete.get(address).text
    as_athlete.post(f"{address}match/", {"activity": str(other.public_id)})
    assert Match.objects.get().activity == other
    as_athlete.post(f"{address}match/", {"activity": ""})
    assert Match.objects.get().activity is None
    as_athlete.post(f"{address}match/", {"activity": "auto"})
    assert not Match.objects.exists()


def test_what_one_may_not_see_one_may_not_choose(
    as_coach: Client, as_athlete: Client, link: CoachingLink, athlete: User, stranger: User
) -> None:
    share, mine, foreign = plan(link), did(athlete, record("a", duration_s=600.0)), did(stranger, record("b"))
    Match.objects.all().delete()
    for client, activity in ((as_coach, mine), (as_coach, foreign), (as_athlete, foreign)):
        answer = client.post(f"/sessions/{share.public_id}/match/", {"activity": str(activity.public_id)}, follow=True)
        assert "no longer there" in answer.text
    assert not Match.objects.exists()


@pytest.mark.parametrize("decision", ["merge", "keep", "hide_first", "hide_second"])
def test_what_was_told_twice_is_decided_once(as_athlete: Client, athlete: User, decision: str) -> None:
    did(athlete, record("g"))
    did(athlete, record("f"), source="file")
    page = as_athlete.get("/activities/duplicates/").text
    assert page.count("Morning run") == 2
    pair = DuplicatePair.objects.get()
    as_athlete.post(f"/activities/duplicates/{pair.public_id}/", {"decision": decision})
    assert "Nothing to decide" in as_athlete.get("/activities/duplicates/").text
    pair.refresh_from_db()
    assert pair.state != "open"
    again = as_athlete.post(f"/activities/duplicates/{pair.public_id}/", {"decision": decision}, follow=True)
    assert "decided before" in again.text
    as_athlete.post(f"/activities/duplicates/{pair.public_id}/", {"decision": "undo"})
    assert len(athlete.activities.of(athlete)) == 2


def test_an_unknown_decision_is_none(as_athlete: Client, athlete: User) -> None:
    did(athlete, record("g"))
    did(athlete, record("f"), source="file")
    pair = DuplicatePair.objects.get()
    as_athlete.post(f"/activities/duplicates/{pair.public_id}/", {"decision": "delete"})
    pair.refresh_from_db()
    assert pair.state == "open"


def test_bands_are_a_coachs_own(as_coach: Client, as_athlete: Client, coach: User) -> None:
    assert as_athlete.get("/athletes/bands/").status_code == 302
    as_coach.post("/athletes/bands/", {"near_from": 40, "on_from": 70, "on_to": 110, "near_to": 130})
    assert ComplianceBands.objects.get().coach == coach
    refused = as_coach.post("/athletes/bands/", {"near_from": 90, "on_from": 70, "on_to": 110, "near_to": 130})
    assert "They must rise" in refused.text


def test_a_week_asks_few_questions(
    as_athlete: Client, seen: CoachingLink, athlete: User, django_assert_max_num_queries: Any
) -> None:
    for number in range(6):
        plan(seen, DAY + timedelta(days=number))
        did(athlete, record(str(number), day=DAY + timedelta(days=number)))
    as_athlete.get("/week/")
    with django_assert_max_num_queries(8):
        as_athlete.get("/week/")
