"""B32 to B34: a no, a code that is none or was used, and tokens that are not what was asked for."""

import pytest

from accounts.models import User
from integrations.models import Connection, Credential, Provider
from integrations.sandbox import RunningSandbox
from integrations.services import connecting
from tests.integrations.consenting import (
    SCOPES,
    TOKEN,
    Session,
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
    work,
)

pytestmark = pytest.mark.django_db(transaction=True)

# --- B32: no


def test_a_no_is_friendly_and_leaves_no_connection(strava: RunningSandbox, athlete: User) -> None:
    client = browser(athlete)
    status, session = come_back(client, decide(depart(client), answer="no"))
    assert session
    assert (status, session.status, session.error_code) == (302, Session.FAILED, "consent_refused")
    assert not Connection.objects.exists()
    assert calls(strava) == 0
    assert b"You did not allow it" in client.get(f"/connections/sessions/{session.public_id}/").content


@pytest.mark.parametrize("error", ["server_error", "x" * 5000, "<script>"])
def test_another_error_ends_the_attempt(strava: RunningSandbox, athlete: User, error: str) -> None:
    client = browser(athlete)
    state = query_of(depart(client))["state"]
    assert call_back(client, {"state": state, "error": error, "code": "abc"}) == 302
    assert (only().status, only().error_code) == (Session.FAILED, "odd_callback")
    assert calls(strava) == 0


# --- B33: the code


@pytest.mark.parametrize("code", ["", "x" * 5000, "a b", "a\nb", "é", "\x7f"])
def test_what_is_no_code_is_sent_nowhere_and_uses_the_state_up(
    strava: RunningSandbox, athlete: User, code: str
) -> None:
    client = browser(athlete)
    back = query_of(decide(depart(client)))
    assert call_back(client, back | {"code": code}) == 400
    assert call_back(client, back) == 400
    assert calls(strava) == 0


def test_a_used_code_with_a_new_state_is_one_call_and_no_connection(strava: RunningSandbox, athlete: User) -> None:
    first = browser(athlete)
    back = query_of(decide(depart(first)))
    connecting.give_up(only())
    requested = query_of(decide(depart(first)))
    call_back(first, requested)
    work()
    connecting.disconnect(connection_of(athlete), actor=athlete, purge=False)
    before = calls(strava)
    state = query_of(depart(first))["state"]
    assert call_back(first, {"state": state, "code": requested["code"], "scope": back["scope"]}) == 302
    session = work()
    assert session
    assert (session.status, session.error_code, session.sealed) == (Session.FAILED, "code_refused", "")
    assert calls(strava) == before + 1
    assert not Connection.objects.live().exists()


@pytest.mark.parametrize("fault", ["token-503", "drop", "drop-after", "truncated", "html"])
def test_a_code_is_never_sent_twice_whatever_the_answer(strava: RunningSandbox, athlete: User, fault: str) -> None:
    client = browser(athlete)
    back = query_of(decide(depart(client)))
    strava["strava"].set_fault("*", fault, on=f"POST {TOKEN}")
    call_back(client, back)
    session = work()
    work()
    assert session
    assert session.status == Session.FAILED
    assert session.error_code in {"unreachable", "unreadable"}
    assert calls(strava) == 1
    assert not Credential.objects.exists()


# --- B34: the tokens


@pytest.mark.parametrize("fault", ["token-odd", "token-text"])
def test_half_a_grant_connects_nothing(strava: RunningSandbox, athlete: User, fault: str) -> None:
    strava["strava"].set_fault("*", fault)
    assert connect(athlete).error_code == "unreadable"
    assert not Connection.objects.exists()
    assert not Credential.objects.exists()


@pytest.mark.parametrize("allowed", [(), ("read",)])
def test_less_than_was_asked_connects_nothing_and_says_so(
    strava: RunningSandbox, athlete: User, allowed: tuple[str, ...]
) -> None:
    client = browser(athlete)
    _, session = come_back(client, decide(depart(client), allow=allowed))
    assert session
    assert (session.status, session.error_code) == (Session.FAILED, "missing_scope")
    assert not Credential.objects.exists()
    assert not Connection.objects.exists()
    page = client.get(f"/connections/sessions/{session.public_id}/").content
    assert b"missing scope" in page
    assert b"leave all boxes ticked" in page


def test_what_was_granted_counts_and_not_what_the_callback_claims(strava: RunningSandbox, athlete: User) -> None:
    client = browser(athlete)
    back = query_of(decide(depart(client), allow=("read",)))
    call_back(client, back | {"scope": ",".join(SCOPES)})
    session = work()
    assert session
    assert session.error_code == "missing_scope"


def test_scopes_of_the_row_are_asked_for(strava: RunningSandbox, athlete: User) -> None:
    Provider.objects.filter(slug="strava").update(scopes=["read", "activity:read"])
    away = depart(client := browser(athlete))
    assert query_of(away)["scope"] == "read,activity:read"
    _, session = come_back(client, decide(away, allow=("read", "activity:read")))
    assert session
    assert session.status == Session.DONE
