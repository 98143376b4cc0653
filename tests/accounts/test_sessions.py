"""P19 and B38 to B40: sessions that end, second factors, and being asked again."""

import pytest
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.usersessions.models import UserSession
from django.test import Client

from accounts.models import AuditEntry, User
from tests.accounts.doors import is_inside, log_in, totp_code, with_totp
from tests.authenticator_app import code_of
from tests.conftest import PASSWORD, make_user

# Sessions


def test_a_changed_password_ends_the_other_sessions_and_this_one(settled: User) -> None:
    here, there = Client(), Client()
    here.force_login(settled)
    there.force_login(settled)
    values = {"oldpassword": PASSWORD, "password1": "another long one", "password2": "another long one"}
    assert here.post("/account/password/change/", values).status_code == 302
    assert there.get("/connections/").status_code == 302
    assert AuditEntry.objects.filter(action="user.password_changed", actor=settled).count() == 1


def test_a_closed_account_and_a_lost_role_count_at_the_next_request(settled: User, operator: User) -> None:
    person, staff = Client(), Client()
    person.force_login(settled)
    staff.force_login(operator)
    assert person.get("/connections/").status_code == 200
    assert staff.get("/admin/").status_code == 200
    User.objects.filter(pk=settled.pk).update(is_active=False)
    User.objects.filter(pk=operator.pk).update(is_staff=False)
    assert person.get("/connections/").status_code == 302
    assert staff.get("/admin/").status_code == 302


def test_a_login_gets_a_session_of_a_new_name(settled: User, client: Client) -> None:
    client.get("/account/login/")
    session = client.session
    session["planted"] = "before"
    session.save()
    before = session.session_key
    log_in(client, settled.email)
    assert is_inside(client)
    assert client.session.session_key != before


@pytest.fixture
def windows(settled: User) -> list[Client]:
    """Three browsers of one person."""
    found = [Client(REMOTE_ADDR=f"10.1.1.{number}", headers={"User-Agent": f"Window {number}"}) for number in range(3)]
    for client in found:
        log_in(client, settled.email)
    return found


def alive(windows: list[Client]) -> list[bool]:
    return [client.get("/connections/").status_code == 200 for client in windows]


def test_the_list_tells_windows_apart_and_ends_one(windows: list[Client]) -> None:
    page = windows[0].get("/account/sessions/").text
    assert all(f"Window {number}" in page for number in range(3))
    assert page.count("this one") == 1
    chosen = UserSession.objects.get(user_agent="Window 2")
    windows[0].post("/account/sessions/", {"session": chosen.pk})
    assert alive(windows) == [True, True, False]


def test_all_others_end_or_really_all(windows: list[Client]) -> None:
    windows[0].post("/account/sessions/", {"which": "others"})
    assert alive(windows) == [True, False, False]
    answer = windows[0].post("/account/sessions/", {"which": "everywhere"})
    assert answer["Location"] == "/account/login/"
    assert alive(windows) == [False, False, False]
    assert AuditEntry.objects.filter(action="user.sessions_ended").count() == 2


def test_nobody_ends_the_session_of_somebody_else(windows: list[Client], stranger: User) -> None:
    other = Client()
    other.force_login(stranger)
    for key in ("session", "which"):
        other.post("/account/sessions/", {key: UserSession.objects.filter(user_agent="Window 1").get().pk})
    assert alive(windows) == [True, True, True]


@pytest.mark.parametrize("cookie", ["garbage", "x" * 8000, "'; DROP TABLE users; --", "\x00"])
def test_a_garbled_cookie_is_nobodys(db: None, client: Client, cookie: str) -> None:
    """B72."""
    client.cookies["sessionid"] = cookie
    assert client.get("/connections/").status_code == 302


# Second factors


def bare_staff() -> User:
    user = make_user("new-ops@example.org", "Nina New", is_staff=True, is_superuser=True)
    Authenticator.objects.all().delete()
    EmailAddress.objects.create(user=user, email=user.email, verified=True, primary=True)
    return user


@pytest.mark.parametrize("path", ["/admin/", "/", "/connections/", "/account/settings/", "/admin/accounts/user/"])
def test_staff_without_a_second_factor_get_as_far_as_setting_one_up(db: None, client: Client, path: str) -> None:
    client.force_login(bare_staff())
    answer = client.get(path)
    assert (answer.status_code, answer["Location"]) == (302, "/account/2fa/")
    assert "needs a second factor" in client.get("/account/2fa/").text
    assert client.get("/account/2fa/totp/activate/").status_code == 200
    assert client.get("/account/2fa/webauthn/add/").status_code == 200


def test_recovery_codes_alone_are_no_second_factor(db: None, client: Client) -> None:
    user = bare_staff()
    RecoveryCodes.activate(user)
    client.force_login(user)
    assert client.get("/admin/")["Location"] == "/account/2fa/"


@pytest.mark.django_db(transaction=True)
def test_staff_set_it_up_and_are_inside(client: Client) -> None:
    user = bare_staff()
    log_in(client, user.email)
    form = client.get("/account/2fa/totp/activate/").context["form"]
    code = code_of(form.secret)
    client.post("/account/2fa/totp/activate/", {"code": code})
    assert client.get("/admin/").status_code == 200
    assert AuditEntry.objects.filter(action="user.second_factor_added", actor=user, data__kind="totp").exists()


def test_the_admin_opens_after_the_second_factor_only(operator: User, client: Client) -> None:
    EmailAddress.objects.create(user=operator, email=operator.email, verified=True, primary=True)
    Authenticator.objects.all().delete()
    with_totp(operator)
    door = client.get("/admin/", follow=True).redirect_chain[-1][0]
    answer = client.post(door, {"login": operator.email, "password": PASSWORD})
    assert answer["Location"].startswith("/account/2fa/authenticate/")
    assert client.get("/admin/").status_code == 302
    answer = client.post("/account/2fa/authenticate/", {"code": totp_code()})
    assert answer["Location"] == "/admin/"
    assert client.get("/admin/").status_code == 200
    entry = AuditEntry.objects.get(action="user.logged_in")
    assert (entry.level, entry.data["methods"]) == ("security", ["mfa", "password"])


def test_a_code_of_the_app_is_good_once(settled: User) -> None:
    with_totp(settled)
    first, second = Client(), Client()
    code = totp_code()
    for client in (first, second):
        log_in(client, settled.email)
        client.post("/account/2fa/authenticate/", {"code": code})
    assert (is_inside(first), is_inside(second)) == (True, False)


def test_a_recovery_code_is_good_once(settled: User) -> None:
    with_totp(settled)
    code = RecoveryCodes.activate(settled).get_unused_codes()[0]
    first, second = Client(), Client()
    for client in (first, second):
        log_in(client, settled.email)
        client.post("/account/2fa/authenticate/", {"code": code})
    assert (is_inside(first), is_inside(second)) == (True, False)


# Is it you?


@pytest.mark.parametrize(
    "path", ["/account/2fa/totp/activate/", "/account/2fa/webauthn/add/", "/account/2fa/recovery-codes/generate/"]
)
def test_five_minutes_after_a_login_one_is_asked_again_and_not_before(settled: User, client: Client, path: str) -> None:
    with_totp(settled) if "recovery" in path else None
    client.force_login(settled)
    assert client.get(path).status_code == 200
    session = client.session
    session["confirmed_at"] -= 301
    session.save()
    answer = client.get(path)
    assert answer.status_code == 302
    assert "/reauthenticate/" in answer["Location"]
    client.post("/account/reauthenticate/", {"password": PASSWORD})
    assert client.get(path).status_code == 200
