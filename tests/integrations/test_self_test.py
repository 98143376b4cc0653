"""The self-test of a provider and of a connection: what each step finds, who may start one, and what it never tells."""

from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import User
from integrations import gateways, tasks
from integrations.models import Connection, Credential, HealthReport, Provider, ProviderMode
from integrations.sandbox import RunningSandbox
from integrations.services import self_testing
from tests.integrations.broker import taken
from tests.integrations.library import ACCOUNT, connect, state

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def connection(garmin: RunningSandbox, coach: User) -> Connection:
    found: Connection = connect(garmin, coach).connection
    return found


def run(connection: Connection) -> HealthReport:
    return filled(self_testing.begin(connection.provider, connection=connection))


def filled(report: HealthReport) -> HealthReport:
    tasks.self_test(report.pk)
    report.refresh_from_db()
    return report


def outcomes(report: HealthReport) -> dict[str, str]:
    return {step["key"]: step["outcome"] for step in report.steps}


def secrets_of(garmin: RunningSandbox, connection: Connection) -> list[str]:
    tokens = [token for kept in vars(state(garmin)).values() if isinstance(kept, dict) for token in kept]
    long = [token for token in tokens if isinstance(token, str) and len(token) > 20]
    return [connection.user.email, ACCOUNT, connection.credential.sealed, *long]


def test_a_connection_that_works_passes_every_step(garmin: RunningSandbox, connection: Connection) -> None:
    report = run(connection)
    assert (report.kind, report.outcome, report.error_code) == ("self_test", "ok", "")
    steps = ["address", "circuit", "buckets", "reach", "vault", "login", "read", "webhooks"]
    assert list(outcomes(report)) == steps
    assert outcomes(report) == {**dict.fromkeys(steps, "ok"), "webhooks": "skipped"}
    assert all(step["seconds"] >= 0 for step in report.steps)
    assert report.seconds > 0


def test_a_provider_is_tested_without_anybodys_login(garmin: RunningSandbox, garmin_provider: Provider) -> None:
    report = filled(self_testing.begin(garmin_provider))
    assert list(outcomes(report)) == ["address", "circuit", "buckets", "reach", "webhooks"]
    assert report.outcome == "ok"


@pytest.mark.parametrize("mode", [ProviderMode.HOLD, ProviderMode.OFF])
def test_operations_test_before_they_enable(connection: Connection, mode: str) -> None:
    Provider.objects.filter(pk=connection.provider_id).update(mode=mode)
    connection.refresh_from_db()
    assert outcomes(run(connection))["read"] == "ok"


def test_it_runs_once_and_rings_for_a_worker(garmin: RunningSandbox, connection: Connection) -> None:
    taken("interactive")
    report = self_testing.begin(connection.provider, connection=connection)
    assert taken("interactive") == [("integrations.tasks.self_test", [report.pk])]
    filled(report)
    calls = len(garmin["garmin"].calls)
    filled(report)
    assert len(garmin["garmin"].calls) == calls


def test_what_is_wrong_is_named(garmin: RunningSandbox, connection: Connection, no_repeats: None) -> None:
    garmin["garmin"].set_fault(ACCOUNT, "500")
    report = run(connection)
    assert (report.outcome, report.error_code) == ("failed", "server")
    assert {name for name, outcome in outcomes(report).items() if outcome == "failed"} == {"read"}


def test_a_tripped_circuit_is_no_fault_of_the_provider(connection: Connection) -> None:
    gateways.trip(connection.provider, reason="asked by olga@example.org")
    report = run(connection)
    assert (report.outcome, report.error_code) == ("degraded", "circuit_open")
    assert outcomes(report)["reach"] == outcomes(report)["read"] == "degraded"
    assert "olga" not in self_testing.as_text(report)


def test_the_vault_without_its_key_is_told(connection: Connection) -> None:
    blob = connection.credential.sealed
    Credential.objects.update(sealed=blob[:-8] + ("A" * 8 if blob[-8:] != "A" * 8 else "B" * 8))
    report = run(connection)
    assert outcomes(report)["vault"] == "failed"
    assert report.error_code.startswith("vault")


@pytest.mark.parametrize(
    ("change", "step", "outcome", "code"),
    [
        ({"external_account_id": "999"}, "read", "failed", "other_account"),
        ({"status": "paused"}, "read", "skipped", ""),
    ],
)
def test_a_connection_that_is_not_as_it_was(
    connection: Connection, change: dict[str, str], step: str, outcome: str, code: str
) -> None:
    Connection.objects.filter(pk=connection.pk).update(**change)
    connection.refresh_from_db()
    found = next(each for each in run(connection).steps if each["key"] == step)
    assert (found["outcome"], found["code"]) == (outcome, code)


def test_without_a_login_there_is_nothing_to_open(connection: Connection) -> None:
    Credential.objects.all().delete()
    found = outcomes(run(connection))
    assert (found["vault"], found["login"], found["read"]) == ("failed", "failed", "failed")


def test_an_address_that_is_not_allowed_is_never_called(garmin: RunningSandbox, garmin_provider: Provider) -> None:
    garmin_provider.base_urls |= {"api": "https://127.0.0.1.example.org"}
    garmin_provider.save()
    report = filled(self_testing.begin(garmin_provider))
    assert (report.outcome, report.error_code) == ("failed", "address_refused")


def test_no_secret_is_in_a_report(garmin: RunningSandbox, connection: Connection) -> None:
    secrets = secrets_of(garmin, connection)
    assert len(secrets) > 3, "the canaries are really there"
    for fault in ("", "401", "html"):
        garmin["garmin"].set_fault(ACCOUNT, fault)
        report = run(connection)
        text = self_testing.as_text(report) + str(report.steps)
        assert str(connection.public_id) in text
        assert not [secret for secret in secrets if secret in text]


# The owner's own page


def check_page(connection: Connection) -> str:
    return reverse("integrations:check", args=[connection.public_id])


def test_the_owner_checks_and_sees_the_steps(client: Client, connection: Connection, coach: User) -> None:
    client.force_login(coach)
    answer = client.post(check_page(connection))
    assert (answer.status_code, answer.headers["Location"]) == (302, check_page(connection))
    waiting = client.get(check_page(connection)).content.decode()
    assert "every 1s" in waiting
    filled(HealthReport.objects.get())
    part = client.get(check_page(connection), headers={"HX-Request": "true"})
    assert part.status_code == 286, "nothing more to ask for"
    words = part.content.decode()
    assert "Everything works" in words
    assert "Reading the account" in words
    assert "<strong>The pace" not in words, "that is for operations"
    assert str(connection.public_id) in words


def test_the_owner_checks_once_a_minute(client: Client, connection: Connection, coach: User) -> None:
    client.force_login(coach)
    for _ in range(3):
        client.post(check_page(connection))
    assert HealthReport.objects.count() == 1
    HealthReport.objects.update(created_at=timezone.now() - timedelta(seconds=61))
    client.post(check_page(connection))
    assert HealthReport.objects.count() == 2


def test_a_provider_on_hold_is_not_called_for_its_users(client: Client, connection: Connection, coach: User) -> None:
    Provider.objects.filter(pk=connection.provider_id).update(mode=ProviderMode.HOLD, notice="Back at noon.")
    client.force_login(coach)
    answer = client.post(check_page(connection), follow=True)
    assert not HealthReport.objects.exists()
    assert "is not called at the moment" in answer.content.decode()


def test_nobody_checks_another_persons_connection(client: Client, connection: Connection, stranger: User) -> None:
    client.force_login(stranger)
    assert client.post(check_page(connection)).status_code == 404
    assert client.get(check_page(connection)).status_code == 404
    assert not HealthReport.objects.exists()


def test_a_check_that_never_ends_says_so(client: Client, connection: Connection, coach: User) -> None:
    HealthReport.objects.create(
        provider=connection.provider, connection=connection, kind="self_test", outcome="running"
    )
    HealthReport.objects.update(created_at=timezone.now() - timedelta(minutes=4))
    client.force_login(coach)
    words = client.get(check_page(connection)).content.decode()
    assert "did not finish" in words
    assert "every 1s" not in words
