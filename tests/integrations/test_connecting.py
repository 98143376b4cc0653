"""Connecting an account with the real login code against Garmin's sandbox, over real threads and processes."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from urllib.parse import urlsplit

import pytest
from celery.signals import before_task_publish
from django.db import connection as database
from django.db import connections
from django.db.models.functions import Now
from django.db.models.signals import post_save
from django.utils import timezone

from accounts.models import AuditEntry, User
from integrations import credentials, errors, tasks
from integrations.models import (
    Connection,
    ConnectSession,
    Credential,
    DomainEvent,
    LoginCooldown,
    Provider,
    SyncJob,
)
from integrations.sandbox import RunningSandbox
from integrations.services import activating, connecting, cooldowns, logging_in, scheduling
from integrations.spec import Grant
from integrations.timing import seconds, timing

pytestmark = pytest.mark.django_db(transaction=True)

ROOT = Path(__file__).resolve().parents[2]
PASSWORD = "sandbox-only"
BEN, CHEN, COACH = "athlete2@sandbox.example", "athlete3@sandbox.example", "coach@sandbox.example"  # Carla uses MFA
LOGIN = "/sso/mobile/api/login"
HOUR_S = 3600
Session, State = ConnectSession.Status, Connection.Status


def begin(user: User, account: str = BEN, password: str = PASSWORD) -> ConnectSession:
    provider = Provider.objects.get(slug="garmin")
    return connecting.begin(user, provider, {"email": account, "password": password})


def connect(user: User, account: str = BEN, password: str = PASSWORD) -> ConnectSession:
    """What the page and the worker do together."""
    session = begin(user, account, password)
    logging_in.work(session.pk)
    session.refresh_from_db()
    return session


def connection_of(user: User) -> Connection:
    return Connection.objects.live().get(user=user)


def code_of(garmin: RunningSandbox, account: str = COACH) -> str:
    return str(next(row["code"] for row in garmin["garmin"].accounts() if row["email"] == account))


def wrong_code(garmin: RunningSandbox) -> str:
    return "000000" if code_of(garmin) != "000000" else "111111"


def answer(session: ConnectSession, code: str) -> ConnectSession:
    assert connecting.submit_code(session, code)
    logging_in.check_code(session.pk)
    session.refresh_from_db()
    return session


def wait_s() -> float:
    """How long the one account that cools down still has to wait."""
    until = LoginCooldown.objects.get().until
    assert until
    return (until - timezone.now()).total_seconds()


def in_parallel(times: int, work: Callable[[int], object]) -> list[object]:
    """Threads with connections of their own that start together."""
    barrier = Barrier(times)

    def run(number: int) -> object:
        try:
            barrier.wait()
            return work(number)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(times) as pool:
        return list(pool.map(run, range(times)))


@pytest.fixture
def published() -> Iterator[list[tuple[str, object]]]:
    """The tasks sent to the broker: (name, first argument)."""
    seen: list[tuple[str, object]] = []

    def note(sender: str = "", body: tuple[tuple[object, ...], ...] = (), **_: object) -> None:
        seen.append((sender, body[0][0] if body[0] else None))

    before_task_publish.connect(note)
    yield seen
    before_task_publish.disconnect(note)


def test_a_login_connects_and_keeps_no_password(garmin: RunningSandbox, athlete: User) -> None:
    session = connect(athlete)
    connection = connection_of(athlete)
    assert (session.status, session.sealed, session.account_hint) == (Session.DONE, "", "a…@sandbox.example")
    assert (connection.status, connection.external_name, connection.delivers) == (State.ACTIVE, "Ben Breeze", True)
    assert connection.external_account_id
    assert set(credentials.usable(connection).secrets) == {"di_token", "di_refresh_token", "di_client_id"}
    assert DomainEvent.objects.filter(type="connection.activated", connection=connection).count() == 1
    assert AuditEntry.objects.filter(action="connection.activated", actor=athlete).count() == 1


def test_the_password_is_nowhere_readable_while_it_waits(garmin: RunningSandbox, athlete: User) -> None:
    session = begin(athlete, BEN, "canary-password")
    with database.cursor() as cursor:
        for table in ("integrations_connectsession", "accounts_auditentry", "integrations_domainevent"):
            cursor.execute(f"SELECT coalesce(string_agg(t::text, ' '), '') FROM {table} t")
            text = cursor.fetchone()[0]
            assert "canary-password" not in text
            assert BEN not in text
    assert session.sealed.startswith("cv1:")
    assert ConnectSession.objects.take(session.pk, waiting=Session.QUEUED, working=Session.WORKING)
    session.refresh_from_db()
    assert (session.status, session.sealed) == (Session.WORKING, "")


def test_a_coach_gets_the_library_read_at_once_and_an_athlete_nothing(
    garmin: RunningSandbox, coach: User, athlete: User
) -> None:
    connect(coach, CHEN)
    connect(athlete, BEN)
    assert SyncJob.objects.active().get().stream.connection == connection_of(coach)


def test_fifty_submits_at_once_log_in_once(garmin: RunningSandbox, athlete: User) -> None:
    begun = in_parallel(50, lambda _: begin(athlete).pk)
    in_parallel(20, lambda number: logging_in.work(int(str(begun[number]))))
    assert len(set(begun)) == 1
    assert garmin["garmin"].count(LOGIN) == 1
    assert Credential.objects.count() == Connection.objects.count() == ConnectSession.objects.count() == 1
    assert connection_of(athlete).status == State.ACTIVE


def test_the_third_wrong_password_pauses_the_account_on_every_path(
    garmin: RunningSandbox, athlete: User, stranger: User
) -> None:
    seen = [connect(athlete, password="wrong").error_code for _ in range(4)]
    assert seen == ["wrong_credentials", "wrong_credentials", "too_many_wrong", "too_many_wrong"]
    assert connect(stranger, f" {BEN.upper()} ").error_code == "cooling_down"
    assert garmin["garmin"].count(LOGIN) == 3
    assert not Connection.objects.exists()
    assert timing().wrong_password_s - 10 < wait_s() <= timing().wrong_password_s


def test_a_login_under_way_stops_when_the_account_is_paused_meanwhile(garmin: RunningSandbox, athlete: User) -> None:
    session = begin(athlete)
    cooldowns.block(session.provider, session.account_key, reason="login_blocked")
    logging_in.work(session.pk)
    session.refresh_from_db()
    assert (session.status, session.error_code) == (Session.FAILED, "cooling_down")
    assert garmin["garmin"].count(LOGIN) == 0


def test_a_login_that_works_forgives_the_wrong_ones(garmin: RunningSandbox, athlete: User) -> None:
    connect(athlete, password="wrong")
    connect(athlete, password="wrong")
    assert connect(athlete).status == Session.DONE
    assert not LoginCooldown.objects.exists()


@pytest.mark.parametrize(
    ("fault", "code"), [("captcha", "captcha"), ("login-429", "login_blocked"), ("login-403", "login_blocked")]
)
def test_a_block_is_waited_out_and_never_tried_again(
    garmin: RunningSandbox, athlete: User, fault: str, code: str
) -> None:
    garmin["garmin"].set_fault(BEN, fault)
    session = connect(athlete)
    calls = garmin["garmin"].count(LOGIN)
    assert (session.status, session.error_code) == (Session.FAILED, code)
    assert connect(athlete).pk == session.pk
    logging_in.work(session.pk)
    assert garmin["garmin"].count(LOGIN) == calls
    assert not Connection.objects.exists()


def test_each_block_makes_the_wait_longer(garmin_provider: Provider) -> None:
    waits = []
    for _ in range(5):
        cooldowns.block(garmin_provider, "account", reason="captcha")
        waits.append(round(wait_s() / HOUR_S))
        LoginCooldown.objects.update(until=Now())
    assert waits == [2, 4, 8, 24, 24]


def test_a_block_lasts_as_long_as_the_provider_says_up_to_six_hours(garmin_provider: Provider) -> None:
    cooldowns.block(garmin_provider, "account", reason="captcha", retry_after=30 * HOUR_S)
    for _ in range(cooldowns.WRONG_PASSWORDS):
        cooldowns.count_wrong_password(garmin_provider, "account")
    assert round(wait_s() / HOUR_S) == 6


def test_an_outage_saves_nothing_and_repeats_nothing(garmin: RunningSandbox, athlete: User) -> None:
    garmin["garmin"].set_fault(BEN, "login-500")
    session = connect(athlete)
    calls = garmin["garmin"].count(LOGIN)
    logging_in.work(session.pk)
    logging_in.tidy()
    assert (session.status, session.error_code, session.sealed) == (Session.FAILED, "unreachable", "")
    assert garmin["garmin"].count(LOGIN) == calls
    assert not Connection.objects.exists()
    assert not LoginCooldown.objects.exists()


def test_a_provider_that_cannot_be_reached_has_its_own_words(garmin_provider: Provider, athlete: User) -> None:
    nowhere = {role: f"http://127.0.0.1:9/{role}" for role in ("sso", "connect", "api", "token")}
    Provider.objects.update(base_urls=nowhere, updated_at=Now())
    assert connect(athlete).error_code == "unreachable"


@pytest.mark.parametrize(
    ("fault", "code"), [("500", "unreachable"), ("truncated", "unreadable"), ("404", "unreadable")]
)
def test_tokens_that_open_no_account_are_dropped(garmin: RunningSandbox, athlete: User, fault: str, code: str) -> None:
    garmin["garmin"].set_fault(BEN, fault)
    assert connect(athlete).error_code == code
    assert not Credential.objects.exists()
    assert not Connection.objects.live().exists()
    garmin["garmin"].set_fault(BEN, "")
    assert connect(athlete).status == Session.DONE


def test_our_own_pacing_costs_no_try(garmin: RunningSandbox, athlete: User) -> None:
    slow, wide = {"capacity": 1, "per_s": 0.001}, {"capacity": 1000, "per_s": 1000}
    row = Provider.objects.get(slug="garmin")
    row.limits = {"account": wide, "login": slow, "login_hour": wide}
    row.save()
    connect(athlete, password="wrong")
    session = connect(athlete)
    assert (session.status, session.error_code) == (Session.QUEUED, "throttled")
    assert garmin["garmin"].count(LOGIN) == 1
    row.limits = {"account": wide, "login": wide, "login_hour": wide}
    row.save()
    logging_in.work(session.pk)
    session.refresh_from_db()
    assert session.status == Session.DONE


def test_a_code_finishes_the_login_in_another_process(garmin: RunningSandbox, coach: User) -> None:
    session = connect(coach, COACH)
    assert (session.status, session.method) == (Session.NEEDS_CODE, "email")
    left = (session.expires_at - session.created_at).total_seconds()
    assert abs(left - timing().connect_session_s) < 10
    assert connecting.submit_code(session, code_of(garmin))
    script = f"import django; django.setup(); from integrations import tasks; tasks.submit_code({session.pk})"
    url = urlsplit(os.environ["DATABASE_URL"])._replace(path=f"/{database.settings_dict['NAME']}").geturl()
    elsewhere = {"DJANGO_SETTINGS_MODULE": "config.settings", "DATABASE_URL": url}
    subprocess.run([sys.executable, "-c", script], env=os.environ | elsewhere, cwd=ROOT, check=True, timeout=60)
    session.refresh_from_db()
    assert (session.status, session.sealed) == (Session.DONE, "")
    assert connection_of(coach).external_name == "Carla Coach"
    assert garmin["garmin"].count(LOGIN) == 1


def test_a_wrong_code_may_be_corrected(garmin: RunningSandbox, coach: User) -> None:
    session = answer(connect(coach, COACH), wrong_code(garmin))
    assert (session.status, session.error_code) == (Session.NEEDS_CODE, "wrong_code")
    assert answer(session, code_of(garmin)).status == Session.DONE
    assert garmin["garmin"].count(LOGIN) == 1


def test_five_wrong_codes_end_the_login(garmin: RunningSandbox, coach: User) -> None:
    session = connect(coach, COACH)
    states = [answer(session, wrong_code(garmin)).status for _ in range(5)]
    assert states == [Session.NEEDS_CODE] * 4 + [Session.FAILED]
    assert (session.error_code, session.sealed) == ("too_many_codes", "")
    assert not connecting.submit_code(session, code_of(garmin))


def test_an_outage_while_the_code_is_checked_costs_no_new_login(garmin: RunningSandbox, coach: User) -> None:
    session = connect(coach, COACH)
    garmin["garmin"].set_fault(COACH, "login-500")
    assert answer(session, code_of(garmin)).error_code == "unreachable"
    garmin["garmin"].set_fault(COACH, "")
    assert answer(session, code_of(garmin)).status == Session.DONE


def test_twenty_clicks_on_one_code_check_it_once(garmin: RunningSandbox, coach: User) -> None:
    session, code = connect(coach, COACH), code_of(garmin)
    taken = in_parallel(20, lambda _: connecting.submit_code(ConnectSession.objects.get(pk=session.pk), code))
    in_parallel(20, lambda _: logging_in.check_code(session.pk))
    assert taken.count(True) == 1
    assert garmin["garmin"].count("/sso/mobile/api/mfa/verifyCode") == 1
    assert connection_of(coach).status == State.ACTIVE


def test_after_ten_minutes_the_code_is_too_late(garmin: RunningSandbox, coach: User) -> None:
    session = connect(coach, COACH)
    ConnectSession.objects.update(created_at=Now() - seconds(900), expires_at=Now() - seconds(1))
    session.refresh_from_db()
    assert session.is_expired
    assert not connecting.submit_code(session, code_of(garmin))
    assert logging_in.tidy() == 1
    session.refresh_from_db()
    assert (session.status, session.error_code, session.sealed) == (Session.FAILED, "expired", "")


def test_a_worker_that_died_ends_the_login_and_nobody_repeats_it(
    garmin: RunningSandbox, athlete: User, published: list[tuple[str, object]]
) -> None:
    session = begin(athlete)
    assert ConnectSession.objects.take(session.pk, waiting=Session.QUEUED, working=Session.WORKING)
    ConnectSession.objects.update(lease_until=Now() - seconds(1), queued_at=Now() - seconds(60))
    published.clear()
    tasks.tick_connect_sessions()
    session.refresh_from_db()
    assert (session.status, session.error_code) == (Session.FAILED, "interrupted")
    logging_in.work(session.pk)
    assert (published, garmin["garmin"].count(LOGIN)) == ([], 0)
    assert connect(athlete).status == Session.DONE


def test_a_lost_bell_is_rung_again(garmin: RunningSandbox, athlete: User, published: list[tuple[str, object]]) -> None:
    session = begin(athlete)
    assert published == [("integrations.tasks.log_in", session.pk)]
    tasks.tick_connect_sessions()
    assert len(published) == 1
    ConnectSession.objects.update(queued_at=Now() - seconds(60))
    tasks.tick_connect_sessions()
    assert published[1:] == [("integrations.tasks.log_in", session.pk)]


def test_the_account_of_somebody_else_is_refused_without_a_name(
    garmin: RunningSandbox, athlete: User, stranger: User
) -> None:
    connect(athlete)
    session = connect(stranger)
    assert (session.status, session.error_code) == (Session.FAILED, "account_taken")
    assert not Connection.objects.live().filter(user=stranger).exists()
    assert Credential.objects.get().connection.user == athlete
    entry = AuditEntry.objects.get(action="connection.login_failed")
    assert (entry.level, entry.actor) == (AuditEntry.Level.SECURITY, stranger)


def test_two_people_who_connect_one_account_at_once_end_with_one_owner(
    garmin: RunningSandbox, athlete: User, stranger: User
) -> None:
    begun = [begin(athlete), begin(stranger)]
    in_parallel(2, lambda number: logging_in.work(begun[number].pk))
    states = sorted(ConnectSession.objects.values_list("status", "error_code"))
    assert states == [("done", ""), ("failed", "account_taken")]
    assert Connection.objects.live().count() == Credential.objects.count() == 1


def test_a_lost_login_comes_back_to_the_same_connection(garmin: RunningSandbox, coach: User) -> None:
    connect(coach, CHEN)
    before = connection_of(coach)
    credentials.lose(before, "invalid_grant")
    SyncJob.objects.all().cancel()
    assert connect(coach, CHEN).status == Session.DONE
    after = connection_of(coach)
    assert (after.pk, after.status, after.delivers) == (before.pk, State.ACTIVE, True)
    assert SyncJob.objects.active().count() == 1


def test_another_account_does_not_take_the_old_ones_place(garmin: RunningSandbox, athlete: User) -> None:
    connect(athlete, BEN)
    before = connection_of(athlete)
    credentials.lose(before, "invalid_grant")
    assert connect(athlete, CHEN).error_code == "other_account"
    after = connection_of(athlete)
    assert (after.pk, after.status) == (before.pk, State.NEEDS_REAUTH)
    assert after.external_account_id == before.external_account_id
    assert not Credential.objects.exists()


def test_who_is_connected_is_not_logged_in_again(garmin: RunningSandbox, athlete: User) -> None:
    connect(athlete)
    with pytest.raises(errors.ConflictError):
        begin(athlete)


def test_a_provider_that_is_switched_off_takes_no_login(garmin: RunningSandbox, athlete: User) -> None:
    Provider.objects.update(connect_enabled=False)
    with pytest.raises(errors.IntegrationDisabled):
        begin(athlete)
    assert not ConnectSession.objects.exists()


def test_a_login_that_ended_meanwhile_leaves_no_token(garmin: RunningSandbox, athlete: User) -> None:
    session = begin(athlete)
    taken = ConnectSession.objects.take(session.pk, waiting=Session.QUEUED, working=Session.WORKING)
    assert taken
    ConnectSession.objects.update(lease_until=Now() - seconds(1))
    logging_in.tidy()
    with pytest.raises(errors.IntegrationError):
        activating.complete(taken, Grant({"di_token": "late"}, None))
    assert not Credential.objects.exists()
    assert connect(athlete).status == Session.DONE


def test_a_login_that_ends_while_its_tokens_are_tried_leaves_none(garmin: RunningSandbox, athlete: User) -> None:
    def end(**_: object) -> None:
        ConnectSession.objects.update(status=Session.FAILED, error_code="interrupted", sealed="", consumed_at=Now())

    post_save.connect(end, sender=Credential)
    try:
        session = connect(athlete)
    finally:
        post_save.disconnect(end, sender=Credential)
    assert (session.status, session.error_code) == (Session.FAILED, "interrupted")
    assert not Credential.objects.exists()
    assert not Connection.objects.live().exists()


def test_disconnecting_ends_everything_once(garmin: RunningSandbox, coach: User) -> None:
    connect(coach, CHEN)
    connection = connection_of(coach)
    ended = in_parallel(
        8, lambda _: connecting.disconnect(Connection.objects.get(pk=connection.pk), actor=coach, purge=True)
    )
    connection.refresh_from_db()
    assert ended.count(True) == 1
    assert (connection.status, connection.delivers) == (State.DISCONNECTED, False)
    assert not Credential.objects.exists()
    assert not SyncJob.objects.active().exists()
    assert not connection.streams.filter(enabled=True).exists()
    assert DomainEvent.objects.get(type="connection.disconnected").payload == {"purge": True}
    assert AuditEntry.objects.filter(action="connection.disconnected", actor=coach).count() == 1
    assert connect(coach, CHEN).status == Session.DONE


def test_disconnecting_stops_a_login_that_waits(garmin: RunningSandbox, athlete: User) -> None:
    connect(athlete)
    connection = connection_of(athlete)
    credentials.lose(connection, "invalid_grant")
    session = begin(athlete)
    connecting.disconnect(connection, actor=athlete, purge=False)
    logging_in.work(session.pk)
    session.refresh_from_db()
    assert (session.status, session.error_code, session.sealed) == (Session.FAILED, "disconnected", "")
    assert garmin["garmin"].count(LOGIN) == 1


def test_a_paused_connection_goes_on_only_when_its_login_works(garmin: RunningSandbox, coach: User) -> None:
    connect(coach, CHEN)
    connection = connection_of(coach)
    assert connecting.pause(connection, actor=coach)
    assert not SyncJob.objects.active().exists()

    def resumed() -> tuple[str, str]:
        connecting.resume(connection, actor=coach)
        activating.check(connection.pk)
        connection.refresh_from_db()
        return connection.status, connection.status_reason

    garmin["garmin"].set_fault(CHEN, "500")
    assert resumed() == (State.PAUSED, "server")
    garmin["garmin"].set_fault(CHEN, "")
    assert resumed() == (State.ACTIVE, "")
    assert SyncJob.objects.active().count() == 1
    connecting.pause(connection, actor=coach)
    garmin["garmin"].state.revoke(CHEN)  # type: ignore[attr-defined]
    assert resumed()[0] == State.NEEDS_REAUTH
    assert DomainEvent.objects.filter(type="connection.needs_reauth").count() == 1


def test_what_was_begun_and_never_finished_is_tidied_up(garmin_provider: Provider, athlete: User) -> None:
    Connection.objects.create(user=athlete, provider=garmin_provider)
    assert logging_in.tidy() == 0
    Connection.objects.update(status_changed_at=Now() - seconds(timing().pending_connection_s + 1))
    assert logging_in.tidy() == 1
    assert not Connection.objects.live().exists()


def test_streams_of_a_paused_connection_are_not_due(garmin: RunningSandbox, coach: User) -> None:
    connect(coach, CHEN)
    connection = connection_of(coach)
    connecting.pause(connection, actor=coach)
    assert not connection.streams.due().exists()
    scheduling.add_streams(connection)
    assert not connection.streams.due().exists()
