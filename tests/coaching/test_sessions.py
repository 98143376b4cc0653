"""A week as each side sees it: planned, done, missed; words and shapes, consent and zones."""

from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import pytest
import time_machine

from accounts.models import User
from coaching import compliance, policies, sessions
from coaching.compliance import Bands
from coaching.models import CoachingLink, ComplianceBands, Match, Scope, Share
from coaching.sessions import SessionState
from integrations.models import Provider
from tests.coaching.doings import DAY, did, plan, record

pytestmark = pytest.mark.django_db
NEXT = DAY + timedelta(days=1)


@pytest.fixture
def seen(link: CoachingLink) -> CoachingLink:
    """The athlete lets the coach see activities."""
    link.scopes = [Scope.PLAN, Scope.ACTIVITIES]
    link.save()
    return link


def states(viewer: User, athlete: User, day: date = DAY) -> list[str]:
    found = sessions.between(viewer, [athlete.pk], day, day)
    return [str(each.state) for each in found.get((athlete.pk, day), [])]


@pytest.mark.parametrize(
    ("percent", "code"),
    [
        (0, "off"), (49, "off"), (50, "near"), (79, "near"), (80, "on"), (120, "on"), (121, "near"), (150, "near"),
        (151, "off"),
    ],
)  # fmt: skip
def test_the_usual_bands(percent: int, code: str) -> None:
    found = compliance.verdict(percent)
    assert found is not None
    assert found.code == code
    assert found.word
    assert found.shape


def test_no_percentage_is_no_verdict() -> None:
    assert compliance.verdict(None) is None


def test_a_coach_has_bands_of_his_own(seen: CoachingLink, athlete: User, coach: User) -> None:
    ComplianceBands.objects.create(coach=coach, near_from=10, on_from=20, on_to=100, near_to=110)
    plan(seen)
    did(athlete, record("a", duration_s=900.0))
    (session,) = sessions.between(coach, [athlete.pk], DAY, DAY)[athlete.pk, DAY]
    assert session.word == "On target, 50 %"
    assert compliance.bands_of([coach.pk, 99]) == {coach.pk: Bands(10, 20, 100, 110), 99: Bands()}


def test_both_sides_see_it_done(seen: CoachingLink, athlete: User, coach: User) -> None:
    plan(seen)
    did(athlete, record("a"))
    assert states(coach, athlete) == states(athlete, athlete) == ["done"]


def test_without_consent_a_coach_sees_that_and_not_what(link: CoachingLink, athlete: User, coach: User) -> None:
    plan(link)
    did(athlete, record("a"))
    did(athlete, record("b", day=NEXT))
    (session,) = sessions.between(coach, [athlete.pk], DAY, NEXT)[athlete.pk, DAY]
    assert (session.state, session.activity) == (SessionState.DONE, None)
    assert states(coach, athlete, NEXT) == []
    assert states(athlete, athlete, NEXT) == ["unplanned"]


def test_what_a_provider_hides_from_coaches_stays_hidden(seen: CoachingLink, athlete: User, coach: User) -> None:
    Provider.objects.filter(slug="strava").update(visible_to_coach=False)
    policies.forget()
    did(athlete, record("a", day=NEXT), source="strava")
    assert states(coach, athlete, NEXT) == []
    assert states(athlete, athlete, NEXT) == ["unplanned"]


def test_another_coach_sees_nothing(seen: CoachingLink, athlete: User, other_coach: User) -> None:
    plan(seen)
    did(athlete, record("a"))
    assert sessions.between(other_coach, [athlete.pk], DAY, DAY) == {}


def test_withdrawn_consent_counts_at_once(seen: CoachingLink, athlete: User, coach: User) -> None:
    did(athlete, record("a"))
    assert states(coach, athlete) == ["unplanned"]
    CoachingLink.objects.update(scopes=[Scope.PLAN])
    assert states(coach, athlete) == []


@pytest.mark.parametrize(
    ("zone", "at", "state"),
    [
        ("Pacific/Kiritimati", timedelta(hours=9, minutes=59), "planned"),
        ("Pacific/Kiritimati", timedelta(hours=10, minutes=1), "missed"),
        ("Pacific/Pago_Pago", timedelta(hours=34, minutes=59), "planned"),
        ("Pacific/Pago_Pago", timedelta(hours=35, minutes=1), "missed"),
    ],
)
def test_missed_is_when_the_athletes_day_is_over(
    seen: CoachingLink, athlete: User, coach: User, zone: str, at: timedelta, state: str
) -> None:
    User.objects.filter(pk=athlete.pk).update(time_zone=zone)
    plan(seen)
    with time_machine.travel(datetime.combine(DAY, time(), tzinfo=UTC) + at, tick=False):
        assert states(coach, athlete) == [state]


def test_an_offer_and_a_refusal_say_so(link: CoachingLink, athlete: User, coach: User) -> None:
    plan(link)
    with time_machine.travel(datetime.combine(DAY, time(), tzinfo=UTC) - timedelta(days=7), tick=False):
        Share.objects.update(status="offered")
        assert states(coach, athlete) == ["offered"]
        Share.objects.update(status="declined")
        assert states(coach, athlete) == ["declined"]
        Share.objects.update(status="withdrawn")
        assert states(coach, athlete) == []


def test_an_unlinked_session_is_missed_and_its_activity_unplanned(
    seen: CoachingLink, athlete: User, coach: User
) -> None:
    share = plan(seen)
    did(athlete, record("a"))
    Match.objects.filter(share=share).update(activity=None, how="manual")
    assert sorted(states(coach, athlete)) == ["missed", "unplanned"]


def test_queries_do_not_grow_with_athletes(coach: User, django_assert_num_queries: Any) -> None:
    ids = []
    for number in range(6):
        athlete = User.objects.create_user(f"a{number}@example.org", "x")
        ids.append(athlete.pk)
        link = CoachingLink.objects.create(coach=coach, athlete=athlete, scopes=[Scope.ACTIVITIES])
        plan(link)
        did(athlete, record("a"))
        did(athlete, record("b", day=NEXT))
    policies.standing()
    with django_assert_num_queries(2):
        found = sessions.between(coach, ids, DAY - timedelta(days=7), NEXT)
        words = [session.word for row in found.values() for session in row]
    assert len(words) == 12
