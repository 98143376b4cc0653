"""Logins of scripts and apps: tokens that end, and an old one that gives its thief away."""

import threading
import time
from typing import Any

import pytest
import time_machine
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal import auth as totp
from django.db import connection
from django.test import Client

from accounts.models import AuditEntry, User
from tests.authenticator_app import code_of
from tests.conftest import PASSWORD

JSON = "application/json"


def post(route: str, client: Client | None = None, headers: dict[str, str] | None = None, **body: str) -> Any:
    return (client or Client()).post(f"/api/v1/auth/{route}", body, content_type=JSON, headers=headers or {})


def log_in(user: User) -> dict[str, Any]:
    EmailAddress.objects.get_or_create(user=user, email=user.email, verified=True, primary=True)
    answer = post("login", email=user.email, password=PASSWORD)
    assert answer.status_code == 200, answer.text
    tokens: dict[str, Any] = answer.json()
    return tokens


def me(tokens: dict[str, Any]) -> int:
    return Client(headers={"Authorization": f"Bearer {tokens['access_token']}"}).get("/api/v1/me").status_code


def test_a_login_is_good_for_fifteen_minutes_and_renewed_for_a_week(coach: User) -> None:
    tokens = log_in(coach)
    assert (tokens["expires_in"], tokens["token_type"], me(tokens)) == (900, "Bearer", 200)
    with time_machine.travel(time.time() + 901, tick=False):
        assert me(tokens) == 401
        renewed = post("refresh", refresh_token=tokens["refresh_token"]).json()
        assert me(renewed) == 200
    with time_machine.travel(time.time() + 901 + 7 * 24 * 3600 + 1, tick=False):
        assert post("refresh", refresh_token=renewed["refresh_token"]).status_code == 401


def test_an_old_refresh_token_ends_its_login_and_no_other(coach: User) -> None:
    stolen, elsewhere = log_in(coach), log_in(coach)
    renewed = post("refresh", refresh_token=stolen["refresh_token"]).json()
    again = post("refresh", refresh_token=stolen["refresh_token"])
    assert (again.status_code, again.json()["code"]) == (401, "refresh_token")
    assert [me(stolen), me(renewed), me(elsewhere)] == [401, 401, 200]
    assert post("refresh", refresh_token=renewed["refresh_token"]).status_code == 401
    assert post("refresh", refresh_token=elsewhere["refresh_token"]).status_code == 200
    entry = AuditEntry.objects.get(action="user.refresh_token_reused")
    assert (entry.object_id, entry.level) == (str(coach.public_id), "security")


@pytest.mark.django_db(transaction=True)
def test_of_two_refreshes_at_once_one_works(coach: User) -> None:
    tokens, answers = log_in(coach), []

    def renew() -> None:
        answers.append(post("refresh", refresh_token=tokens["refresh_token"]).status_code)
        connection.close()

    threads = [threading.Thread(target=renew) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answers) == [200, 401]


def test_after_logging_out_nothing_of_the_login_works(coach: User) -> None:
    tokens = log_in(coach)
    api = Client(headers={"Authorization": f"Bearer {tokens['access_token']}"})
    assert api.delete("/api/v1/auth/login").status_code == 204
    assert me(tokens) == 401
    assert post("refresh", refresh_token=tokens["refresh_token"]).status_code == 401


def test_a_refresh_token_opens_nothing_and_an_access_token_renews_nothing(coach: User) -> None:
    tokens = log_in(coach)
    assert me({"access_token": tokens["refresh_token"]}) == 401
    assert post("refresh", refresh_token=tokens["access_token"]).status_code == 401


def test_a_wrong_password_and_an_unknown_address_are_told_alike(coach: User) -> None:
    log_in(coach)
    wrong = post("login", email=coach.email, password="wrong horse battery")
    unknown = post("login", email="nobody@example.org", password="wrong horse battery")
    assert [answer.status_code for answer in (wrong, unknown)] == [401, 401]
    assert {k: v for k, v in wrong.json().items() if k != "trace_id"} == {
        k: v for k, v in unknown.json().items() if k != "trace_id"
    }
    assert wrong.json()["code"] == "wrong_credentials"


def test_guessing_is_slowed_down(coach: User) -> None:
    answers = [post("login", email=coach.email, password=f"guess number {i}") for i in range(8)]
    assert answers[-1].status_code == 429
    assert answers[-1].json()["code"] == "rate_limit"
    assert int(answers[-1]["Retry-After"]) >= 1


def test_an_unproven_address_and_an_ended_account_get_no_tokens(coach: User, athlete: User) -> None:
    answer = post("login", email=coach.email, password=PASSWORD)
    assert (answer.status_code, answer.json()["code"]) == (401, "log_in_on_the_site")
    tokens = log_in(athlete)
    User.objects.filter(pk=athlete.pk).update(is_active=False)
    assert me(tokens) == 401
    assert "access_token" not in post("login", email=athlete.email, password=PASSWORD).text


def test_who_has_a_second_factor_needs_it(coach: User) -> None:
    secret = totp.generate_totp_secret()
    EmailAddress.objects.create(user=coach, email=coach.email, verified=True, primary=True)
    totp.TOTP.activate(coach, secret)
    first = post("login", email=coach.email, password=PASSWORD)
    assert (first.status_code, first.json()["code"]) == (401, "second_factor_required")
    assert "access_token" not in first.text
    session = {"X-Session-Token": first.json()["session_token"]}
    wrong = post("second-factor", headers=session, code="000000")
    assert (wrong.status_code, wrong.json()["code"]) == (401, "wrong_code")
    code = code_of(secret)
    right = post("second-factor", headers=session, code=code)
    assert right.status_code == 200, right.text
    assert me(right.json()) == 200
    assert post("second-factor", headers={"X-Session-Token": "made-up"}, code=code).status_code == 401


def test_staff_without_a_second_factor_gets_no_further(operator: User) -> None:
    Authenticator.objects.filter(user=operator).delete()
    api = Client(headers={"Authorization": f"Bearer {log_in(operator)['access_token']}"})
    refused = api.get("/api/v1/me")
    assert (refused.status_code, refused.json()["code"]) == (403, "second_factor_required")


def test_a_changed_password_ends_every_login(coach: User) -> None:
    tokens = log_in(coach)
    coach.set_password("another horse battery")
    coach.save()
    assert me(tokens) == 401
    assert post("refresh", refresh_token=tokens["refresh_token"]).status_code == 401
