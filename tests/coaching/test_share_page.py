"""What the share page says before and instead of sharing: what a watch may not hold, and the day's limit."""

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import User
from coaching.models import CoachingLink, Share, Workout
from coaching.services import sharing
from integrations.models import Connection, Provider
from integrations.records import End, EndKind, Segment, Sport, WorkoutRecord, WorkoutStep
from tests.coaching.world import easy_run, make_workout, offer

pytestmark = pytest.mark.django_db
WORDS = "It has 51 steps; many watches hold only 50."


def run_of(steps: int) -> WorkoutRecord:
    step = WorkoutStep(end=End(kind=EndKind.TIME, value=60))
    return WorkoutRecord(
        name=f"{steps} minutes", sport=Sport.RUNNING, segments=(Segment(sport=Sport.RUNNING, steps=(step,) * steps),)
    )


@pytest.fixture
def account(link: CoachingLink, garmin_provider: Provider) -> Connection:
    """The athlete's, at Garmin; nothing is called."""
    return Connection.objects.create(
        user=link.athlete, provider=garmin_provider, status="active", external_account_id="1"
    )


def page(client: Client, workout: Workout) -> str:
    return client.get(reverse("coaching:share", args=[workout.public_id])).text


def test_a_workout_too_long_for_many_watches_says_so_before_it_is_shared(
    as_coach: Client, as_athlete: Client, link: CoachingLink, account: Connection
) -> None:
    long, short = make_workout(link.coach, run_of(51)), make_workout(link.coach, run_of(50))
    assert page(as_coach, long).count(WORDS) == 1
    assert "many watches" not in page(as_coach, short)
    assert long.current is not None
    sharing.share_workout(long.current, targets=[(link, None)], by=link.coach)
    share = Share.objects.get()
    assert WORDS in as_athlete.get(reverse("coaching:offer", args=[share.public_id])).text


def test_one_caution_is_said_once_for_all_athletes(
    as_coach: Client, link: CoachingLink, account: Connection, garmin_provider: Provider, stranger: User
) -> None:
    CoachingLink.objects.create(coach=link.coach, athlete=stranger, scopes=["plan"])
    Connection.objects.create(user=stranger, provider=garmin_provider, status="active", external_account_id="2")
    assert page(as_coach, make_workout(link.coach, run_of(51))).count(WORDS) == 1


def test_nobody_with_a_watch_is_nobody_to_be_told(as_coach: Client, link: CoachingLink) -> None:
    assert "many watches" not in page(as_coach, make_workout(link.coach, run_of(51)))


def test_the_workout_page_says_it_of_the_account_it_came_from(
    as_coach: Client, coach: User, garmin_provider: Provider
) -> None:
    workout = make_workout(coach, run_of(51))
    address = reverse("coaching:workout", args=[workout.public_id])
    assert "many watches" not in as_coach.get(address).text
    workout.source = Connection.objects.create(user=coach, provider=garmin_provider)
    workout.save()
    assert WORDS in as_coach.get(address).text


def test_past_the_days_limit_the_page_says_when_to_come_back(
    as_coach: Client, link: CoachingLink, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sharing, "MOST_A_DAY", 1)
    offer(link)
    workout = make_workout(link.coach, easy_run("One too many"))
    address = reverse("coaching:share", args=[workout.public_id])
    answer = as_coach.post(address, {"athlete": [str(link.public_id)], "message": "Have fun"})
    assert answer.status_code == 429
    assert 80_000 < int(answer["Retry-After"]) <= 86_400
    assert "You have shared 1 workouts within a day, the limit." in answer.text
    assert "Have fun" in answer.text, "what was typed is not lost"
    assert Share.objects.count() == 1


def test_what_is_wrong_with_the_form_is_no_limit(as_coach: Client, link: CoachingLink) -> None:
    answer = as_coach.post(reverse("coaching:share", args=[make_workout(link.coach).public_id]), {})
    assert answer.status_code == 200
    assert "Choose at least one athlete." in answer.text
    assert "Retry-After" not in answer
