"""Connecting through Garmin's own page: PKCE, what was ticked, and leaving for good; through the real pages."""

from urllib.parse import parse_qs, urlsplit

import pytest
import requests

from accounts.models import User
from integrations import credentials
from integrations.models import Connection, ConnectSession, Credential, Provider
from integrations.sandbox import RunningSandbox, Sandbox
from integrations.services import connecting, revoking
from integrations.spec import Capability
from tests.integrations.consenting import Session, State, browser, query_of, work
from tests.sandboxes import point_at

pytestmark = pytest.mark.django_db(transaction=True)

SLUG, ADA = "garmin_partner", "athlete1@sandbox.example"
CONNECT, CALLBACK = f"/connections/{SLUG}/connect/", f"/connections/{SLUG}/callback/"
TOKEN = "POST /token/di-oauth2-service/oauth/token"
LEAVE = "DELETE /user/user/registration"
ACTIVITIES, WORKOUTS, HISTORY = "ACTIVITY_EXPORT", "WORKOUT_IMPORT", "HISTORICAL_DATA_EXPORT"


@pytest.fixture
def site(transactional_db: None, sandbox: RunningSandbox) -> RunningSandbox:
    point_at(Provider.objects.get(slug=SLUG), sandbox)
    return sandbox


@pytest.fixture
def box(site: RunningSandbox) -> Sandbox:
    return site[SLUG]


def depart(user: User) -> str:
    answer = browser(user).post(CONNECT)
    assert answer.status_code == 303, answer.content
    return str(answer["Location"])


def decide(away: str, *ticked: str, answer: str = "yes", **changes: str) -> dict[str, str]:
    """What comes back of the person's answer on Garmin's page."""
    form = query_of(away) | {"account": ADA, "answer": answer, "allow": ticked} | changes
    sent = requests.post(away.partition("?")[0], data=form, timeout=60, allow_redirects=False)
    assert sent.status_code == 302, sent.text
    return query_of(sent.headers["Location"])


def connect(user: User, *ticked: str, answer: str = "yes") -> ConnectSession:
    client = browser(user)
    away = str(client.post(CONNECT)["Location"])
    client.get(CALLBACK, decide(away, *(ticked or (ACTIVITIES, WORKOUTS)), answer=answer))
    session = work()
    assert session is not None
    return session


def connection_of(user: User) -> Connection:
    return Connection.objects.live().select_related("provider", "user").get(user=user)


def test_a_yes_connects_with_what_was_ticked(box: Sandbox, athlete: User) -> None:
    session = connect(athlete, ACTIVITIES, WORKOUTS, HISTORY)
    connection = connection_of(athlete)
    assert (session.status, session.error_code, session.sealed) == (Session.DONE, "", "")
    assert (connection.status, connection.scopes) == (State.ACTIVE, [ACTIVITIES, WORKOUTS, HISTORY])
    assert connection.external_account_id == box.state.people[ADA]["user"]  # type: ignore[attr-defined]
    assert connection.delivers
    assert connection.can(Capability.WORKOUTS_SCHEDULE)
    assert connection.credential.kind == Credential.Kind.OAUTH2
    assert set(credentials.usable(connection).secrets) == {"access_token", "refresh_token"}


def test_the_address_proves_itself_and_asks_for_nothing_by_name(site: RunningSandbox, athlete: User) -> None:
    away = depart(athlete)
    query = query_of(away)
    assert away.startswith(f"{site.url}/{SLUG}/authorize/oauth2Confirm?")
    assert query.keys() == {
        "client_id", "redirect_uri", "response_type", "state", "code_challenge", "code_challenge_method",
    }  # fmt: skip
    assert query["code_challenge_method"] == "S256"
    assert query["redirect_uri"].endswith(CALLBACK)


def test_the_page_before_says_what_is_asked(box: Sandbox, athlete: User) -> None:
    page = browser(athlete).get("/connections/garmin_partner/connect/", follow=True).content.decode()
    assert "Import workouts" in page
    assert "Share your activities" in page
    assert "historical data unticked" in page


@pytest.mark.parametrize("ticked", [(ACTIVITIES,), (WORKOUTS, HISTORY), (HISTORY,)], ids=str)
def test_without_what_we_need_nothing_is_connected(box: Sandbox, athlete: User, ticked: tuple[str, ...]) -> None:
    session = connect(athlete, *ticked)
    assert (session.status, session.error_code) == (Session.FAILED, "missing_scope")
    assert not Connection.objects.live().filter(user=athlete).exists()
    assert not Credential.objects.exists()


def test_nothing_ticked_is_not_all(box: Sandbox, athlete: User) -> None:
    client = browser(athlete)
    away = str(client.post(CONNECT)["Location"])
    client.get(CALLBACK, decide(away))
    session = work()
    assert session
    assert (session.status, session.error_code) == (Session.FAILED, "missing_scope")


def test_operations_may_do_with_less(box: Sandbox, athlete: User) -> None:
    Provider.objects.filter(slug=SLUG).update(scopes=[WORKOUTS])
    assert connect(athlete, WORKOUTS).status == Session.DONE
    connection = connection_of(athlete)
    assert connection.can(Capability.WORKOUTS_WRITE)
    assert not connection.can(Capability.ACTIVITIES_READ)


def test_a_no_is_told_in_words_and_nothing_is_called(box: Sandbox, athlete: User) -> None:
    session = connect(athlete, answer="no")
    assert (session.status, session.error_code) == (Session.FAILED, "consent_refused")
    assert box.count(TOKEN) == 0


def test_a_code_of_another_attempt_is_worth_nothing(box: Sandbox, athlete: User, stranger: User) -> None:
    victims = decide(depart(athlete), ACTIVITIES, WORKOUTS)
    thief = browser(stranger)
    own = decide(str(thief.post(CONNECT)["Location"]), ACTIVITIES, WORKOUTS, account="athlete2@sandbox.example")
    thief.get(CALLBACK, own | {"code": victims["code"]})
    session = work()
    assert session
    assert (session.status, session.error_code) == (Session.FAILED, "code_refused")
    assert not Credential.objects.exists()


@pytest.mark.parametrize(
    "changes", [{"state": ""}, {"state": "x" * 43}, {"code": "x" * 5_000}, {"code": ""}], ids=str
)  # fmt: skip
def test_a_bad_callback_calls_nobody(box: Sandbox, athlete: User, changes: dict[str, str]) -> None:
    client = browser(athlete)
    back = decide(str(client.post(CONNECT)["Location"]), ACTIVITIES, WORKOUTS)
    assert client.get(CALLBACK, back | changes).status_code == 400
    work()
    assert box.count(TOKEN) == 0


@pytest.mark.parametrize("fault", ["token-odd", "token-text"])
def test_half_a_grant_is_none(box: Sandbox, athlete: User, fault: str) -> None:
    box.set_fault("*", fault)
    session = connect(athlete)
    assert (session.status, session.error_code) == (Session.FAILED, "unreadable")
    assert box.count(TOKEN) == 1
    assert not Credential.objects.exists()


def test_permissions_that_cannot_be_asked_connect_nobody(box: Sandbox, athlete: User) -> None:
    box.set_fault("*", "503", on="/user/user/permissions")
    session = connect(athlete)
    assert (session.status, session.error_code) == (Session.FAILED, "unreachable")
    assert not Credential.objects.exists()


def test_to_disconnect_ends_the_registration_at_garmin(box: Sandbox, athlete: User) -> None:
    connect(athlete)
    connection = connection_of(athlete)
    box.change(ADA, "expire", "", "")
    assert connecting.disconnect(connection, actor=athlete, purge=False)
    revoking.say_goodbye(connection.pk)
    assert box.count(LEAVE) == 2, "the first time the access token had run out"
    assert box.state.people[ADA]["permissions"] == []  # type: ignore[attr-defined]
    assert not Credential.objects.exists()


def test_a_form_that_was_sent_twice_is_one_connection(box: Sandbox, athlete: User) -> None:
    client = browser(athlete)
    back = decide(str(client.post(CONNECT)["Location"]), ACTIVITIES, WORKOUTS)
    assert [client.get(CALLBACK, back).status_code for _ in range(2)] == [302, 400]
    work()
    assert box.count(TOKEN) == 1
    assert Connection.objects.live().filter(user=athlete).count() == 1
    assert parse_qs(urlsplit(depart_again(athlete)).query) == {}


def depart_again(user: User) -> str:
    """Where the button leads while the account is connected: not to Garmin."""
    return str(browser(user).post(CONNECT).headers.get("Location", ""))
