"""Renewals that fail: they cool down, end a connection after days, and hold up nobody else."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from integrations import credentials, errors
from integrations.credentials import TokenBusy
from integrations.models import Connection, Credential, DomainEvent, ProviderMode
from tests.integrations.renewals import age, expire


def test_an_outage_cools_down_and_spares_the_provider(rotating: Connection, rotator: Any) -> None:
    rotator.fails = errors.ServerError(provider="rotator", status=503)
    expire(rotating)
    with pytest.raises(errors.ServerError):
        credentials.usable(rotating)
    with pytest.raises(TokenBusy) as busy:
        credentials.usable(rotating)
    assert busy.value.code == "token_cooling"
    assert 25 < (busy.value.retry_after or 0) <= 30
    assert rotator.calls == 1
    assert DomainEvent.objects.get(type="credential.renewal_failed").payload == {"code": "server"}
    rotator.fails = None
    assert credentials.renew(rotating, seen_version=1, force=True).version == 2
    assert (Credential.objects.get().refresh_failures, Credential.objects.get().refresh_failed_at) == (0, None)


def test_cool_downs_grow(rotating: Connection, rotator: Any) -> None:
    rotator.fails = errors.TimeoutError(provider="rotator")
    waits = []
    for _ in range(6):
        with pytest.raises(errors.TimeoutError):
            credentials.renew(rotating, seen_version=1)
        with pytest.raises(TokenBusy) as busy:
            credentials.renew(rotating, seen_version=1)
        waits.append(round(busy.value.retry_after or 0))
        age(rotating, timedelta(hours=7))
        Connection.objects.update(failing_days=0)
    assert waits == [30, 120, 600, 3600, 21600, 21600]


def test_an_outage_leaves_a_token_that_still_lasts_in_use(rotating: Connection, rotator: Any) -> None:
    rotator.fails = errors.ServerError(provider="rotator")
    age(rotating, timedelta(minutes=50))
    assert credentials.usable(rotating).version == 1
    assert rotator.calls == 1


def test_four_failing_days_end_a_connection_and_a_burst_does_not(rotating: Connection, rotator: Any) -> None:
    rotator.fails = errors.ServerError(provider="rotator")
    for day in range(1, 5):
        for _ in range(5 if day < 4 else 1):
            with pytest.raises(errors.ServerError):
                credentials.renew(rotating, seen_version=1, force=True)
        rotating.refresh_from_db()
        assert rotating.failing_days == day
        assert rotating.status == (Connection.Status.ACTIVE if day < 4 else Connection.Status.NEEDS_REAUTH)
        age(rotating, timedelta(days=1))
    assert rotating.status_reason == "renewal_failing"


def test_a_success_forgets_the_failing_days(rotating: Connection, rotator: Any) -> None:
    Connection.objects.update(failing_days=3)
    credentials.renew(rotating, seen_version=1)
    rotating.refresh_from_db()
    assert rotating.failing_days == 0


@pytest.mark.parametrize("stop", [errors.CircuitOpenError(), errors.ThrottledError(), errors.ConfigurationError()])
def test_a_stop_of_our_own_is_no_failure(rotating: Connection, rotator: Any, stop: errors.IntegrationError) -> None:
    rotator.fails = stop
    with pytest.raises(type(stop)):
        credentials.renew(rotating, seen_version=1)
    kept = Credential.objects.get()
    assert (kept.refresh_failures, kept.refresh_failed_at, kept.lease_token) == (0, None, None)
    assert not DomainEvent.objects.filter(type="credential.renewal_failed").exists()
    rotator.fails = None
    assert credentials.renew(rotating, seen_version=1).version == 2


def test_the_tick_renews_what_ends_soon_or_was_idle_for_a_day(rotating: Connection, rotator: Any) -> None:
    assert credentials.renew_due() == 0
    age(rotating, timedelta(minutes=45))
    assert credentials.renew_due() == 1
    assert credentials.renew_due() == 0
    Credential.objects.update(refreshed_at=timezone.now() - timedelta(hours=25))
    assert credentials.renew_due() == 1
    assert rotator.calls == 2


def test_the_tick_leaves_alone_what_may_not_be_called(rotating: Connection, rotator: Any) -> None:
    expire(rotating)
    for barred in ({"status": Connection.Status.PAUSED}, {"status": Connection.Status.NEEDS_REAUTH}):
        Connection.objects.update(**barred)
        assert credentials.renew_due() == 0
    Connection.objects.update(status=Connection.Status.ACTIVE)
    rotating.provider.mode = ProviderMode.HOLD
    rotating.provider.save()
    assert credentials.renew_due() == 0
    assert rotator.calls == 0


def test_the_tick_goes_on_past_one_that_fails_and_spares_it_while_it_cools(rotating: Connection, rotator: Any) -> None:
    rotator.fails = errors.ServerError(provider="rotator")
    expire(rotating)
    assert credentials.renew_due() == 0
    assert credentials.renew_due() == 0
    assert rotator.calls == 1
    age(rotating, timedelta(seconds=31))
    rotator.fails = None
    assert credentials.renew_due() == 1
