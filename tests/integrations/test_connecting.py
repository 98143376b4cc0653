"""Connecting an account with the real login code against Garmin's sandbox, over real threads."""

from collections.abc import Iterator

import pytest
from celery.signals import before_task_publish
from django.db import connection as database
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
from integrations.services import activating, cooldowns, logging_in
from integrations.spec import Grant
from integrations.timing import seconds, timing
from tests.integrations.logins import BEN, CHEN, LOGIN, Session, State, begin, connect, connection_of, in_parallel

pytestmark = pytest.mark.django_db(transaction=True)

HOUR_S = 3600


def wait_s() -> float:
    """How long the one account that cools down still has to wait."""
    until = LoginCooldown.objects.get().until
    assert until
    return (until - timezone.now()).total_seconds()


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


def test_a_coach_gets_the_library_read_at_once_and_everybody_the_activities(
    garmin: RunningSandbox, coach: User, athlete: User
) -> None:
    connect(coach, CHEN)
    connect(athlete, BEN)
    jobs = SyncJob.objects.active()
    assert jobs.get(stream__resource="workouts").stream.connection == connection_of(coach)
    assert jobs.filter(stream__resource="activities").count() == 2


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


def test_a_provider_that_cannot_be_reached_has_its_own_words(
    garmin_provider: Provider, athlete: User, nowhere: str
) -> None:
    addresses = {role: f"{nowhere}/{role}" for role in ("sso", "connect", "api", "token")}
    Provider.objects.update(base_urls=addresses, updated_at=Now())
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
