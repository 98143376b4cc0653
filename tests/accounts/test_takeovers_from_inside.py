"""P14, continued: links and codes that are used up, and sessions that are not his, give nobody an account."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import pytest
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialAccount
from django.core import mail
from django.db import connection
from django.test import Client

from accounts.models import User
from integrations.models import ConnectSession, Provider
from integrations.sandbox import RunningSandbox
from tests.accounts.doors import age, newest_code, prove, reset_link, set_new_password, sign_up
from tests.accounts.login_world import ADA, CARLA, NORA, Visitor
from tests.conftest import PASSWORD

type Someone = Callable[[], Visitor]

pytestmark = pytest.mark.django_db
VICTIM, HERS, HIS = "nora@demo.example", "her own long password", "his own long password"

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
