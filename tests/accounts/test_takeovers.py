"""P14: every way we know to end up in somebody else's account by one's own sign-up or a provider's word. None works.

The attacker never has the victim's mailbox, and the victim always ends up in an account that is hers alone.
"""

from collections.abc import Callable

import pytest
from allauth.account.models import EmailAddress
from allauth.socialaccount.models import SocialAccount
from django.test import Client

from accounts.models import AuditEntry, User
from integrations.sandbox import RunningSandbox
from tests.accounts.doors import (
    newest_code,
    prove,
    sign_up,
    without_traces,
)
from tests.accounts.login_world import ADA, CARLA, MIMIC, NORA, Visitor, stand_in

type Someone = Callable[[], Visitor]

pytestmark = pytest.mark.django_db
VICTIM, HERS, HIS = "nora@demo.example", "her own long password", "his own long password"

# Somebody was there first


def test_1_signing_up_first_with_the_victims_address_leaves_no_key_behind(someone: Someone) -> None:
    attacker, victim = someone(), someone()
    sign_up(attacker, VICTIM, HIS)
    sign_up(victim, VICTIM, HERS)
    prove(victim)
    assert victim.is_inside
    late = someone()
    late.type_login(VICTIM, HIS)
    assert not late.is_inside
    attacker.client.get("/account/confirm-email/")
    attacker.client.post("/account/confirm-email/", {"code": newest_code()})
    assert not attacker.is_inside
    assert AuditEntry.objects.filter(action="user.gave_way").count() == 1


def test_2_signing_up_first_does_not_keep_the_victim_from_coming_with_google(someone: Someone) -> None:
    attacker, victim = someone(), someone()
    sign_up(attacker, VICTIM, HIS)
    victim.log_in(NORA)
    assert victim.is_inside
    late = someone()
    late.type_login(VICTIM, HIS)
    assert not late.is_inside
    assert not User.objects.get().has_usable_password()


def test_3_nor_do_a_reset_and_a_login_code_open_what_a_stranger_prepared(someone: Someone) -> None:
    attacker, victim = someone(), someone()
    sign_up(attacker, VICTIM, HIS)
    victim.client.post("/account/login/code/", {"email": VICTIM})
    assert not User.objects.exists()
    sign_up(attacker, VICTIM, HIS)
    victim.client.post("/account/password/reset/", {"email": VICTIM})
    assert not User.objects.exists()


def test_4_a_login_that_waits_for_the_code_is_not_finished_by_the_victims_proof(someone: Someone) -> None:
    attacker, victim = someone(), someone()
    sign_up(attacker, VICTIM, HIS)
    again = someone()
    again.type_login(VICTIM, HIS)
    sign_up(victim, VICTIM, HERS)
    prove(victim)
    for visitor in (attacker, again):
        visitor.client.get("/account/confirm-email/")
        visitor.client.get("/")
        assert not visitor.is_inside
        assert visitor.client.get("/connections/").status_code == 302


# The provider says an address, and that is all it says


@pytest.mark.parametrize("provider", ["google", "github"])
def test_5_a_provider_account_with_an_unproven_copy_of_the_address_makes_no_account(
    someone: Someone, provider: str
) -> None:
    attacker = someone()
    answer = attacker.log_in(MIMIC, provider)
    assert answer.status_code == 403
    assert not attacker.is_inside
    assert not User.objects.exists()
    assert AuditEntry.objects.get(action="user.login_refused").data["reason"] == "unverified"


@pytest.mark.parametrize("who", [CARLA, MIMIC])
@pytest.mark.parametrize("provider", ["google", "github"])
def test_6_an_address_that_somebody_has_here_never_opens_his_account(
    someone: Someone, coach: User, provider: str, who: str, world: RunningSandbox
) -> None:
    """Proven there or not: he logs in as before and connects by himself."""
    for row in stand_in(world, provider).people.values():
        row["email"] = coach.email
    visitor = someone()
    answer = visitor.log_in(who, provider)
    assert answer.status_code == 403
    assert not visitor.is_inside
    assert not SocialAccount.objects.exists()
    assert ("You have an account already" in answer.text) == (who == CARLA)


def test_7_the_unproven_copy_gets_the_same_answer_whether_there_is_an_account_or_not(
    someone: Someone, world: RunningSandbox, coach: User
) -> None:
    stand_in(world, "google").people[MIMIC]["email"] = coach.email
    known = someone().log_in(MIMIC)
    stand_in(world, "google").people[MIMIC]["email"] = "nobody@example.net"
    unknown = someone().log_in(MIMIC)
    assert known.status_code == unknown.status_code
    assert without_traces(known) == without_traces(unknown)


def test_8_an_address_that_changed_at_the_provider_moves_nobody(
    someone: Someone, world: RunningSandbox, coach: User
) -> None:
    """B36: the subject is who he was, and the victim's address stays the victim's."""
    EmailAddress.objects.create(user=coach, email=coach.email, verified=True, primary=True)
    nora = someone()
    nora.log_in(NORA)
    stand_in(world, "google").people[NORA]["email"] = coach.email
    again = someone()
    again.log_in(NORA)
    assert again.user_id == nora.user_id != coach.pk
    assert User.objects.get(pk=nora.user_id).email == VICTIM
    assert not EmailAddress.objects.filter(user_id=nora.user_id, email=coach.email).exists()


def test_9_the_same_number_at_the_other_provider_is_somebody_else(someone: Someone, world: RunningSandbox) -> None:
    """(provider, subject): Google's 1001 and GitHub's 1001 have nothing to do with each other."""
    first, second = someone(), someone()
    first.log_in(NORA, "google")
    stand_in(world, "github").people[NORA]["email"] = "other@demo.example"
    second.log_in(NORA, "github")
    assert first.user_id != second.user_id


def test_10_a_word_that_looks_like_yes_is_no_proof(someone: Someone, world: RunningSandbox) -> None:
    for provider in ("google", "github"):
        stand_in(world, provider).people[NORA]["verified"] = "false"
        assert someone().log_in(NORA, provider).status_code == 403
    assert not User.objects.exists()


def test_11_a_door_that_is_somebody_elses_cannot_be_connected(someone: Someone, settled: User, coach: User) -> None:
    victim, attacker = someone(), someone()
    victim.client.force_login(settled)
    victim.connect(ADA)
    attacker.client.force_login(coach)
    attacker.connect(ADA)
    assert SocialAccount.objects.get().user == settled


def test_12_a_connect_that_a_stranger_began_does_not_end_in_the_victims_session(
    someone: Someone, settled: User
) -> None:
    """The classic of OAuth: the attacker's own Google account as a second door to the victim's."""
    victim, attacker = someone(), someone()
    victim.client.force_login(settled)
    back = attacker.consent(attacker.depart(process="connect"), MIMIC)
    assert victim.arrive(back).status_code == 400
    assert not SocialAccount.objects.exists()


def test_13_a_link_cannot_make_the_victim_connect_by_a_get(someone: Someone, settled: User) -> None:
    victim = someone()
    victim.client.force_login(settled)
    answer = victim.client.get("/account/google/login/", query_params={"process": "connect"})
    assert answer.status_code == 200
    assert "socialaccount_states" not in victim.client.session
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(settled)
    assert strict.post("/account/google/login/", query_params={"process": "connect"}).status_code == 403
