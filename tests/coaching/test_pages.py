"""The coaching pages as a browser asks for them: what is refused, what is shown, what is written."""

import re
from datetime import date, timedelta
from uuid import uuid4

import pytest
from django.core import mail
from django.test import Client
from django.urls import reverse
from pytest_django import DjangoAssertNumQueries

from accounts.models import User
from coaching.models import CoachingLink, Delivery, Invitation, Scope, Share, Workout
from coaching.services import inviting, sharing
from tests.coaching.world import easy_run, make_workout
from tests.conftest import make_user

CSRF = r'"X-CSRFToken": "\w+"'
HOSTILE = "<script>alert(1)</script>"


@pytest.fixture
def workout(coach: User) -> Workout:
    return make_workout(coach)


def share_address(workout: Workout) -> str:
    return reverse("coaching:share", args=[workout.public_id])


@pytest.mark.parametrize("wrong", ["-1", "9223372036854775808", "text", "c9f4057f-1043-4baa-a6dc-797daf063f6a"])
def test_sharing_with_nobody_of_mine_is_not_found(
    as_coach: Client, workout: Workout, link: CoachingLink, wrong: str
) -> None:
    answer = as_coach.post(share_address(workout), {"athlete": [str(link.public_id), wrong]})
    assert answer.status_code == 404
    assert not Share.objects.exists()


def test_sharing_with_another_coachs_athlete_is_not_found(
    as_coach: Client, workout: Workout, other_coach: User, stranger: User
) -> None:
    foreign = CoachingLink.objects.create(coach=other_coach, athlete=stranger, scopes=[Scope.PLAN])
    assert as_coach.post(share_address(workout), {"athlete": [str(foreign.public_id)]}).status_code == 404
    assert not Share.objects.exists()


def test_more_than_two_hundred_names_in_one_post_are_refused(as_coach: Client, workout: Workout) -> None:
    answer = as_coach.post(share_address(workout), {"athlete": [str(uuid4()) for _ in range(201)]})
    assert answer.status_code == 400
    assert not Share.objects.exists()


def test_each_athlete_may_have_a_day_of_his_own(
    as_coach: Client, coach: User, workout: Workout, link: CoachingLink, stranger: User
) -> None:
    other = CoachingLink.objects.create(coach=coach, athlete=stranger, scopes=[Scope.PLAN])
    monday = date.today() + timedelta(days=7)
    post = {
        "athlete": [str(link.public_id), str(other.public_id)],
        "on": monday.isoformat(),
        f"day-{other.public_id}": (monday + timedelta(days=1)).isoformat(),
        "message": f"{HOSTILE}\u202e",
    }
    assert as_coach.post(share_address(workout), post).status_code == 302
    days = dict(Share.objects.values_list("link__athlete__email", "scheduled_for"))
    assert days == {"athlete@example.org": monday, "stranger@example.org": monday + timedelta(days=1)}
    assert {share.message for share in Share.objects.all()} == {HOSTILE}
    assert as_coach.post(share_address(workout), post).status_code == 302, "sharing again changes nothing"
    assert Share.objects.count() == 2


@pytest.mark.parametrize("day", ["2020-01-01", "2999-01-01", "31.12.2026", "tomorrow"])
def test_a_day_that_cannot_be_is_said_and_nothing_is_shared(
    as_coach: Client, workout: Workout, link: CoachingLink, day: str
) -> None:
    for post in ({"on": day}, {f"day-{link.public_id}": day}):
        answer = as_coach.post(share_address(workout), {"athlete": [str(link.public_id)], **post})
        assert answer.status_code == 200
        assert "day" in answer.text
        assert "errorlist" in answer.text
    assert not Share.objects.exists()


def test_hostile_names_are_shown_as_text(as_coach: Client, as_athlete: Client, coach: User, link: CoachingLink) -> None:
    workout = make_workout(coach, easy_run(f"{HOSTILE} {'long ' * 40}", description=HOSTILE))
    assert workout.current
    sharing.share_workout(workout.current, targets=[(link, None)], by=coach, message=HOSTILE)
    share = Share.objects.get()
    pages = [
        (as_coach, reverse("coaching:library")),
        (as_coach, reverse("coaching:workout", args=[workout.public_id])),
        (as_coach, reverse("coaching:delivery", args=[share.public_id])),
        (as_coach, reverse("coaching:deliveries")),
        (as_athlete, reverse("coaching:inbox")),
        (as_athlete, reverse("coaching:offer", args=[share.public_id])),
    ]
    for client, address in pages:
        text = client.get(address).text
        assert "&lt;script&gt;alert(1)" in text, address
        assert "<script>alert" not in text, address


def test_importing_what_was_withdrawn_is_gone_and_sends_nothing(
    as_athlete: Client, coach: User, workout: Workout, link: CoachingLink
) -> None:
    assert workout.current
    sharing.share_workout(workout.current, targets=[(link, None)], by=coach)
    share = Share.objects.get()
    sharing.withdraw(share, coach)
    answer = as_athlete.post(reverse("coaching:import", args=[share.public_id]))
    assert answer.status_code == 410
    assert "No longer shared" in answer.text
    assert not Delivery.objects.exists()


def test_importing_without_an_account_waits_and_says_so(
    as_athlete: Client, coach: User, workout: Workout, link: CoachingLink
) -> None:
    assert workout.current
    sharing.share_workout(workout.current, targets=[(link, None)], by=coach)
    share = Share.objects.get()
    for _ in range(2):
        answer = as_athlete.post(reverse("coaching:import", args=[share.public_id]), follow=True)
    assert "It waits." in answer.text
    assert Delivery.objects.get().status == "blocked"


def test_an_invitation_works_before_sign_up_and_asks_for_consent(as_coach: Client, coach: User) -> None:
    answer = as_coach.post(reverse("coaching:invite"), {"email": "New@Example.org"})
    assert "It works once" in answer.text
    visitor = Client()
    address = next(word for word in mail.outbox[0].body.split() if "/invitation/" in word)
    arrived = visitor.get(address[address.index("/invitation/") :], follow=True)
    assert "Carla Coach invites you" in arrived.text
    assert arrived.redirect_chain[-1][0] == reverse("coaching:invitation"), "the token leaves the address"
    newcomer = make_user("new@example.org", "Nele New")
    visitor.force_login(newcomer)
    session = visitor.session
    session["invitation"] = str(Invitation.objects.get().public_id)
    session.save()
    visitor.post(reverse("coaching:accept_invitation"), {"scopes": ["activities"], "auto_import": "on"})
    made = CoachingLink.objects.get(coach=coach)
    assert (made.athlete, made.scopes, made.auto_import) == (newcomer, ["plan", "activities"], True)
    assert visitor.post(reverse("coaching:accept_invitation"), {}).status_code == 404, "single use"


@pytest.mark.parametrize("email", ["", "no address", "a@b\r\nBcc: x@example.org", "a" * 250 + "@example.org"])
def test_an_invitation_to_no_address_is_refused_in_words(as_coach: Client, email: str) -> None:
    answer = as_coach.post(reverse("coaching:invite"), {"email": email})
    assert answer.status_code == 400
    assert "errorlist" in answer.text
    assert not mail.outbox
    assert not Invitation.objects.exists()


def test_a_revoked_invitation_looks_like_one_that_never_was(as_coach: Client, coach: User) -> None:
    invitation, token = inviting.invite(coach, "new@example.org")
    as_coach.post(reverse("coaching:revoke", args=[invitation.public_id]))
    revoked = Client().get(reverse("coaching:arrive", args=[token]))
    unknown = Client().get(reverse("coaching:arrive", args=["x" * 43]))
    assert revoked.status_code == unknown.status_code == 404
    assert re.sub(CSRF, "", revoked.text) == re.sub(CSRF, "", unknown.text)


def test_consent_is_the_athletes_and_takes_effect_at_once(
    as_athlete: Client, as_coach: Client, link: CoachingLink
) -> None:
    as_athlete.post(reverse("coaching:consent", args=[link.public_id]), {"scopes": ["notes"], "auto_import": "on"})
    link.refresh_from_db()
    assert (link.scopes, link.auto_import) == (["plan", "notes"], True)
    assert "My notes" in as_coach.get(reverse("coaching:athlete", args=[link.public_id])).text


@pytest.mark.parametrize("side", ["coach", "athlete"])
def test_either_side_ends_it_and_offers_go(
    as_coach: Client, as_athlete: Client, coach: User, workout: Workout, link: CoachingLink, side: str
) -> None:
    assert workout.current
    sharing.share_workout(workout.current, targets=[(link, None)], by=coach)
    {"coach": as_coach, "athlete": as_athlete}[side].post(reverse("coaching:end_link", args=[link.public_id]))
    link.refresh_from_db()
    assert link.status == "ended"
    assert Share.objects.get().status == "withdrawn"
    assert as_coach.get(reverse("coaching:athlete", args=[link.public_id])).status_code == 404


def test_the_ledger_asks_the_database_the_same_however_long_it_is(
    as_coach: Client, coach: User, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    workout = make_workout(coach)
    assert workout.current
    links = [
        CoachingLink.objects.create(coach=coach, athlete=make_user(f"a{n}@example.org", f"A {n}"), scopes=["plan"])
        for n in range(20)
    ]
    sharing.share_workout(workout.current, targets=[(link, None) for link in links], by=coach)
    for name in ("deliveries", "athletes", "library"):
        with django_assert_max_num_queries(12):
            assert as_coach.get(reverse(f"coaching:{name}")).status_code == 200


def test_who_does_not_coach_is_told_how_to_start(as_athlete: Client) -> None:
    answer = as_athlete.get(reverse("coaching:library"), follow=True)
    assert "Start coaching" in answer.text


def test_coaching_starts_with_a_click_and_leads_nowhere_foreign(as_athlete: Client, athlete: User) -> None:
    answer = as_athlete.post(reverse("accounts:start_coaching"), {"next": "//evil.example/"})
    assert answer["Location"] == "/"
    athlete.refresh_from_db()
    assert athlete.is_coach


def many_athletes(coach: User, count: int) -> None:
    people = [User(email=f"many{n}@example.org", display_name=f"Many {n}", password="!") for n in range(count)]
    made = User.objects.bulk_create(people)
    CoachingLink.objects.bulk_create(CoachingLink(coach=coach, athlete=user, scopes=["plan"]) for user in made)


@pytest.mark.parametrize("count", [10, 1000])
def test_sharing_with_everybody_takes_the_same_queries_for_ten_and_a_thousand(
    as_coach: Client, coach: User, workout: Workout, count: int, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    many_athletes(coach, count)
    with django_assert_max_num_queries(30):
        answer = as_coach.post(share_address(workout), {"everyone": "on"})
    assert answer.status_code == 302
    assert Share.objects.count() == count
