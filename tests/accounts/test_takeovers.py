"""P14: every way we know to end up in somebody else's account, tried. None works.

The attacker never has the victim's mailbox, and the victim always ends up in an account that is hers alone.
"""

import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import pytest
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialAccount
from django.core import mail
from django.core.cache import cache
from django.db import connection
from django.test import Client

from accounts.models import AuditEntry, User
from integrations.models import ConnectSession, Provider
from integrations.sandbox import RunningSandbox
from tests.accounts.login_world import ADA, CARLA, MIMIC, NORA, Visitor, stand_in
from tests.conftest import PASSWORD

type Someone = Callable[[], Visitor]

pytestmark = pytest.mark.django_db
VICTIM, HERS, HIS = "nora@demo.example", "her own long password", "his own long password"


def sign_up(visitor: Visitor, email: str, password: str) -> None:
    cache.clear()  # a second code for one address is sent after ten seconds only
    answer = visitor.client.post("/account/signup/", {"email": email, "password1": password, "password2": password})
    assert (answer.status_code, answer["Location"]) == (302, "/account/confirm-email/")


def newest_code() -> str:
    found = re.findall(r"^[A-Z0-9]{3,}(?:-?[A-Z0-9]{3,})?$", str(mail.outbox[-1].body), re.MULTILINE)
    return str(found[0])


def prove(visitor: Visitor) -> None:
    visitor.client.post("/account/confirm-email/", {"code": newest_code()})


def reset_link() -> str:
    return next(word for word in str(mail.outbox[-1].body).split() if "/password/reset/key/" in word)


def set_new_password(visitor: Visitor, link: str, password: str) -> bool:
    """Through the link of a mail; whether it was taken."""
    form = visitor.client.get(urlsplit(link).path, follow=True)
    if "password1" not in form.text:
        return False
    path = form.redirect_chain[-1][0] if form.redirect_chain else urlsplit(link).path
    answer = visitor.client.post(path, {"password1": password, "password2": password})
    return answer.status_code == 302


@pytest.fixture
def settled(athlete: User) -> User:
    """Somebody with a proven address and a password."""
    EmailAddress.objects.create(user=athlete, email=athlete.email, verified=True, primary=True)
    return athlete


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
    assert trace_free(known.text) == trace_free(unknown.text)


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


# Used up, too old, or of somebody else


def test_14_a_reset_link_is_good_once(someone: Someone, settled: User) -> None:
    victim, thief = someone(), someone()
    victim.client.post("/account/password/reset/", {"email": settled.email})
    link = reset_link()
    assert set_new_password(victim, link, HERS)
    assert not set_new_password(thief, link, HIS)
    settled.refresh_from_db()
    assert settled.check_password(HERS)


def test_15_a_reset_link_is_no_good_once_the_password_or_the_address_was_changed(
    someone: Someone, settled: User
) -> None:
    thief = someone()
    thief.client.post("/account/password/reset/", {"email": settled.email})
    link = reset_link()
    settled.set_password(HERS)
    settled.save()
    assert not set_new_password(thief, link, HIS)


def test_16_a_reset_ends_every_session_and_still_asks_for_the_second_factor(someone: Someone, settled: User) -> None:
    inside, victim = someone(), someone()
    inside.client.force_login(settled)
    Authenticator.objects.create(user=settled, type="totp", data={"secret": "JBSWY3DPEHPK3PXP"})
    victim.client.post("/account/password/reset/", {"email": settled.email})
    assert set_new_password(victim, reset_link(), HERS)
    assert not victim.is_inside
    assert inside.client.get("/connections/").status_code == 302
    assert victim.type_login(settled.email, HERS)["Location"].startswith("/account/2fa/authenticate/")


def test_17_a_login_code_is_good_once_and_only_where_it_was_asked_for(someone: Someone, settled: User) -> None:
    victim, thief = someone(), someone()
    victim.client.post("/account/login/code/", {"email": settled.email})
    code = newest_code()
    thief.client.post("/account/login/code/confirm/", {"code": code})
    assert not thief.is_inside
    victim.client.post("/account/login/code/confirm/", {"code": code})
    assert victim.is_inside
    victim.client.post("/account/logout/")
    victim.client.post("/account/login/code/confirm/", {"code": code})
    assert not victim.is_inside


def test_18_a_login_code_ends_after_three_guesses(someone: Someone, settled: User) -> None:
    thief = someone()
    thief.client.post("/account/login/code/", {"email": settled.email})
    code = newest_code()
    for guess in ("AAAAAA", "BBBBBB", "CCCCCC"):
        thief.client.post("/account/login/code/confirm/", {"code": guess})
    thief.client.post("/account/login/code/confirm/", {"code": code})
    assert not thief.is_inside


# From inside a session that is not his


def test_19_a_stolen_session_of_a_person_without_a_password_opens_no_further_door(
    someone: Someone, world: RunningSandbox
) -> None:
    """Six minutes after the login nothing but a new login at the provider will do; allauth would ask for nothing."""
    nora = someone()
    nora.log_in(NORA)
    age(nora, 6 * 60)
    for path in ("/account/password/set/", "/account/2fa/totp/activate/", "/account/2fa/webauthn/add/"):
        answer = nora.client.get(path)
        assert (answer.status_code, urlsplit(answer["Location"]).path) == (302, "/account/confirm/"), path
    values = {"password1": HIS, "password2": HIS}
    age(nora, 16 * 60)
    assert urlsplit(nora.client.post("/account/password/set/", values)["Location"]).path == "/account/confirm/"
    nora.connect(CARLA)
    nora.client.post("/account/email/", {"action_add": "", "email": "thief@example.net"})
    user = User.objects.get()
    assert not user.has_usable_password()
    assert [account.uid for account in SocialAccount.objects.all()] == [NORA]
    assert not EmailAddress.objects.filter(email="thief@example.net").exists()
    assert HIS not in str(dict(nora.client.session))


def test_20_the_person_herself_logs_in_once_more_and_goes_on(someone: Someone) -> None:
    nora = someone()
    nora.log_in(NORA)
    age(nora, 6 * 60)
    page = nora.client.get("/account/password/set/", follow=True)
    assert "Continue with Google" in page.text
    assert "Continue with GitHub" not in page.text
    answer = nora.log_in(NORA, next="/account/password/set/")
    assert answer["Location"] == "/account/password/set/"
    nora.client.post("/account/password/set/", {"password1": HERS, "password2": HERS})
    assert User.objects.get().check_password(HERS)


def test_21_the_last_door_is_not_closed(someone: Someone) -> None:
    nora = someone()
    nora.log_in(NORA)
    answer = nora.client.post("/account/3rdparty/", {"account": SocialAccount.objects.get().pk})
    assert answer.status_code == 200
    assert "no password" in answer.text
    assert SocialAccount.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_22_two_windows_at_once_do_not_close_the_last_two_doors(someone: Someone) -> None:
    nora = someone()
    nora.log_in(NORA)
    nora.connect(ADA, "github")
    assert SocialAccount.objects.count() == 2

    def close(pk: int) -> int:
        window = Client()
        window.cookies.update(nora.client.cookies)
        try:
            return window.post("/account/3rdparty/", {"account": pk}).status_code
        finally:
            connection.close()

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(close, SocialAccount.objects.values_list("pk", flat=True)))
    assert SocialAccount.objects.count() == 1


def test_23_nobody_disconnects_somebody_elses_door(someone: Someone, settled: User, coach: User) -> None:
    victim, attacker = someone(), someone()
    victim.client.force_login(settled)
    victim.connect(ADA)
    attacker.client.force_login(coach)
    attacker.client.post("/account/3rdparty/", {"account": SocialAccount.objects.get().pk})
    assert SocialAccount.objects.filter(user=settled).exists()


def test_24_a_new_address_counts_only_once_it_is_proven_and_the_old_one_is_told(
    someone: Someone, settled: User
) -> None:
    inside = someone()
    inside.client.force_login(settled)
    inside.client.post("/account/email/", {"action_add": "", "email": "new@example.net"})
    settled.refresh_from_db()
    assert settled.email == "athlete@example.org"
    prove(inside)
    settled.refresh_from_db()
    assert settled.email == "new@example.net"
    assert {address for message in mail.outbox for address in message.to} >= {"athlete@example.org", "new@example.net"}


def test_25_the_address_of_somebody_else_cannot_be_taken_over(someone: Someone, settled: User, coach: User) -> None:
    EmailAddress.objects.create(user=coach, email=coach.email, verified=True, primary=True)
    inside = someone()
    inside.client.force_login(settled)
    inside.client.post("/account/email/", {"action_add": "", "email": coach.email})
    settled.refresh_from_db()
    assert settled.email == "athlete@example.org"
    assert not EmailAddress.objects.filter(user=settled, email=coach.email, verified=True).exists()


def test_26_a_deactivated_person_comes_in_by_no_door(someone: Someone, settled: User) -> None:
    inside = someone()
    inside.client.force_login(settled)
    inside.connect(ADA)
    User.objects.filter(pk=settled.pk).update(is_active=False)
    assert inside.client.get("/connections/").status_code == 302
    by_provider, by_password = someone(), someone()
    by_provider.log_in(ADA)
    by_password.type_login(settled.email, PASSWORD)
    assert not by_provider.is_inside
    assert not by_password.is_inside


def test_27_the_second_factor_is_asked_for_by_every_door(someone: Someone, settled: User) -> None:
    inside = someone()
    inside.client.force_login(settled)
    inside.connect(ADA)
    Authenticator.objects.create(user=settled, type="totp", data={"secret": "JBSWY3DPEHPK3PXP"})
    by_provider, by_password, by_code = someone(), someone(), someone()
    assert by_provider.log_in(ADA)["Location"].startswith("/account/2fa/authenticate/")
    assert by_password.type_login(settled.email, PASSWORD)["Location"].startswith("/account/2fa/authenticate/")
    by_code.client.post("/account/login/code/", {"email": settled.email})
    by_code.client.post("/account/login/code/confirm/", {"code": newest_code()})
    for visitor in (by_provider, by_password, by_code):
        assert not visitor.is_inside
        assert visitor.client.get("/connections/").status_code == 302


def test_28_an_operators_address_gives_way_to_nobody(someone: Someone, operator: User) -> None:
    """Made by a command, never logged in, address never proven: still not free for the taking."""
    EmailAddress.objects.create(user=operator, email=operator.email, verified=False, primary=True)
    sign_up(someone(), operator.email, HIS)
    operator.refresh_from_db()
    assert operator.check_password(PASSWORD)
    assert User.objects.count() == 1


def age(visitor: Visitor, seconds: int) -> None:
    """The last confirmation of this session is so long ago."""
    session = visitor.client.session
    session["confirmed_at"] -= seconds
    session.save()


def trace_free(text: str) -> str:
    return re.sub(r'[0-9a-f]{32}|"X-CSRFToken": "\w+"|value="\w{64}"', "", text)


def test_29_a_stolen_session_connects_no_training_account(
    someone: Someone, settled: User, garmin_provider: Provider
) -> None:
    """Ten minutes are for filling in the form; what was typed is nowhere kept while one is asked again."""
    thief = someone()
    thief.client.force_login(settled)
    path = "/connections/garmin/connect/"
    assert thief.client.get(path).status_code == 200
    age(thief, 6 * 60)
    assert thief.client.get(path)["Location"] == "/account/reauthenticate/?next=%2Fconnections%2Fgarmin%2Fconnect%2F"
    age(thief, 10 * 60)
    answer = thief.client.post(path, {"email": "his@example.net", "password": "canary-of-garmin"})
    assert urlsplit(answer["Location"]).path == "/account/reauthenticate/"
    assert "canary" not in str(dict(thief.client.session))
    assert not ConnectSession.objects.exists()
