"""How a provider is: the light check of beat, what machines read, and what its users are told."""

import socket
import threading
from datetime import timedelta
from typing import Any

import pytest
from django.db import connections
from django.test import Client, override_settings
from django.utils import timezone

from accounts.models import User
from integrations import errors, gateways, health
from integrations.client import client_for
from integrations.models import Connection, HealthReport, MaintenanceWindow, Provider, ProviderMode
from integrations.sandbox import RunningSandbox
from integrations.services import looking
from tests.integrations.library import ACCOUNT, connect

pytestmark = pytest.mark.django_db(transaction=True)
TOKEN = "health-token-of-thirty-two-letters"
PROFILE = "GET /api/userprofile-service/socialProfile"
Outcome = HealthReport.Outcome


@pytest.fixture(autouse=True)
def _nothing_remembered() -> None:
    health.forget()


@pytest.fixture
def connection(garmin: RunningSandbox, coach: User) -> Connection:
    found: Connection = connect(garmin, coach).connection
    return found


def calls(sandbox: RunningSandbox) -> list[str]:
    return [f"{call.method} {call.path}" for call in sandbox["garmin"].calls]


def age_everything(by: timedelta = timedelta(minutes=6)) -> None:
    """As if the last looks and answers were that long ago."""
    for report in HealthReport.objects.all():
        HealthReport.objects.filter(pk=report.pk).update(created_at=report.created_at - by)
    Connection.objects.exclude(last_ok_at=None).update(last_ok_at=timezone.now() - by)


def test_a_quiet_provider_is_read_once_with_somebodys_login(garmin: RunningSandbox, connection: Connection) -> None:
    assert looking.look_at_quiet() == 1
    report = HealthReport.objects.get()
    assert (report.kind, report.outcome, report.error_code) == ("check", Outcome.OK, "")
    assert len(calls(garmin)) == 1
    assert calls(garmin)[0].endswith("/socialProfile")
    assert looking.look_at_quiet() == 0, "it has just answered"
    age_everything()
    gateways.forget()
    assert looking.look_at_quiet() == 1


def test_without_anybody_the_door_is_tried(garmin: RunningSandbox, garmin_provider: Provider) -> None:
    assert looking.look_at_quiet() == 1
    report = HealthReport.objects.get()
    assert (report.outcome, report.steps[0]["detail"]) == (
        Outcome.OK,
        "It answers, with 404 at its front door, which is fine.",
    )
    assert gateways.standing(garmin_provider).circuit.failures == 0, "a page that is not there is an answer"


def test_nobody_at_home_is_a_failure(garmin: RunningSandbox, garmin_provider: Provider) -> None:
    with socket.socket() as deaf:  # bound, so that nobody else takes the port, and never listening
        deaf.bind(("127.0.0.1", 0))
        garmin_provider.base_urls |= {"api": f"http://127.0.0.1:{deaf.getsockname()[1]}"}
        garmin_provider.save()
        looking.look_at_quiet()
    assert (HealthReport.objects.get().outcome, HealthReport.objects.get().error_code) == ("failed", "connection")
    assert health.of(garmin_provider).outcome == "failed"


@pytest.mark.parametrize("change", [{"mode": ProviderMode.HOLD}, {"mode": ProviderMode.OFF}, {"sync_enabled": False}])
def test_what_operations_stopped_is_left_in_peace(
    garmin: RunningSandbox, garmin_provider: Provider, change: dict[str, Any]
) -> None:
    for name, value in change.items():
        setattr(garmin_provider, name, value)
    garmin_provider.save()
    assert looking.look_at_quiet() == 0
    assert not calls(garmin)


def test_a_provider_in_maintenance_is_left_in_peace_and_users_are_told(
    garmin: RunningSandbox, garmin_provider: Provider
) -> None:
    now = timezone.now()
    end = now + timedelta(hours=1)
    times = {"announce_at": now, "drain_at": now, "starts_at": now, "ends_at": end}
    MaintenanceWindow.objects.create(provider=garmin_provider, message="Back soon", **times)
    assert looking.look_at_quiet() == 0
    assert not calls(garmin)
    told = health.summary(garmin_provider).services["deliver"]
    assert (told.status, told.code, told.until) == ("paused", "maintenance", end)


def test_a_circuit_held_open_by_hand_is_not_probed(garmin: RunningSandbox, garmin_provider: Provider) -> None:
    gateways.trip(garmin_provider, reason="they asked us to stay away")
    assert looking.look_at_quiet() == 0
    assert not calls(garmin)


def test_one_worker_checks(garmin: RunningSandbox, connection: Connection) -> None:
    gate, done = threading.Barrier(4), []

    def work() -> None:
        gate.wait()
        try:
            done.append(looking.look_at_quiet())
        finally:
            connections.close_all()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(done) == 1
    assert len(calls(garmin)) == 1
    assert HealthReport.objects.count() == 1


def test_a_hundred_checks_are_kept(garmin: RunningSandbox, garmin_provider: Provider) -> None:
    many = [HealthReport(provider=garmin_provider, kind="check", outcome="ok") for _ in range(130)]
    HealthReport.objects.bulk_create(many)
    own = HealthReport.objects.create(provider=garmin_provider, kind="self_test", outcome="ok")
    age_everything()
    looking.look_at_quiet()
    assert HealthReport.objects.filter(kind="check").count() == 100
    assert HealthReport.objects.filter(pk=own.pk).exists()
    assert health.of(garmin_provider).report == HealthReport.objects.filter(kind="check").first()


def test_a_check_whose_worker_died_ends(garmin_provider: Provider) -> None:
    old = HealthReport.objects.create(provider=garmin_provider, kind="check", outcome="running")
    assert old.is_moving is True
    age_everything()
    assert not HealthReport.objects.get().is_moving
    garmin_provider.mode = ProviderMode.OFF
    garmin_provider.save()
    looking.look_at_quiet()
    old.refresh_from_db()
    assert (old.outcome, old.error_code) == ("failed", "interrupted")


def test_the_circuit_opens_and_heals_and_users_are_told(
    garmin: RunningSandbox, connection: Connection, no_repeats: None
) -> None:
    provider = connection.provider
    assert health.summary(provider).status == "operational"
    garmin["garmin"].set_fault(ACCOUNT, "500")
    gateway = gateways.gateway_for(provider)
    for _ in range(12):
        with pytest.raises(errors.IntegrationError):
            client_for(connection).account()
    health.forget()
    told = health.summary(provider).services["sync"]
    assert (told.status, told.code) == ("degraded", "circuit_open")
    assert told.until is not None
    assert timedelta(0) < told.until - timezone.now() <= timedelta(seconds=gateway.policies.breaker.open_timeout)
    assert looking.look_at_quiet() == 0, "it waits until the time is over"
    garmin["garmin"].set_fault(ACCOUNT, "")
    gateway.admission._shift = lambda: 61.0
    for _ in range(gateway.policies.breaker.success_threshold):
        HealthReport.objects.all().delete()
        assert looking.look_at_quiet() == 1
    assert gateway.admission.look({})[0].state == "CLOSED"


def test_the_summary_is_read_once_in_two_seconds(garmin_provider: Provider) -> None:
    assert health.summary(garmin_provider).status == "operational"
    gateways.trip(garmin_provider, reason="they have an outage")
    assert health.summary(garmin_provider).status == "operational"
    health.forget()
    assert health.summary(garmin_provider).status == "paused"
    gateways.reset(garmin_provider)
    gateways.trip(garmin_provider, reason="captcha for everybody", login=True)
    health.forget()
    services = health.summary(garmin_provider).services
    assert {name: each.status for name, each in services.items()} == {
        "connect": "paused",
        "sync": "operational",
        "deliver": "operational",
    }
    assert health.summary(garmin_provider).status == "degraded"


def ask(client: Client, token: str = TOKEN, *, scheme: str = "Bearer") -> Any:
    with override_settings(HEALTH_TOKEN=TOKEN):
        return client.get("/health/providers", headers={"Authorization": f"{scheme} {token}"} if token else {})


def test_without_a_token_set_there_is_no_such_page(client: Client) -> None:
    assert client.get("/health/providers", headers={"Authorization": "Bearer "}).status_code == 404


@pytest.mark.parametrize(("token", "scheme"), [("", "Bearer"), ("x", "Bearer"), (TOKEN, "Basic"), ("é" * 5, "Bearer")])
def test_strangers_are_told_nothing(client: Client, token: str, scheme: str) -> None:
    answer = ask(client, token, scheme=scheme)
    assert (answer.status_code, answer.headers["WWW-Authenticate"]) == (401, "Bearer")
    assert set(answer.json()) == {"detail", "code", "status_code", "trace_id"}


def test_machines_read_how_each_provider_is(
    client: Client, garmin: RunningSandbox, connection: Connection, coach: User
) -> None:
    looking.look_at_quiet()
    gateways.trip(connection.provider, reason="asked by olga@example.org")
    answer = ask(client)
    assert (answer.status_code, answer.headers["Cache-Control"].count("no-store")) == (200, 1)
    found = next(row for row in answer.json()["providers"] if row["provider"] == "garmin")
    assert (found["provider"], found["mode"], found["status"]) == ("garmin", "enabled", "paused")
    assert found["outcome"] == "ok"
    assert found["last_ok"]["age_s"] < 5
    assert found["circuit"]["api"]["state"] == "open"
    assert found["circuit"]["api"]["tripped_by_hand"]
    assert found["check"]["outcome"] == "ok"
    assert {bucket["bucket"] for bucket in found["buckets"]} == {"login", "login_hour"}
    for secret in ("olga", "example", coach.email, connection.external_account_id, str(connection.public_id)):
        assert secret not in answer.content.decode()


def test_the_number_of_queries_does_not_grow(django_assert_num_queries: Any, garmin_provider: Provider) -> None:
    providers_n = Provider.objects.count()
    assert providers_n > 1
    with django_assert_num_queries(4):
        assert len(health.of_all()) == providers_n
