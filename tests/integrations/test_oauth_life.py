"""An OAuth login after it was connected: renewed once for all, paused by the provider's headers, ended there."""

from collections.abc import Iterator

import pytest
from celery.signals import before_task_publish
from django.utils import timezone

from accounts.models import AuditEntry, User
from integrations import credentials, errors, gateways, tasks
from integrations.client import client_for
from integrations.models import Connection, Credential, DomainEvent
from integrations.sandbox import RunningSandbox
from integrations.services import connecting, revoking
from integrations.timing import seconds
from tests.integrations.consenting import ADA, REVOKE, TOKEN, State, connect, connection_of, strava_row
from tests.integrations.logins import in_parallel

pytestmark = pytest.mark.django_db(transaction=True)

ATHLETE = "/api/athlete"


@pytest.fixture
def connection(strava: RunningSandbox, athlete: User) -> Connection:
    connect(athlete, ADA)
    return connection_of(athlete)


@pytest.fixture
def rung() -> Iterator[list[str]]:
    """Names of the tasks that were sent to the broker."""
    seen: list[str] = []

    def note(sender: str = "", **_: object) -> None:
        seen.append(sender.rpartition(".")[2])

    before_task_publish.connect(note)
    yield seen
    before_task_publish.disconnect(note)


def renewals(strava: RunningSandbox) -> int:
    return strava["strava"].count(TOKEN) - 1  # the first one was the code's exchange


# --- renewal


def test_twenty_at_once_renew_once_and_all_get_the_new_tokens(strava: RunningSandbox, connection: Connection) -> None:
    old = credentials.usable(connection)
    strava["strava"].change(ADA, "expire", "", "")
    read = in_parallel(20, lambda _: client_for(Connection.objects.get(pk=connection.pk)).account().external_id)
    assert set(read) == {connection.external_account_id}
    assert renewals(strava) == 1
    new = credentials.usable(connection)
    assert new.version == old.version + 1
    assert new.secrets["refresh_token"] != old.secrets["refresh_token"], "Strava's may change, so the new one is kept"
    assert connection_of(connection.user).status == State.ACTIVE


def test_twenty_that_saw_the_end_coming_renew_once(strava: RunningSandbox, connection: Connection) -> None:
    Credential.objects.update(issued_at=timezone.now() - seconds(21_500), expires_at=timezone.now() + seconds(30))
    in_parallel(20, lambda _: credentials.usable(Connection.objects.get(pk=connection.pk)).version)
    assert renewals(strava) == 1


def test_a_yes_that_was_taken_back_needs_a_new_one(strava: RunningSandbox, connection: Connection) -> None:
    strava["strava"].change(ADA, "revoke", "", "")
    with pytest.raises(errors.AuthenticationError):
        client_for(connection).account()
    connection.refresh_from_db()
    assert (connection.status, connection.status_reason) == (State.NEEDS_REAUTH, "invalid_grant")


def test_a_wrong_registration_loses_nobody(strava: RunningSandbox, connection: Connection) -> None:
    provider = strava_row()
    provider.client_id = "999"
    provider.save()
    with pytest.raises(errors.ConfigurationError) as caught:
        credentials.renew(connection_of(connection.user), seen_version=1)
    connection.refresh_from_db()
    assert (caught.value.code, connection.status) == ("oauth_client", State.ACTIVE)
    assert Credential.objects.get().refresh_failures == 0


def test_a_renewal_that_brings_no_refresh_token_keeps_the_one_in_use(
    strava: RunningSandbox, connection: Connection
) -> None:
    before = credentials.usable(connection)
    strava["strava"].set_fault("*", "token-odd")
    after = credentials.renew(connection, seen_version=before.version)
    assert after.secrets["refresh_token"] == before.secrets["refresh_token"]
    assert after.secrets["access_token"] != before.secrets["access_token"]


# --- limits


@pytest.mark.parametrize(("fault", "window_s"), [("quarter-full", 900), ("day-full", 86_400)])
def test_the_last_call_of_a_window_pauses_everybody_until_the_next(
    strava: RunningSandbox, connection: Connection, fault: str, window_s: int
) -> None:
    strava["strava"].set_fault("*", f"{fault}-once", on=f"GET {ATHLETE}")
    before = strava["strava"].count(ATHLETE)
    assert client_for(connection).account().external_id == connection.external_account_id
    with pytest.raises(errors.ThrottledError) as caught:
        client_for(connection).account()
    left = window_s - timezone.now().timestamp() % window_s
    assert caught.value.retry_after
    assert abs(caught.value.retry_after - left) < 5
    assert strava["strava"].count(ATHLETE) == before + 1
    [bucket] = [row for row in gateways.standing(strava_row()).buckets if row.key == "provider"]
    assert bucket.paused_until
    assert abs(bucket.paused_until - (timezone.now().timestamp() + left)) < 5
    assert gateways.standing(strava_row()).circuit.failures == 0, "an expected pause is no failure"
    assert DomainEvent.objects.filter(type="integration.ratelimit.reached").count() == 1


def test_a_refusal_without_retry_after_waits_for_the_quarter_hour(
    strava: RunningSandbox, connection: Connection
) -> None:
    strava["strava"].set_fault("*", "over-limit", on=f"GET {ATHLETE}")
    before = strava["strava"].count(ATHLETE)
    with pytest.raises(errors.RateLimitError) as caught:
        client_for(connection).account()
    left = 900 - timezone.now().timestamp() % 900
    assert caught.value.retry_after
    assert abs(caught.value.retry_after - left) < 5
    assert strava["strava"].count(ATHLETE) == before + 1, "a refused call counts for the day: nobody tries again"


# --- activities


def test_activities_come_in_pages_and_end_at_the_day_asked_for(strava: RunningSandbox, connection: Connection) -> None:
    whole = [record for page in client_for(connection).activities(None) for record in page.records]
    assert len(whole) == 20
    assert all(record.account_id == connection.external_account_id for record in whole)
    since = whole[4].started_at.date()
    some = [record for page in client_for(connection).activities(since) for record in page.records]
    assert [record.external_id for record in some][:5] == [record.external_id for record in whole][:5]
    assert 5 <= len(some) <= 6


def test_anothers_activities_reach_nobody(strava: RunningSandbox, connection: Connection) -> None:
    Connection.objects.filter(pk=connection.pk).update(external_account_id="1")
    connection.refresh_from_db()
    pages = list(client_for(connection).activities(None))
    assert [record for page in pages for record in page.records] == []
    assert all(bad.external_id for page in pages for bad in page.bad)
    assert AuditEntry.objects.filter(action="connection.foreign_item").exists()


# --- the end


def test_disconnecting_ends_the_login_there_and_erases_it_here(
    strava: RunningSandbox, connection: Connection, rung: list[str]
) -> None:
    token = credentials.usable(connection).secrets["access_token"]
    assert connecting.disconnect(connection, actor=connection.user, purge=False)
    assert "say_goodbye" in rung
    with pytest.raises(errors.AuthenticationError):
        credentials.usable(connection)
    in_parallel(5, lambda _: revoking.say_goodbye(connection.pk))
    assert not Credential.objects.exists()
    assert strava["strava"].count(REVOKE) == 1
    assert token not in strava["strava"].store.section("strava", "tokens")
    ended = AuditEntry.objects.get(action="connection.login_ended")
    assert ended.data["at_provider"] == "revoked there"


@pytest.mark.parametrize("fault", ["503", "drop", "401", "404"])
def test_a_provider_that_cannot_be_told_keeps_nothing_here(
    strava: RunningSandbox, connection: Connection, no_repeats: None, fault: str
) -> None:
    strava["strava"].set_fault("*", fault, on=f"POST {REVOKE}")
    connecting.disconnect(connection, actor=connection.user, purge=False)
    revoking.say_goodbye(connection.pk)
    assert not Credential.objects.exists()
    assert AuditEntry.objects.get(action="connection.login_ended").data["at_provider"] == "not revoked there"


def test_a_lost_bell_is_rung_again(strava: RunningSandbox, connection: Connection, rung: list[str]) -> None:
    connecting.disconnect(connection, actor=connection.user, purge=False)
    rung.clear()
    tasks.tick_connect_sessions()
    assert "say_goodbye" not in rung, "a worker may be at it"
    Connection.objects.update(status_changed_at=timezone.now() - seconds(60))
    tasks.tick_connect_sessions()
    assert "say_goodbye" in rung


def test_who_has_connected_again_meanwhile_is_not_cut_off(strava: RunningSandbox, connection: Connection) -> None:
    """Strava ends all of an athlete's tokens with one of them."""
    connecting.disconnect(connection, actor=connection.user, purge=False)
    connect(connection.user, ADA)
    revoking.say_goodbye(connection.pk)
    assert strava["strava"].count(REVOKE) == 0
    assert client_for(connection_of(connection.user)).account().external_id == connection.external_account_id
    assert Credential.objects.count() == 1


def test_a_connection_that_is_alive_is_not_ended(strava: RunningSandbox, connection: Connection) -> None:
    revoking.say_goodbye(connection.pk)
    assert strava["strava"].count(REVOKE) == 0
    assert Credential.objects.count() == 1
