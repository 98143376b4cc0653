"""Renewal: one call a version whoever asks, nothing lost, and no connection ended by a burst or an outage."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection as database
from django.db import transaction
from django.test import override_settings
from django.utils import timezone

from accounts.models import AuditEntry, User
from integrations import credentials, errors, vault
from integrations.client import client_for
from integrations.credentials import Held, TokenBusy
from integrations.encryption import new_key
from integrations.models import Connection, Credential, DomainEvent, Provider, SyncStream
from integrations.sandbox import RunningSandbox
from integrations.spec import Grant
from tests.coaching.world import connect
from tests.integrations.renewals import age, at_once, expire


class Killed(BaseException):
    """The worker is gone: nothing after it runs, as after kill -9."""


def one_fresh_renewal_a_round(connection: Connection, site: Any, rounds: int) -> None:
    for number in range(1, rounds + 1):
        seen = expire(connection).version
        held = at_once(lambda: credentials.usable(Connection.objects.get(pk=connection.pk)))
        assert {type(each) for each in held} == {Held}
        assert {each.version for each in held} == {seen + 1}
        assert {each.secrets["refresh"] for each in held} == {site.good}
        assert (site.calls, site.refused) == (number, 0)


def test_twenty_workers_with_one_expired_token_renew_once(rotating: Connection, rotator: Any) -> None:
    rotator.takes_s = 0.03
    one_fresh_renewal_a_round(rotating, rotator, rounds=5)
    told = DomainEvent.objects.filter(type="credential.renewed", connection=rotating).order_by("pk")
    assert [event.payload for event in told] == [{"version": version} for version in range(2, 7)]


@pytest.mark.soak
def test_a_hundred_rounds_of_twenty_workers_renew_a_hundred_times(rotating: Connection, rotator: Any) -> None:
    rotator.takes_s = 0.03
    one_fresh_renewal_a_round(rotating, rotator, rounds=100)


def test_after_a_401_everybody_who_saw_the_same_version_shares_one_renewal(rotating: Connection, rotator: Any) -> None:
    held = at_once(lambda: credentials.renew(rotating, seen_version=1))
    assert {each.version for each in held} == {2}
    assert rotator.calls == 1
    assert credentials.renew(rotating, seen_version=1).version == 2
    assert rotator.calls == 1


def test_fresh_tokens_are_used_as_they_are(rotating: Connection, rotator: Any) -> None:
    assert credentials.usable(rotating).secrets["refresh"] == rotator.good
    assert rotator.calls == 0


@pytest.mark.parametrize(("left", "renewed"), [(timedelta(minutes=20), False), (timedelta(minutes=12), True)])
def test_tokens_are_renewed_inside_the_margin(
    rotating: Connection, rotator: Any, left: timedelta, renewed: bool
) -> None:
    age(rotating, timedelta(hours=1) - left)
    credentials.usable(rotating)
    assert rotator.calls == renewed


@pytest.mark.parametrize(("left", "renewed"), [(timedelta(minutes=6), False), (timedelta(minutes=4), True)])
def test_the_margin_is_never_more_than_half_of_a_short_life(
    rotating: Connection, rotator: Any, left: timedelta, renewed: bool
) -> None:
    rotator.lifetime = timedelta(minutes=10)
    credentials.store(rotating, rotator.grant(), kind=Credential.Kind.OAUTH2)
    age(rotating, timedelta(minutes=10) - left)
    credentials.usable(rotating)
    assert rotator.calls == renewed


def test_without_a_known_end_a_day_is_assumed(rotating: Connection, rotator: Any) -> None:
    rotator.lifetime = None
    kept = credentials.store(rotating, rotator.grant(), kind=Credential.Kind.SESSION)
    assert kept.expires_at is not None
    assert timedelta(hours=23) < kept.expires_at - timezone.now() <= timedelta(hours=24)
    assert credentials.store(rotating, rotator.grant(), kind=Credential.Kind.API_KEY).expires_at is None


def test_a_refused_login_is_lost_once_and_loudly(rotating: Connection, rotator: Any) -> None:
    rotator.good = "somebody logged out everywhere"
    expire(rotating)
    outcomes = at_once(lambda: credentials.usable(Connection.objects.get(pk=rotating.pk)))
    assert {type(each) for each in outcomes} == {errors.AuthenticationError}
    assert rotator.calls == 1
    rotating.refresh_from_db()
    assert (rotating.status, rotating.status_reason) == (Connection.Status.NEEDS_REAUTH, "invalid_grant")
    assert DomainEvent.objects.filter(type="connection.needs_reauth", connection=rotating).count() == 1
    assert AuditEntry.objects.get(action="connection.needs_reauth").level == AuditEntry.Level.SECURITY


def test_a_lost_connections_streams_are_no_longer_due(rotating: Connection) -> None:
    SyncStream.objects.create(connection=rotating, resource="workouts")
    assert SyncStream.objects.due().exists()
    credentials.lose(rotating, "invalid_grant")
    assert not SyncStream.objects.due().exists()


def test_a_refusal_is_no_loss_when_somebody_else_has_renewed(rotating: Connection, rotator: Any) -> None:
    """Our lease lapsed, another worker renewed, and our own call comes too late with a used-up token."""

    def another_login(connection: Connection = rotating) -> None:
        credentials.store(Connection.objects.get(pk=connection.pk), rotator.grant(), kind=Credential.Kind.OAUTH2)
        raise errors.AuthenticationError(code="invalid_grant")

    rotator.on_answer = another_login
    held = credentials.renew(rotating, seen_version=1)
    assert (held.version, held.secrets["refresh"]) == (2, rotator.good)
    rotating.refresh_from_db()
    assert rotating.status == Connection.Status.ACTIVE


def test_a_late_answer_never_overwrites_a_newer_login(rotating: Connection, rotator: Any) -> None:
    newest = Grant({"access": "a", "refresh": "of the new login"}, timezone.now() + timedelta(hours=1))
    rotator.on_answer = lambda: credentials.store(rotating, newest, kind=Credential.Kind.OAUTH2)
    assert credentials.renew(rotating, seen_version=1).secrets["refresh"] == "of the new login"
    assert Credential.objects.get().version == 2


def test_a_dead_workers_lease_lapses_and_the_next_one_renews(rotating: Connection, rotator: Any) -> None:
    Credential.objects.update(lease_token="0" * 32, lease_until=timezone.now() + timedelta(seconds=0.1))
    assert credentials.renew(rotating, seen_version=1).version == 2
    assert rotator.calls == 1
    assert Credential.objects.get().lease_token is None


@override_settings(TIME_SCALE=0.002)
def test_a_worker_killed_after_the_answer_ends_in_a_new_login_not_in_a_loop(rotating: Connection, rotator: Any) -> None:
    """The tokens died with it: the provider refuses the old ones, and the owner hears of it."""

    def die() -> None:
        raise Killed

    rotator.on_answer = die
    with pytest.raises(Killed):
        credentials.renew(rotating, seen_version=1)
    age(rotating, timedelta(minutes=1))  # its lease lapses
    rotator.on_answer = lambda: None
    for _ in range(3):
        with pytest.raises(errors.AuthenticationError):
            credentials.renew(rotating, seen_version=1)
    assert rotator.calls == 2
    rotating.refresh_from_db()
    assert rotating.status == Connection.Status.NEEDS_REAUTH


def test_a_worker_killed_after_the_write_has_lost_nothing(rotating: Connection, rotator: Any) -> None:
    """What the renewal gave stands in the database before anything else is done."""
    Connection.objects.update(failing_days=1)

    def die(execute: Any, sql: str, *rest: Any) -> Any:
        if sql.startswith("UPDATE") and "failing_days" in sql:
            raise Killed
        return execute(sql, *rest)

    with database.execute_wrapper(die), pytest.raises(Killed):
        credentials.renew(rotating, seen_version=1)
    database.close()
    held = credentials.usable(rotating)
    assert (held.version, held.secrets["refresh"]) == (2, rotator.good)
    assert rotator.calls == 1


def test_a_renewal_refuses_to_run_inside_a_transaction(rotating: Connection, rotator: Any) -> None:
    with transaction.atomic(), pytest.raises(RuntimeError):
        credentials.renew(rotating, seen_version=1)
    assert rotator.calls == 0


@override_settings(TIME_SCALE=0.002)
def test_who_waits_in_vain_uses_the_old_token_while_it_lasts(rotating: Connection, rotator: Any) -> None:
    age(rotating, timedelta(minutes=50))
    Credential.objects.update(lease_token="0" * 32, lease_until=timezone.now() + timedelta(minutes=1))
    assert credentials.usable(rotating).version == 1
    expired = expire(rotating)
    Credential.objects.update(lease_until=timezone.now() + timedelta(minutes=1))
    with pytest.raises(TokenBusy) as busy:
        credentials.usable(rotating)
    assert (busy.value.code, busy.value.retryable) == ("token_busy", True)
    assert (rotator.calls, expired.version) == (0, 1)


def test_a_missing_vault_key_changes_no_row(rotating: Connection, rotator: Any) -> None:
    expire(rotating)
    before = Credential.objects.values().get()
    with override_settings(CREDENTIAL_KEYS=new_key("other")), pytest.raises(vault.VaultParked):
        credentials.usable(rotating)
    assert Credential.objects.values().get() == before
    rotating.refresh_from_db()
    assert (rotating.status, rotating.failing_days, rotator.calls) == (Connection.Status.ACTIVE, 0, 0)
    assert credentials.usable(rotating).version == 2


def test_a_pasted_envelope_does_not_open(rotating: Connection, rotator: Any, coach: Any) -> None:
    """T5: the coach's ciphertext, put into the attacker's row by SQL."""
    other = Connection.objects.create(
        user=coach, provider=rotating.provider, status=Connection.Status.ACTIVE, external_account_id="8"
    )
    credentials.store(other, rotator.grant(), kind=Credential.Kind.OAUTH2)
    mine, theirs = Credential.objects.get(connection=rotating), Credential.objects.get(connection=other)
    Credential.objects.filter(pk=mine.pk).update(sealed=theirs.sealed)
    Credential.objects.filter(pk=theirs.pk).update(sealed=mine.sealed)
    for connection in (rotating, other):
        with pytest.raises(vault.VaultUnavailable):
            credentials.usable(connection)


def test_storing_again_replaces_and_raises_the_version(rotating: Connection, rotator: Any) -> None:
    first = Credential.objects.get()
    Credential.objects.update(refresh_failures=3, refresh_failed_at=timezone.now(), refreshed_at=timezone.now())
    again = credentials.store(rotating, rotator.grant(), kind=Credential.Kind.OAUTH2)
    again.refresh_from_db()
    assert (again.pk, again.version, again.refresh_failures, again.refresh_failed_at) == (first.pk, 2, 0, None)
    assert credentials.usable(rotating).secrets["refresh"] == rotator.good


def test_erased_secrets_are_gone(rotating: Connection) -> None:
    credentials.erase(rotating)
    credentials.erase(rotating)
    assert not Credential.objects.exists()
    with pytest.raises(errors.AuthenticationError) as refused:
        credentials.usable(rotating)
    assert refused.value.code == "no_credential"


def test_nothing_shows_the_secrets(rotating: Connection) -> None:
    held = credentials.usable(rotating)
    assert held.secrets["refresh"] not in repr(held)
    assert held.secrets["refresh"] not in str(Credential.objects.values().get())


def test_twenty_workers_at_garmin_share_one_renewal(
    transactional_db: None, athlete: User, garmin: RunningSandbox, garmin_provider: Provider
) -> None:
    """The real client, adapter and HTTP stack; the sandbox ends the whole login when a refresh token comes twice."""
    email = "athlete1@sandbox.example"
    connection, site = connect(athlete, garmin, garmin_provider, email), garmin["garmin"].state  # type: ignore[attr-defined]
    for renewals in (1, 2, 3):
        site.expire(email)
        names = at_once(lambda: client_for(Connection.objects.get(pk=connection.pk)).account().external_id)
        assert set(names) == {connection.external_account_id}
        assert [row["used"] for row in site.refreshes.values()].count(True) == renewals
        assert Credential.objects.get().version == 1 + renewals
