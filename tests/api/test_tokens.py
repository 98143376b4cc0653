"""Keys that people make for scripts: shown once, no wider than asked for, ended at any time."""

import re
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from accounts import personal_tokens
from accounts.models import AccessToken, AuditEntry, User

PAGE = "/account/tokens/"
WANTED = {"name": "Weekly  script", "scopes": ["library:read", "profile:read"], "days": 30}


@pytest.fixture
def page(coach: User, client: Client) -> Client:
    """Just logged in, as one is who makes a key."""
    client.force_login(coach)
    session = client.session
    session["confirmed_at"] = timezone.now().timestamp()
    session.save()
    return client


def with_token(token: str) -> Client:
    return Client(headers={"Authorization": f"Bearer {token}"})


def test_it_is_shown_once_and_kept_as_a_hash(page: Client, coach: User) -> None:
    answer = page.post(PAGE, WANTED)
    token = re.search(r"tcp_[\w-]{43}", answer.text)
    assert token
    assert answer["Cache-Control"] == "no-store"
    assert with_token(token[0]).get("/api/v1/me").json()["email"] == coach.email
    again = page.get(PAGE)
    assert token[0] not in again.text
    assert "Weekly script" in again.text
    row = AccessToken.objects.get()
    assert token[0] not in str(vars(row))
    assert row.hint == token[0][-4:]
    assert row.expires_at - row.created_at > timedelta(days=29)
    assert token[0] not in str(AuditEntry.objects.get(action="token.created").data)


def test_it_may_do_what_it_was_made_for(page: Client, coach: User) -> None:
    _, token = personal_tokens.make(coach, name="x", scopes=["library:read"], days=1)
    api = with_token(token)
    assert api.get("/api/v1/workouts").status_code == 200
    for answer in (api.get("/api/v1/athletes"), api.post("/api/v1/workouts", {}, content_type="application/json")):
        assert (answer.status_code, answer.json()["code"]) == (403, "scope")


def test_its_last_use_is_told_on_the_page(page: Client, coach: User) -> None:
    row, token = personal_tokens.make(coach, name="x", scopes=["profile:read"], days=1)
    assert "Never used" in page.get(PAGE).text
    with_token(token).get("/api/v1/me")
    row.refresh_from_db()
    assert row.last_used_at
    assert "Last used" in page.get(PAGE).text


def test_revoked_old_and_made_up_ones_open_nothing(page: Client, coach: User) -> None:
    row, token = personal_tokens.make(coach, name="x", scopes=["profile:read"], days=1)
    assert page.post(f"{PAGE}{row.public_id}/revoke/").status_code == 302
    old, old_token = personal_tokens.make(coach, name="y", scopes=["profile:read"], days=1)
    AccessToken.objects.filter(pk=old.pk).update(expires_at=timezone.now() - timedelta(seconds=1))
    for each in (token, old_token, "tcp_" + "x" * 43, "tcp_", "", "x" * 9000, "tcp_\udcff"):
        answer = with_token(each.encode("utf-8", "replace").decode()).get("/api/v1/me")
        assert (answer.status_code, answer["WWW-Authenticate"]) == (401, "Bearer")
    assert AuditEntry.objects.filter(action="token.revoked", actor=coach).count() == 1


def test_who_is_no_longer_active_has_none(coach: User) -> None:
    _, token = personal_tokens.make(coach, name="x", scopes=["profile:read"], days=1)
    User.objects.filter(pk=coach.pk).update(is_active=False)
    assert with_token(token).get("/api/v1/me").status_code == 401


def test_making_one_asks_who_is_there(coach: User, client: Client) -> None:
    client.force_login(coach)
    session = client.session
    session["confirmed_at"] = timezone.now().timestamp() - 3600
    session.save()
    for answer in (client.get(PAGE), client.post(PAGE, WANTED)):
        assert answer.status_code == 302
        assert "reauthenticate" in answer["Location"]
    assert not AccessToken.objects.exists()


@pytest.mark.parametrize("wrong", [{"scopes": []}, {"scopes": ["admin"]}, {"days": 9999}, {"name": " "}])
def test_nonsense_makes_none(page: Client, wrong: dict[str, object]) -> None:
    assert page.post(PAGE, WANTED | wrong).status_code == 200
    assert not AccessToken.objects.exists()


def test_twenty_are_enough(page: Client, coach: User) -> None:
    for i in range(personal_tokens.MOST):
        personal_tokens.make(coach, name=str(i), scopes=["profile:read"], days=1)
    assert "which is the limit" in page.post(PAGE, WANTED).text
    assert AccessToken.objects.count() == personal_tokens.MOST
