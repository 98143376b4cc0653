"""The connection pages as a person meets them: every state in words, no call on a GET, nothing of others."""

import re
from uuid import uuid4

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import User
from integrations import explanations, health
from integrations.models import Connection, ConnectSession, Credential, Provider, ProviderMode, SyncJob, SyncStream
from integrations.sandbox import RunningSandbox
from integrations.services import cooldowns, logging_in
from integrations.timing import seconds

pytestmark = pytest.mark.django_db

ACCOUNT, PASSWORD = "athlete2@sandbox.example", "sandbox-only"
CONNECT = "/connections/garmin/connect/"
HTMX = {"HX-Request": "true"}
Session, State = ConnectSession.Status, Connection.Status


@pytest.fixture
def page(client: Client, athlete: User) -> Client:
    client.force_login(athlete)
    return client


def make_session(user: User, status: str = Session.QUEUED, **fields: object) -> ConnectSession:
    over = {"consumed_at": timezone.now()} if status in ConnectSession.ENDED else {}
    values: dict[str, object] = {
        "status": status,
        "kind": ConnectSession.Kind.PASSWORD,
        "state_hash": uuid4().hex,
        "account_hint": "a…@sandbox.example",
        "account_key": cooldowns.account_key(Provider.objects.get(slug="garmin"), ACCOUNT),
        "expires_at": timezone.now() + seconds(600),
    }
    return ConnectSession.objects.create(
        user=user, provider=Provider.objects.get(slug="garmin"), **values | over | fields
    )


def make_connection(user: User, status: str = State.ACTIVE, **fields: object) -> Connection:
    provider = Provider.objects.get(slug="garmin")
    values: dict[str, object] = {"external_account_id": "7", "external_name": "Ben Breeze"}
    return Connection.objects.create(user=user, provider=provider, status=status, **values | fields)


def make_stream(connection: Connection) -> SyncStream:
    return SyncStream.objects.create(connection=connection, resource="workouts")


def address(session: ConnectSession, name: str = "session") -> str:
    return reverse(f"integrations:{name}", args=[session.public_id])


def words(html: str) -> str:
    """What a person reads."""
    return " ".join(re.sub(r"<(script|style).*?</\1>|<[^>]+>", " ", html, flags=re.DOTALL).split()).replace(
        "&#x27;", "'"
    )


def test_looking_at_the_form_calls_nobody_and_stores_nothing(page: Client, garmin: RunningSandbox) -> None:
    answer = page.get(CONNECT)
    assert answer.status_code == 200
    assert 'type="email"' in answer.text
    assert 'autocomplete="current-password"' in answer.text
    assert garmin["garmin"].calls == []
    assert not ConnectSession.objects.exists()


@pytest.mark.parametrize(
    ("field", "typed"),
    [
        ("email", ""),
        ("email", "no-at-sign"),
        ("email", "a" * 300 + "@example.org"),
        ("email", "me@example.org\r\nBcc: you@example.org"),
        ("email", "me@example.org\r\n"),
        ("email", "me\x00@example.org"),
        ("password", ""),
        ("password", "p" * 5000),
        ("password", "pass\r\nword"),
        ("password", "pass\x00word"),
    ],
)
def test_bad_input_comes_back_as_a_form_error(page: Client, garmin: RunningSandbox, field: str, typed: str) -> None:
    values = {"email": ACCOUNT, "password": "canary-password"} | {field: typed}
    answer = page.post(CONNECT, values)
    assert answer.status_code == 400
    assert answer.context["form"].errors.keys() == {field}
    assert "canary-password" not in answer.text
    if field == "password":
        assert f'value="{ACCOUNT}"' in answer.text
    assert not ConnectSession.objects.exists()
    assert garmin["garmin"].calls == []


def test_the_way_from_the_form_to_the_connection(page: Client, garmin: RunningSandbox, athlete: User) -> None:
    answer = page.post(CONNECT, {"email": ACCOUNT, "password": PASSWORD})
    session = ConnectSession.objects.get()
    assert answer["Location"] == address(session)
    waiting = page.get(address(session))
    assert 'hx-trigger="every 1s"' in waiting.text
    assert '<noscript><meta http-equiv="refresh"' in waiting.text
    assert page.get(address(session), headers=HTMX).status_code == 200
    assert page.get(CONNECT)["Location"] == address(session)
    assert page.post(CONNECT, {"email": ACCOUNT, "password": PASSWORD})["Location"] == address(session)
    logging_in.work(session.pk)
    done = page.get(address(session), headers=HTMX)
    assert done.status_code == 286
    assert "Garmin Connect is connected" in words(done.text)
    assert 'hx-trigger="every 1s"' not in page.get(address(session)).text
    shown = words(page.get("/connections/").text)
    assert "Account Ben Breeze" in shown
    assert "Connected" in shown
    assert "Puts the workouts you import into your account" in shown


def test_the_library_of_a_coach_is_seen_arriving(client: Client, garmin: RunningSandbox, coach: User) -> None:
    client.force_login(coach)
    client.post(CONNECT, {"email": ACCOUNT, "password": PASSWORD})
    session = ConnectSession.objects.get()
    logging_in.work(session.pk)
    shown = client.get(address(session))
    assert "Your library is arriving" in shown.text
    progress = reverse("integrations:progress", args=[Connection.objects.get().public_id])
    assert f'hx-get="{progress}"' in shown.text
    SyncJob.objects.update(expected=64, created_n=16)
    running = client.get(progress)
    assert running.status_code == 200
    assert "16 of 64" in words(running.text)
    assert '<progress value="25" max="100"' in running.text
    SyncJob.objects.update(status="succeeded", finished_at=timezone.now())
    assert client.get(progress).status_code == 286


def test_the_account_need_not_be_typed_twice(page: Client, garmin: RunningSandbox) -> None:
    page.post(CONNECT, {"email": ACCOUNT, "password": "canary-password"})
    logging_in.work(ConnectSession.objects.get().pk)
    answer = page.get(CONNECT)
    assert f'value="{ACCOUNT}"' in answer.text
    assert "canary-password" not in answer.text


def test_the_code_page_counts_down_and_takes_grouped_digits(
    page: Client, garmin_provider: Provider, athlete: User
) -> None:
    session = make_session(athlete, Session.NEEDS_CODE, method="sms", expires_at=timezone.now() + seconds(125))
    shown = page.get(address(session))
    assert "has sent a code to your phone" in words(shown.text)
    assert 'autocomplete="one-time-code"' in shown.text
    assert re.search(r"The code is good for another 2:0\d min", words(shown.text))
    assert page.get(address(session), headers=HTMX).status_code == 286
    left = page.get(address(session, "wait"))
    assert re.search(r"2:0\d min", words(left.text))
    for wrong in ("", "12", "1234567890123", "12a\x0045", "<script>"):
        answer = page.post(address(session, "submit_code"), {"code": wrong})
        assert answer.status_code == 400
        assert "<script>" not in answer.text.partition('id="session"')[2]


def test_a_code_goes_to_the_worker_sealed(page: Client, garmin: RunningSandbox, athlete: User) -> None:
    page.post(CONNECT, {"email": "coach@sandbox.example", "password": PASSWORD})
    session = ConnectSession.objects.get()
    logging_in.work(session.pk)
    code = next(row["code"] for row in garmin["garmin"].accounts() if row["code"])
    assert page.post(address(session, "submit_code"), {"code": f"{code[:3]} {code[3:]}"}).status_code == 302
    session.refresh_from_db()
    assert session.status == Session.CHECKING
    assert code not in session.sealed
    assert "Checking your code" in page.get(address(session)).text
    logging_in.check_code(session.pk)
    assert "is connected" in page.get(address(session)).text


def test_when_the_ten_minutes_are_over_the_page_says_so(page: Client, garmin_provider: Provider, athlete: User) -> None:
    session = make_session(athlete, Session.NEEDS_CODE)
    ConnectSession.objects.update(created_at=timezone.now() - seconds(700), expires_at=timezone.now() - seconds(1))
    assert "The ten minutes for the code are over" in words(page.get(address(session)).text)
    assert page.get(address(session, "wait"))["HX-Refresh"] == "true"
    assert page.get(CONNECT).status_code == 200


def test_a_new_code_means_a_new_login(page: Client, garmin_provider: Provider, athlete: User) -> None:
    session = make_session(athlete, Session.NEEDS_CODE)
    answer = page.post(address(session, "restart"), follow=True)
    assert answer.redirect_chain[-1][0] == CONNECT
    assert "Your password is never kept" in words(answer.text)
    session.refresh_from_db()
    assert (session.status, session.error_code) == (Session.FAILED, "cancelled")


def test_a_login_at_the_provider_is_not_called_back(page: Client, garmin_provider: Provider, athlete: User) -> None:
    session = make_session(athlete, Session.WORKING, lease_until=timezone.now() + seconds(60))
    assert page.post(address(session, "restart"))["Location"] == address(session)
    session.refresh_from_db()
    assert session.status == Session.WORKING


@pytest.mark.parametrize("code", [*explanations.FAILURES, "of another time"])
def test_every_failure_says_what_why_and_what_next(
    page: Client, garmin_provider: Provider, athlete: User, code: str
) -> None:
    what, why, following = explanations.FAILURES.get(code, explanations.FAILURES["unexpected"])
    shown = words(page.get(address(make_session(athlete, Session.FAILED, error_code=code))).text)
    for sentence in (what, why, following):
        assert " ".join(sentence.format(p="Garmin Connect").split()) in shown
    assert "Try again" in shown or "Start again" in shown


def test_a_cooldown_is_counted_down_with_the_button_off(page: Client, garmin_provider: Provider, athlete: User) -> None:
    session = make_session(athlete, Session.FAILED, error_code="login_blocked")
    cooldowns.block(garmin_provider, session.account_key, reason="login_blocked")
    for shown in (page.get(address(session)).text, page.get(CONNECT).text):
        assert re.search(r"You can try again in (1 h 59|2 h 0) min", words(shown))
        assert re.search(r'<button class="button primary" type="button" disabled>', shown)
        assert 'type="password"' not in shown
    assert 'type="password"' in page.get(CONNECT + "?other=1").text
    cooldowns.forgive(garmin_provider, session.account_key)
    assert page.get(address(session, "wait"))["HX-Refresh"] == "true"
    assert 'type="password"' in page.get(CONNECT).text


@pytest.mark.parametrize(
    ("fields", "sentence", "action"),
    [
        ({"status": State.ACTIVE}, "Connected", "Sync now"),
        (
            {"status": State.NEEDS_REAUTH, "status_reason": "invalid_grant"},
            "It ended: after a long time",
            "Log in again",
        ),
        ({"status": State.PAUSED}, "You paused it.", "Resume"),
        ({"status": State.PAUSED, "status_reason": "checking"}, "We are trying whether the login", "Resume"),
        ({"status": State.PAUSED, "status_reason": "server"}, "could not be reached when you wanted", "Resume"),
        ({"status": State.PENDING}, "The login is not finished yet.", "Log in again"),
    ],
)
def test_every_state_of_a_connection_has_its_words_and_next_action(
    page: Client, garmin_provider: Provider, athlete: User, fields: dict[str, object], sentence: str, action: str
) -> None:
    make_stream(make_connection(athlete, **fields))  # type: ignore[arg-type]
    shown = words(page.get("/connections/").text)
    assert sentence in shown
    assert action in shown
    assert "Disconnect" in shown


def test_a_failed_sync_and_a_provider_on_hold_are_told(page: Client, garmin_provider: Provider, athlete: User) -> None:
    stream = make_stream(make_connection(athlete))
    job = SyncJob.objects.create(
        stream=stream, status="failed", finished_at=timezone.now(), error_detail="Garmin answered 500."
    )
    assert "Connected, but the last sync failed Garmin answered 500." in words(page.get("/connections/").text)
    job.delete()
    Provider.objects.filter(slug="garmin").update(mode=ProviderMode.HOLD, notice="Garmin has an outage.")
    health.forget()
    told = words(page.get("/connections/").text)
    assert "Garmin Connect is paused Garmin has an outage. What is new waits and goes on by itself." in told
    assert told.count("Garmin has an outage.") == 1, "the page's head says it, the card need not"
    assert "the last sync failed" not in told


def test_what_is_not_connected_offers_it_unless_switched_off(page: Client, garmin_provider: Provider) -> None:
    assert "Connect Garmin Connect" in words(page.get("/connections/").text)
    Provider.objects.update(connect_enabled=False, notice="Back at noon.")
    assert "Back at noon." in words(page.get("/connections/").text)
    assert "Back at noon." in words(page.get(CONNECT).text)
    answer = page.post(CONNECT, {"email": ACCOUNT, "password": PASSWORD})
    assert answer.status_code == 400
    Provider.objects.update(mode=ProviderMode.OFF)
    assert "There is nothing to connect yet" in words(page.get("/connections/").text)
    assert page.get(CONNECT).status_code == 404


def test_buttons_sync_pause_and_resume(page: Client, garmin_provider: Provider, athlete: User) -> None:
    connection = make_connection(athlete)
    make_stream(connection)

    def press(name: str) -> str:
        assert page.post(reverse(f"integrations:{name}", args=[connection.public_id])).status_code == 302
        connection.refresh_from_db()
        return f"{connection.status} {connection.status_reason}".strip()

    press("sync_now")
    press("sync_now")
    assert SyncJob.objects.active().get().requested_by == athlete
    assert press("pause") == "paused"
    press("sync_now")
    assert not SyncJob.objects.active().exists()
    assert press("resume") == "paused checking"


@pytest.mark.parametrize(("choice", "purge"), [("keep", False), ("purge", True)])
def test_disconnecting_asks_first_what_shall_stay(
    page: Client, garmin_provider: Provider, athlete: User, choice: str, purge: bool
) -> None:
    connection = make_connection(athlete)
    where = reverse("integrations:disconnect", args=[connection.public_id])
    asked = page.get(where)
    assert re.search(r'value="keep"[^>]*checked', asked.text)
    assert page.post(where, {"content": "everything"}).status_code == 400
    connection.refresh_from_db()
    assert connection.status == State.ACTIVE
    assert page.post(where, {"content": choice}).status_code == 302
    connection.refresh_from_db()
    assert connection.status == State.DISCONNECTED
    assert not Credential.objects.exists()
    assert page.get(where).status_code == 404


def test_nothing_of_others_exists(client: Client, garmin_provider: Provider, athlete: User, stranger: User) -> None:
    session, connection = make_session(athlete, Session.NEEDS_CODE), make_connection(athlete)
    client.force_login(stranger)
    for name in ("session", "wait", "submit_code", "restart"):
        where = address(session, name)
        assert {client.get(where).status_code, client.post(where, {"code": "123456"}).status_code} <= {404, 405}
    for name in ("progress", "sync_now", "pause", "resume", "disconnect"):
        where = reverse(f"integrations:{name}", args=[connection.public_id])
        assert {client.get(where).status_code, client.post(where, {"content": "purge"}).status_code} <= {404, 405}
    session.refresh_from_db()
    connection.refresh_from_db()
    assert (session.status, connection.status) == (Session.NEEDS_CODE, State.ACTIVE)


def test_changes_are_made_by_post_only(page: Client, garmin_provider: Provider, athlete: User) -> None:
    session, connection = make_session(athlete, Session.NEEDS_CODE), make_connection(athlete)
    for name in ("submit_code", "restart"):
        assert page.get(address(session, name)).status_code == 405
    for name in ("sync_now", "pause", "resume"):
        assert page.get(reverse(f"integrations:{name}", args=[connection.public_id])).status_code == 405


def test_a_name_from_the_provider_is_text(page: Client, garmin_provider: Provider, athlete: User) -> None:
    make_connection(athlete, external_name="<script>alert(1)</script>")
    assert "<script>alert(1)</script>" not in page.get("/connections/").text
