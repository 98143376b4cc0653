"""Connecting where a person says yes at the provider itself: against Strava's sandbox, through the real pages."""

from datetime import timedelta

import pytest
from django.conf import settings
from django.db import connection as database
from django.test import Client
from django.utils import timezone

from accounts.models import AuditEntry, User
from integrations import credentials, oauth, sinks
from integrations.models import Connection, ConnectSession, Credential, Provider, Resource, SyncStream
from integrations.sandbox import RunningSandbox
from integrations.services import logging_in, scheduling
from tests.integrations.consenting import (
    ADA,
    BEN,
    CALLBACK,
    CONNECT,
    SCOPES,
    Session,
    State,
    browser,
    call_back,
    calls,
    come_back,
    connect,
    connection_of,
    decide,
    depart,
    only,
    query_of,
    strava_row,
    work,
)
from tests.integrations.logins import in_parallel

pytestmark = pytest.mark.django_db(transaction=True)

# --- yes


def test_a_yes_at_the_provider_connects(strava: RunningSandbox, athlete: User) -> None:
    session = connect(athlete, ADA)
    connection = connection_of(athlete)
    assert (session.status, session.error_code, session.sealed) == (Session.DONE, "", "")
    assert (connection.status, connection.external_name, connection.scopes) == (State.ACTIVE, "Ada Athlete", [*SCOPES])
    assert connection.external_account_id
    assert not connection.delivers, "Strava takes no workouts"
    assert connection.credential.kind == Credential.Kind.OAUTH2
    assert set(credentials.usable(connection).secrets) == {"access_token", "refresh_token"}
    assert AuditEntry.objects.filter(action="connection.consent_asked", actor=athlete).count() == 1
    assert AuditEntry.objects.filter(action="connection.activated", actor=athlete).count() == 1


def test_the_address_says_who_asks_what_and_where_to_come_back(
    strava: RunningSandbox, athlete: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settings, "SITE_URL", "https://coaching.example/")
    away = depart(browser(athlete))
    query = query_of(away)
    assert away.startswith(f"{strava.url}/strava/authorize/oauth/authorize?")
    assert query["redirect_uri"] == f"https://coaching.example{CALLBACK}"
    assert (query["client_id"], query["response_type"], query["scope"]) == ("10001", "code", ",".join(SCOPES))
    assert len(query["state"]) == 43, "256 bits"
    assert "code_challenge" not in query
    assert "sandbox-strava-client" not in away


def test_redirect_parameters_of_others_change_nothing(strava: RunningSandbox, athlete: User) -> None:
    evil = {"redirect_uri": "https://evil.example/", "next": "//evil.example", "state": "x", "scope": "activity:write"}
    client = browser(athlete)
    away = query_of(client.post(f"{CONNECT}?redirect_uri=https://evil.example/", evil)["Location"])
    assert away["redirect_uri"].endswith(CALLBACK)
    assert "evil" not in str(away)
    assert away["scope"] == ",".join(SCOPES)
    back = query_of(decide(depart(client))) | {"next": "https://evil.example", "redirect_uri": "https://evil.example"}
    answer = client.get(CALLBACK, back)
    assert answer.status_code == 302
    assert answer["Location"] == f"/connections/sessions/{ConnectSession.objects.latest('pk').public_id}/"


def test_nothing_readable_of_state_verifier_code_or_tokens_is_kept(with_pkce: RunningSandbox, athlete: User) -> None:
    client = browser(athlete)
    away = depart(client)
    back = decide(away)
    call_back(client, query_of(back))
    work()
    held = credentials.usable(connection_of(athlete)).secrets
    canaries = [query_of(away)["state"], query_of(back)["code"], *held.values()]
    with database.cursor() as cursor:
        for table in ("connectsession", "credential", "connection", "domainevent"):
            cursor.execute(f"SELECT coalesce(string_agg(t::text, ' '), '') FROM integrations_{table} t")
            text = cursor.fetchone()[0]
            assert not [canary for canary in canaries if canary in text], table


def test_pkce_is_sent_where_it_is_offered_and_proves_the_code(with_pkce: RunningSandbox, athlete: User) -> None:
    client = browser(athlete)
    query = query_of(away := depart(client))
    assert query["code_challenge_method"] == "S256"
    assert len(query["code_challenge"]) == 43
    _, session = come_back(client, decide(away))
    assert session
    assert session.status == Session.DONE


def test_a_code_of_another_attempt_is_worth_nothing_with_pkce(
    with_pkce: RunningSandbox, athlete: User, stranger: User
) -> None:
    """Code injection: a thief puts the victim's code beside his own state."""
    victims = query_of(decide(depart(browser(athlete)), ADA))
    thief = browser(stranger)
    own = query_of(decide(depart(thief), BEN))
    call_back(thief, own | {"code": victims["code"]})
    session = work()
    assert session
    assert (session.status, session.error_code) == (Session.FAILED, "code_refused")
    assert not Credential.objects.exists()


# --- B31: the state


def test_a_state_is_good_once(strava: RunningSandbox, athlete: User) -> None:
    client = browser(athlete)
    back = query_of(decide(depart(client)))
    assert call_back(client, back) == 302
    assert call_back(client, back) == 400
    work()
    assert call_back(client, back) == 400
    assert calls(strava) == 1
    assert only().status == Session.DONE


def test_twenty_callbacks_at_once_are_one_exchange(strava: RunningSandbox, athlete: User) -> None:
    client = browser(athlete)
    back = query_of(decide(depart(client)))
    statuses = in_parallel(20, lambda _: call_back(client, back))
    assert sorted(statuses) == [302, *[400] * 19]  # type: ignore[type-var]
    in_parallel(5, lambda _: logging_in.check_code(only().pk))
    assert calls(strava) == 1
    assert only().status == Session.DONE


@pytest.mark.parametrize("state", ["", "x", "A" * 43, "A" * 5000, "é" * 43, "\x00" * 43])
def test_a_state_that_we_did_not_give_is_refused(strava: RunningSandbox, athlete: User, state: str) -> None:
    client = browser(athlete)
    back = query_of(decide(depart(client)))
    assert call_back(client, back | {"state": state}) == 400
    assert call_back(client, {"code": back["code"]}) == 400
    assert calls(strava) == 0
    assert only().status == Session.NEEDS_CODE, "a stranger's try does not end it"
    assert call_back(client, back) == 302


def test_a_state_is_good_in_its_own_login_session_only(strava: RunningSandbox, athlete: User, stranger: User) -> None:
    other_device, client = browser(athlete), browser(athlete)
    depart(other_device)  # which has been given a state of its own, of the attempt before
    back = query_of(decide(depart(client)))
    for thief in (other_device, browser(athlete), browser(stranger), Client()):
        assert call_back(thief, back) == 400
    assert calls(strava) == 0
    client.logout()
    client.force_login(athlete)
    assert call_back(client, back) == 400, "the login session that asked is over"


def test_a_thief_with_a_binding_of_his_own_cannot_use_anothers_state(
    strava: RunningSandbox, athlete: User, stranger: User
) -> None:
    """Login CSRF: the victim's browser is sent to the callback with the thief's state and code."""
    thief, victim = browser(stranger), browser(athlete)
    depart(victim)
    thiefs = query_of(decide(depart(thief), BEN))
    assert call_back(victim, thiefs) == 400
    assert calls(strava) == 0
    assert not Connection.objects.exists()


def test_a_state_ends_after_ten_minutes(strava: RunningSandbox, athlete: User) -> None:
    client = browser(athlete)
    back = query_of(decide(depart(client)))
    left = only().expires_at - timezone.now()
    assert timedelta(minutes=9) < left <= timedelta(minutes=10)
    past = timezone.now() - timedelta(seconds=1)
    ConnectSession.objects.update(created_at=past - timedelta(minutes=10), expires_at=past)
    assert call_back(client, back) == 400
    assert call_back(client, {"state": back["state"], "error": "access_denied"}) == 400
    assert calls(strava) == 0
    logging_in.tidy()
    assert (only().status, only().error_code) == (Session.FAILED, "expired")


def test_starting_anew_ends_the_state_of_before(strava: RunningSandbox, athlete: User) -> None:
    client = browser(athlete)
    first = query_of(decide(depart(client)))
    second = query_of(decide(depart(client)))
    assert call_back(client, first) == 400
    assert call_back(client, second) == 302
    assert ConnectSession.objects.filter(error_code="cancelled").count() == 1


def test_each_parameter_comes_once(strava: RunningSandbox, athlete: User) -> None:
    client = browser(athlete)
    back = query_of(decide(depart(client)))
    for name in ("state", "code", "scope"):
        assert call_back(client, back | {name: [back[name], back[name]]}) == 400, name
    assert call_back(client, back | {"error": ["a", "b"]}) == 400
    assert call_back(client, back) == 302


def test_a_callback_to_another_provider_is_refused(
    strava: RunningSandbox, athlete: User, garmin_provider: Provider
) -> None:
    client = browser(athlete)
    back = query_of(decide(depart(client)))
    assert client.get("/connections/garmin/callback/", back).status_code == 400
    assert client.get("/connections/nobody/callback/", back).status_code == 404
    assert calls(strava) == 0


def test_a_typed_code_cannot_pass_for_a_callback(strava: RunningSandbox, athlete: User) -> None:
    client = browser(athlete)
    back = query_of(decide(depart(client)))
    client.post(f"/connections/sessions/{only().public_id}/code/", {"code": back["code"][:10]})
    assert only().status == Session.NEEDS_CODE
    assert calls(strava) == 0


def test_the_bad_page_says_what_to_do_and_repeats_nothing(strava: RunningSandbox, athlete: User) -> None:
    page = browser(athlete).get(CALLBACK, {"state": "<script>x", "code": "canary-code"})
    assert page.status_code == 400
    assert b"Start again from your connections" in page.content
    assert b"canary-code" not in page.content
    assert b"<script>x" not in page.content
    assert "no-store" in page["Cache-Control"]


# --- whose account


def test_an_account_belongs_to_one_person_and_the_first_keeps_it(
    strava: RunningSandbox, athlete: User, stranger: User
) -> None:
    connect(athlete, ADA)
    held = credentials.usable(connection_of(athlete)).secrets
    assert connect(stranger, ADA).error_code == "account_taken"
    assert not Connection.objects.live().filter(user=stranger).exists()
    assert credentials.usable(connection_of(athlete)).secrets == held
    assert strava["strava"].count("/token/oauth/revoke") == 0, "one revoked login would have ended the other's"


def test_connecting_again_wants_the_same_account(strava: RunningSandbox, athlete: User) -> None:
    connect(athlete, ADA)
    credentials.lose(connection_of(athlete), "invalid_grant")
    assert connect(athlete, BEN).error_code == "other_account"
    assert connect(athlete, ADA).status == Session.DONE
    assert connection_of(athlete).status == State.ACTIVE


# --- closed doors


def test_who_is_connected_or_at_work_is_led_there(strava: RunningSandbox, athlete: User) -> None:
    client = browser(athlete)
    call_back(client, query_of(decide(depart(client))))
    assert client.post(CONNECT)["Location"] == "/connections/"
    assert client.get(CONNECT)["Location"] == f"/connections/sessions/{only().public_id}/"
    work()
    assert client.post(CONNECT)["Location"] == "/connections/"
    assert client.get(CONNECT)["Location"] == "/connections/"


def test_without_a_registration_nobody_is_sent_away(strava: RunningSandbox, athlete: User) -> None:
    Provider.objects.filter(slug="strava").update(client_secret="")
    client = browser(athlete)
    assert b"is not set up yet" in client.get(CONNECT).content
    assert client.post(CONNECT)["Location"] == "/connections/"
    assert not ConnectSession.objects.exists()


def test_a_wrong_registration_is_nobodys_fault(strava: RunningSandbox, athlete: User) -> None:
    provider = strava_row()
    away = depart(client := browser(athlete))
    back = decide(away)
    provider.client_id = "999"
    provider.save()
    _, session = come_back(client, back)
    assert session
    assert session.error_code == "not_set_up"


def test_switched_off_means_nobody_leaves(strava: RunningSandbox, athlete: User) -> None:
    Provider.objects.filter(slug="strava").update(connect_enabled=False)
    client = browser(athlete)
    assert client.post(CONNECT)["Location"] == "/connections/"
    assert not ConnectSession.objects.exists()
    assert b"You cannot connect just now" in client.get(CONNECT).content


def test_a_get_calls_nobody_and_begins_nothing(strava: RunningSandbox, athlete: User) -> None:
    page = browser(athlete).get(CONNECT)
    assert page.status_code == 200
    for words in ("those that only you can see", "Only you see it.", "It is kept for 7 days."):
        assert words in page.content.decode()
    assert f"form-action 'self' {strava.url}" in page["Content-Security-Policy"]
    assert not ConnectSession.objects.exists()
    assert strava["strava"].calls == []


# --- what it is used for


def test_activities_are_read_where_somebody_takes_them(
    strava: RunningSandbox, athlete: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.delitem(sinks._sinks, Resource.ACTIVITIES)
        connect(athlete)
        assert not SyncStream.objects.exists()
    scheduling.add_streams(connection_of(athlete))
    assert [stream.resource for stream in SyncStream.objects.all()] == [Resource.ACTIVITIES]


def test_the_rows_policy_is_the_providers_terms(strava: RunningSandbox) -> None:
    row = strava_row()
    assert (row.visible_to_coach, row.cache_days, row.may_merge) == (False, 7, False)


def test_a_state_is_drawn_anew_each_time() -> None:
    assert len({oauth.new_state() for _ in range(100)} | {oauth.new_verifier() for _ in range(100)}) == 200
