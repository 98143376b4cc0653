"""A history of any size is made in statements, and once."""

import pytest
from django.core.management import CommandError, call_command
from django.db.models import F
from django.utils import timezone
from pytest_django import Settings

from accounts.models import User
from coaching.models import Activity, CoachingLink, Group, Share, Workout
from tests.coaching import history

pytestmark = pytest.mark.django_db


def test_a_coach_gets_athletes_with_years_of_training_and_their_totals() -> None:
    call_command("seed_scale", "--athletes", "5", "--activities", "2000", verbosity=0)
    coach = User.objects.get(email="scale.coach@example.org")
    assert CoachingLink.objects.filter(coach=coach, status="active").count() == 5
    assert Activity.objects.shown_to_coach(coach).count() == 2000
    athlete = CoachingLink.objects.filter(coach=coach)[0].athlete
    mine = Activity.objects.filter(athlete=athlete)
    assert mine.count() == 400
    days = sorted(mine.values_list("day", flat=True))
    assert (days[-1] - days[0]).days > 1700
    assert history.totals(athlete) == history.summed(athlete)
    call_command("seed_scale", "--athletes", "5", "--activities", "2000", verbosity=0)
    assert Activity.objects.count() == 2000


def test_it_makes_nobody_up_where_people_are_real(settings: Settings) -> None:
    settings.TESTING = settings.DEMO = settings.DEBUG = False
    with pytest.raises(CommandError, match="demo"):
        call_command("seed_scale", "--athletes", "1", "--activities", "1")
    assert not User.objects.exists()


def test_they_have_plans_around_today_and_groups_and_did_a_part_of_it() -> None:
    for _ in range(2):
        call_command("seed_scale", "--athletes", "5", "--activities", "200", "--days", "40", verbosity=0)
        shares = Share.objects.filter(link__coach__email="scale.coach@example.org")
        assert shares.count() == 5 * 8 * 5
        assert shares.filter(match__activity__isnull=False, scheduled_for__lt=timezone.now().date()).exists()
        assert not shares.filter(match__isnull=False).exclude(match__activity__day=F("scheduled_for")).exists()
        assert sum(group.members.count() for group in Group.objects.all()) == 5
        assert Workout.objects.count() == 12
