"""What becomes of a connection: lost and found again, paused, resumed, disconnected."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connections, transaction
from django.db.models.functions import Now

from accounts.models import AuditEntry, User
from integrations import credentials
from integrations.models import (
    Connection,
    Credential,
    DomainEvent,
    Provider,
    SyncJob,
    SyncStream,
)
from integrations.sandbox import RunningSandbox
from integrations.services import activating, connecting, logging_in, scheduling
from integrations.timing import seconds, timing
from tests.integrations.logins import BEN, CHEN, LOGIN, Session, State, begin, connect, connection_of, in_parallel
from tests.patience import somebody_waits_for_us, until

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_lost_login_comes_back_to_the_same_connection(garmin: RunningSandbox, coach: User) -> None:
    connect(coach, CHEN)
    before = connection_of(coach)
    credentials.lose(before, "invalid_grant")
    SyncJob.objects.all().cancel()
    assert connect(coach, CHEN).status == Session.DONE
    after = connection_of(coach)
    assert (after.pk, after.status, after.delivers) == (before.pk, State.ACTIVE, True)
    assert SyncJob.objects.active().filter(stream__resource="workouts").count() == 1


def test_another_account_does_not_take_the_old_ones_place(garmin: RunningSandbox, athlete: User) -> None:
    connect(athlete, BEN)
    before = connection_of(athlete)
    credentials.lose(before, "invalid_grant")
    assert connect(athlete, CHEN).error_code == "other_account"
    after = connection_of(athlete)
    assert (after.pk, after.status) == (before.pk, State.NEEDS_REAUTH)
    assert after.external_account_id == before.external_account_id
    assert not Credential.objects.exists()


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
    assert SyncJob.objects.active().filter(stream__resource="workouts").count() == 1
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


def account(user: User, slug: str, status: str = "active", **fields: object) -> Connection:
    provider, _ = Provider.objects.get_or_create(slug=slug, defaults={"name": slug})
    return Connection.objects.create(user=user, provider=provider, status=status, external_account_id="7", **fields)


def default_of(user: User) -> Connection | None:
    return Connection.objects.live().filter(user=user, delivers=True).first()


@pytest.mark.usefixtures("rotator")
def test_the_account_for_deliveries_is_handed_to_the_next_that_takes_workouts(
    garmin_provider: Provider, athlete: User
) -> None:
    account(athlete, "rotator")  # older, and reads only
    target, other = account(athlete, "garmin", delivers=True), account(athlete, "writer")
    assert connecting.disconnect(target, actor=athlete, purge=False)
    assert default_of(athlete) == other
    entry = AuditEntry.objects.get(action="connection.delivers")
    assert (entry.object_id, entry.actor) == (str(other.public_id), athlete)


@pytest.mark.usefixtures("rotator")
@pytest.mark.parametrize(("status", "heir"), [("needs_reauth", True), ("paused", True), ("pending", False)])
def test_an_account_for_deliveries_that_waits_is_better_than_none(
    garmin_provider: Provider, athlete: User, status: str, heir: bool
) -> None:
    target, other = account(athlete, "garmin", delivers=True), account(athlete, "writer", status)
    connecting.disconnect(target, actor=None, purge=False)
    assert default_of(athlete) == (other if heir else None)


@pytest.mark.usefixtures("rotator")
def test_another_choice_of_account_for_deliveries_is_left_alone(
    garmin_provider: Provider, athlete: User, stranger: User
) -> None:
    first, chosen = account(athlete, "garmin"), account(athlete, "writer", delivers=True)
    connecting.disconnect(first, actor=athlete, purge=False)
    assert default_of(athlete) == chosen
    connecting.disconnect(chosen, actor=athlete, purge=False)
    assert default_of(athlete) is None
    assert not AuditEntry.objects.filter(action="connection.delivers").exists()


def test_a_run_that_ends_while_its_connection_is_paused_stays_as_it_ended(
    garmin_provider: Provider, coach: User
) -> None:
    stream = SyncStream.objects.create(connection=account(coach, "garmin"), resource="workouts")
    job = SyncJob.objects.create(stream=stream)
    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            SyncJob.objects.filter(pk=job.pk).update(status="succeeded", finished_at=Now())
            paused = pool.submit(paused_elsewhere, stream.connection, coach)
            until(somebody_waits_for_us)
        assert paused.result()
    job.refresh_from_db()
    assert job.status == SyncJob.Status.SUCCEEDED


def paused_elsewhere(connection: Connection, actor: User) -> bool:
    try:
        return connecting.pause(connection, actor=actor)
    finally:
        connections.close_all()
