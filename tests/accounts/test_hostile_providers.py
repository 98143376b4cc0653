"""P13: what comes back from a provider and is not what we asked for, or not from it. Nobody gets in, nothing breaks."""

from collections.abc import Callable

import pytest
import time_machine
from allauth.socialaccount.models import SocialAccount
from django.test import Client

from accounts.models import User
from integrations.sandbox import RunningSandbox
from tests.accounts.login_world import NORA, Visitor, lie, query_of, stand_in

type Someone = Callable[[], Visitor]

pytestmark = pytest.mark.django_db
TOKEN = "POST /token"
LIES = [
    "wrong-nonce", "no-nonce", "wrong-audience", "two-audiences", "wrong-issuer", "expired", "no-subject", "alg-none",
    "alg-hs256", "foreign-key", "unknown-kid", "no-id-token", "odd-expiry", "html", "500", "truncated", "drop",
]  # fmt: skip


def nobody_is_in(visitor: Visitor) -> None:
    assert not visitor.is_inside
    assert not User.objects.exists()
    assert not SocialAccount.objects.exists()


@pytest.mark.parametrize("fault", LIES)
def test_a_false_answer_of_google_lets_nobody_in(someone: Someone, world: RunningSandbox, fault: str) -> None:
    nora = someone()
    back = nora.consent(nora.depart(), NORA)
    stand_in(world, "google").set_fault("*", fault, on="/token")
    answer = nora.arrive(back)
    assert answer.status_code == 400
    assert "did not work" in answer.text
    nobody_is_in(nora)


@pytest.mark.parametrize("fault", ["html", "500", "truncated"])
def test_keys_that_cannot_be_read_let_nobody_in(someone: Someone, world: RunningSandbox, fault: str) -> None:
    nora = someone()
    back = nora.consent(nora.depart(), NORA)
    stand_in(world, "google").set_fault("*", fault, on="/certs")
    assert nora.arrive(back).status_code == 400
    nobody_is_in(nora)


@pytest.mark.parametrize("fault", ["odd-emails", "odd-user", "500", "html", "truncated"])
def test_a_false_answer_of_github_lets_nobody_in(someone: Someone, world: RunningSandbox, fault: str) -> None:
    nora = someone()
    back = nora.consent(nora.depart("github"), NORA)
    where = "/api/v3/user/emails" if fault == "odd-emails" else "/api/v3/user"
    stand_in(world, "github").set_fault("*", fault, on=where)
    assert nora.arrive(back).status_code == 400
    nobody_is_in(nora)


def test_the_same_visitor_gets_in_once_the_provider_tells_the_truth(someone: Someone, world: RunningSandbox) -> None:
    lie(world, "google", "alg-none")
    nora = someone()
    assert nora.log_in(NORA).status_code == 400
    lie(world, "google", "")
    nora.log_in(NORA)
    assert nora.is_inside


# State


@pytest.mark.parametrize("provider", ["google", "github"])
def test_an_arrival_without_a_state_calls_nobody(someone: Someone, world: RunningSandbox, provider: str) -> None:
    nora = someone()
    back = nora.consent(nora.depart(provider), NORA)
    answer = nora.client.get(f"/account/{provider}/login/callback/", {"code": query_of(back)["code"]})
    assert answer.status_code == 400
    assert exchanges(world, provider) == 0
    nobody_is_in(nora)


def test_the_state_of_somebody_elses_session_is_no_state(someone: Someone, world: RunningSandbox) -> None:
    """Login CSRF: the victim's browser is led to the way back of the attacker's login."""
    attacker, victim = someone(), someone()
    victim.depart()
    answer = victim.arrive(attacker.consent(attacker.depart(), NORA))
    assert answer.status_code == 400
    assert exchanges(world, "google") == 0
    nobody_is_in(victim)


def test_a_state_is_good_once(someone: Someone, world: RunningSandbox) -> None:
    nora = someone()
    back = nora.consent(nora.depart(), NORA)
    nora.arrive(back)
    nora.client.post("/account/logout/")
    assert nora.arrive(back).status_code == 400
    assert exchanges(world, "google") == 1
    assert not nora.is_inside


def test_a_state_lives_ten_minutes(someone: Someone, world: RunningSandbox) -> None:
    nora = someone()
    with time_machine.travel("2026-05-01T12:00Z", tick=False) as clock:
        back = nora.consent(nora.depart(), NORA)
        clock.shift(601)
        assert nora.arrive(back).status_code == 400
    assert exchanges(world, "google") == 0


def test_the_state_of_one_provider_is_none_at_the_other(someone: Someone, world: RunningSandbox) -> None:
    """Mix-up: GitHub's code is not carried to Google, nor the other way round."""
    nora = someone()
    back = query_of(nora.consent(nora.depart("github"), NORA))
    assert nora.client.get("/account/google/login/callback/", back).status_code == 400
    assert exchanges(world, "google") == 0
    nobody_is_in(nora)


# Code and PKCE


def test_a_code_is_good_once(someone: Someone, world: RunningSandbox) -> None:
    """Stolen from the address after it was used; the thief has a state of his own."""
    nora, thief = someone(), someone()
    back = nora.consent(nora.depart(), NORA)
    nora.arrive(back)
    state = query_of(thief.depart())["state"]
    answer = thief.client.get("/account/google/login/callback/", {"code": query_of(back)["code"], "state": state})
    assert answer.status_code == 400
    assert not thief.is_inside


def test_a_stolen_code_that_was_not_used_is_no_good_to_another_session(someone: Someone) -> None:
    """PKCE: the verifier stays in the session that asked."""
    nora, thief = someone(), someone()
    code = query_of(nora.consent(nora.depart(), NORA))["code"]
    state = query_of(thief.depart())["state"]
    assert thief.client.get("/account/google/login/callback/", {"code": code, "state": state}).status_code == 400
    nobody_is_in(thief)


def test_a_login_that_began_without_pkce_is_not_finished(someone: Someone, world: RunningSandbox) -> None:
    nora = someone()
    back = nora.consent(nora.depart(), NORA)
    session = nora.client.session
    for entry in session["socialaccount_states"].values():
        entry[0].pop("pkce_code_verifier")
    session.save()
    assert nora.arrive(back).status_code == 400
    assert exchanges(world, "google") == 0
    nobody_is_in(nora)


def test_the_stand_in_itself_insists_on_pkce(someone: Someone, world: RunningSandbox) -> None:
    nora = someone()
    back = nora.consent(nora.depart(), NORA)
    held = next(iter(stand_in(world, "google").codes.values()))
    held["code_challenge"] = "of-somebody-else"
    assert nora.arrive(back).status_code == 400
    assert exchanges(world, "google") == 1


@pytest.mark.parametrize("code", ["x" * 5000, "", "\x00", "a b"])
def test_an_odd_code_is_a_page_of_ours_and_one_call_at_most(someone: Someone, world: RunningSandbox, code: str) -> None:
    nora = someone()
    state = query_of(nora.depart())["state"]
    assert nora.client.get("/account/google/login/callback/", {"code": code, "state": state}).status_code == 400
    assert exchanges(world, "google") <= 1
    nobody_is_in(nora)


def test_who_says_no_reads_that_nothing_happened(someone: Someone) -> None:
    nora = someone()
    answer = nora.arrive(nora.consent(nora.depart(), "nobody"))
    assert answer.status_code == 200
    assert "Nothing has changed" in answer.text
    nobody_is_in(nora)


def test_an_error_of_the_providers_own_words_is_not_shown(someone: Someone) -> None:
    nora = someone()
    state = query_of(nora.depart())["state"]
    words = {"error": "<script>alert(1)</script>", "error_description": "call 0900 12345", "state": state}
    answer = nora.client.get("/account/google/login/callback/", words)
    assert answer.status_code == 400
    assert "0900" not in answer.text
    assert "alert(1)" not in answer.text


def test_a_token_that_was_made_elsewhere_has_no_door(client: Client, world: RunningSandbox) -> None:
    """Google's one-tap login posts a token past state, nonce and PKCE; we do not offer it."""
    assert client.post("/account/google/login/token/", {"credential": "x"}).status_code == 404


def exchanges(world: RunningSandbox, provider: str) -> int:
    return stand_in(world, provider).count("/token" if provider == "google" else "/login/oauth/access_token")
