"""Groups: made, renamed, filled and deleted by their coach alone, and shared with like athletes."""

from datetime import timedelta
from uuid import uuid4

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from accounts.models import AuditEntry, User
from coaching.models import CoachingLink, Group, Share
from coaching.services import grouping
from integrations import errors
from tests.coaching.world import make_workout
from tests.conftest import make_user

pytestmark = pytest.mark.django_db
GROUPS = "/groups/"


@pytest.fixture
def second(coach: User) -> CoachingLink:
    return CoachingLink.objects.create(coach=coach, athlete=make_user("b@example.org", "Ben Breeze"), scopes=["plan"])


@pytest.fixture
def foreign(other_coach: User, stranger: User) -> CoachingLink:
    return CoachingLink.objects.create(coach=other_coach, athlete=stranger, scopes=["plan"])


@pytest.fixture
def runners(coach: User, link: CoachingLink) -> Group:
    return grouping.make(coach, "Runners", [link])


def address(group: Group) -> str:
    return reverse("coaching:group", args=[group.public_id])


def test_a_group_is_made_filled_renamed_and_deleted(as_coach: Client, link: CoachingLink, second: CoachingLink) -> None:
    made = as_coach.post(GROUPS, {"name": " Spring \u202e marathon "})
    group = Group.objects.get()
    assert made["Location"] == address(group)
    assert group.name == "Spring marathon"
    as_coach.post(address(group), {"name": "Autumn", "athlete": [str(link.public_id), str(second.public_id)]})
    group.refresh_from_db()
    assert (group.name, group.members.count()) == ("Autumn", 2)
    as_coach.post(address(group), {"name": "Autumn", "athlete": [str(second.public_id)]})
    assert list(group.members.all()) == [second]
    as_coach.post(reverse("coaching:delete_group", args=[group.public_id]))
    assert not Group.objects.exists()
    assert CoachingLink.objects.active().count() == 2
    noted = AuditEntry.objects.filter(action__startswith="group.").order_by("pk")
    assert list(noted.values_list("action", flat=True)) == [
        "group.made", "group.renamed", "group.members", "group.members", "group.deleted",
    ]  # fmt: skip


def test_a_name_is_taken_once_per_coach_whatever_its_case(as_coach: Client, runners: Group, other_coach: User) -> None:
    refused = as_coach.post(GROUPS, {"name": "RUNNERS"})
    assert refused.status_code == 400
    assert "You have a group of this name already." in refused.text
    riders = grouping.make(runners.coach, "Riders")
    again = as_coach.post(address(riders), {"name": "runners"})
    assert again.status_code == 400
    riders.refresh_from_db()
    assert riders.name == "Riders"
    grouping.make(other_coach, "Runners")


def test_a_refused_name_changes_no_member(runners: Group, link: CoachingLink, coach: User) -> None:
    riders = grouping.make(coach, "Riders")
    with pytest.raises(errors.ValidationError):
        grouping.change(riders, "Runners", [link], by=coach)
    assert not riders.members.exists()


@pytest.mark.parametrize("name", ["", "   ", "\u202e", "x" * 61])
def test_a_group_without_a_usable_name_is_not_made(as_coach: Client, name: str) -> None:
    answer = as_coach.post(GROUPS, {"name": name})
    assert answer.status_code == 400
    assert "errorlist" in answer.text
    assert not Group.objects.exists()


def test_another_coachs_athlete_gets_into_no_group(
    as_coach: Client, coach: User, runners: Group, foreign: CoachingLink, link: CoachingLink
) -> None:
    for post in ({"name": "Runners", "athlete": [str(foreign.public_id)]}, {"name": "Runners", "athlete": ["x"]}):
        assert as_coach.post(address(runners), post).status_code == 404
    joining = {"group": str(runners.public_id), "athlete": [str(foreign.public_id)]}
    assert as_coach.post(reverse("coaching:join_group"), joining).status_code == 404
    grouping.change(runners, "Runners", [link, foreign], by=coach)
    assert grouping.add(runners, [foreign], by=coach) == 0
    assert list(runners.members.all()) == [link]


def test_athletes_join_from_the_roster(as_coach: Client, runners: Group, second: CoachingLink) -> None:
    join = reverse("coaching:join_group")
    ticked = {"group": str(runners.public_id), "athlete": [str(second.public_id)]}
    assert "1 added to Runners." in as_coach.post(join, ticked, follow=True).text
    assert "They are in Runners already." in as_coach.post(join, ticked, follow=True).text
    assert runners.members.count() == 2
    assert as_coach.post(join, {**ticked, "group": str(uuid4())}).status_code == 404
    assert "Choose a group first." in as_coach.post(join, {**ticked, "group": ""}, follow=True).text


def test_a_workout_goes_to_groups_and_athletes_once_each(
    as_coach: Client, coach: User, runners: Group, link: CoachingLink, second: CoachingLink
) -> None:
    third = CoachingLink.objects.create(coach=coach, athlete=make_user("c@example.org", "Chen Wei"), scopes=["plan"])
    CoachingLink.objects.create(coach=coach, athlete=make_user("d@example.org", "Dana Dunes"), scopes=["plan"])
    both = grouping.make(coach, "Both", [link, second])
    workout = make_workout(coach)
    share = reverse("coaching:share", args=[workout.public_id])
    assert "group of 2" in as_coach.get(share).text
    day = timezone.now().date() + timedelta(days=3)
    post = {"group": [str(runners.public_id), str(both.public_id)], "athlete": [str(third.public_id)], "on": day}
    assert as_coach.post(share, post).status_code == 302
    offered = Share.objects.values_list("link", "scheduled_for")
    assert sorted(offered) == sorted([(link.pk, day), (second.pk, day), (third.pk, day)])


def test_an_ended_link_is_no_member_of_anything(
    as_coach: Client, coach: User, runners: Group, link: CoachingLink, second: CoachingLink
) -> None:
    CoachingLink.objects.filter(pk=link.pk).update(status="ended", ended_at=timezone.now())
    share = reverse("coaching:share", args=[make_workout(coach).public_id])
    answer = as_coach.post(share, {"group": [str(runners.public_id)]})
    assert "Choose at least one athlete." in answer.text
    assert not Share.objects.exists()
    assert "0 athletes" in as_coach.get(GROUPS).text


@pytest.mark.parametrize("wrong", ["x", str(uuid4())], ids=["no id", "an id of nothing"])
def test_a_group_that_is_not_mine_is_not_shared_with(as_coach: Client, coach: User, runners: Group, wrong: str) -> None:
    share = reverse("coaching:share", args=[make_workout(coach).public_id])
    answer = as_coach.post(share, {"group": [str(runners.public_id), wrong]})
    assert answer.status_code == 404
    assert not Share.objects.exists()


def test_group_pages_ask_the_database_the_same_however_many_there_are(
    as_coach: Client, coach: User, runners: Group, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    for number in range(20):
        person = make_user(f"m{number}@example.org", f"M {number}")
        member = CoachingLink.objects.create(coach=coach, athlete=person, scopes=["plan"])
        grouping.make(coach, f"G {number}", [member])
        grouping.add(runners, [member], by=coach)
    for page in (GROUPS, address(runners)):
        with django_assert_max_num_queries(8):
            assert as_coach.get(page).status_code == 200


def test_there_are_so_many_groups_and_each_coach_has_his_own_count(
    coach: User, other_coach: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(grouping, "MOST_GROUPS", 2)
    for name in ("Track", "Hills"):
        grouping.make(coach, name)
    with pytest.raises(errors.ValidationError, match="2 groups"):
        grouping.make(coach, "One more")
    grouping.make(other_coach, "Theirs")
    assert Group.objects.for_coach(coach).count() == 2


def test_what_changes_nobody_leaves_no_trace(coach: User, link: CoachingLink) -> None:
    group = grouping.make(coach, "Track", [link])
    grouping.change(group, "Track", [link], by=coach)
    assert grouping.add(group, [link], by=coach) == 0
    assert set(AuditEntry.objects.filter(action__startswith="group.").values_list("action", flat=True)) == {
        "group.made"
    }
