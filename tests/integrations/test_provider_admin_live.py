"""A provider's page in the admin: it shows the circuit as it is, and its buttons work in every process."""

import subprocess
import sys
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth.models import Permission
from django.db import connection as database
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts.models import AuditEntry, User
from integrations import errors, gateways, tasks
from integrations.client import client_for
from integrations.models import Connection, HealthReport, Provider
from integrations.sandbox import RunningSandbox
from tests.conftest import make_user
from tests.integrations.library import ACCOUNT, connect

pytestmark = pytest.mark.django_db(transaction=True)
HTMX = {"HX-Request": "true"}


@pytest.fixture
def connection(garmin: RunningSandbox, coach: User) -> Connection:
    found: Connection = connect(garmin, coach).connection
    return found


def live(client: Client, provider: Provider) -> str:
    answer = client.get(reverse("admin:integrations_provider_live", args=[provider.pk]), headers=HTMX)
    assert answer.status_code == 200
    return answer.content.decode()


def press(client: Client, operation: str, row: Any, reason: str = "they have an outage") -> Any:
    model = row._meta.model_name
    chosen = {"action": operation, "_selected_action": [row.pk], "from_page": "1"}
    where = reverse(f"admin:integrations_{model}_changelist")
    assert client.post(where, chosen).status_code == 200, "a confirm page comes first"
    return client.post(where, {**chosen, "confirmed": "1", "reason": reason}, follow=True)


ANOTHER_PROCESS = """
import sys, time
import django
django.setup()
from integrations import errors, gateways
from integrations.models import Provider
from integrations.resilience import state
state.TIMEOUT_S = 30.0
provider = Provider.objects.get(slug="garmin")
gateway = gateways.gateway_for(provider)
def call():
    try:
        gateway.request("HEAD", "/", operation="probe")
    except errors.CircuitOpenError:
        return "refused"
    except errors.IntegrationError:
        pass
    return "asked"
print(call(), flush=True)
sys.stdin.readline()
start, answer = time.monotonic(), ""
while time.monotonic() - start < 60 and answer != "refused":
    answer = call()
    time.sleep(0.02)
print(answer, time.monotonic() - start, flush=True)
"""


def test_a_trip_refuses_calls_of_another_process_within_a_second(
    ops: Client, garmin: RunningSandbox, garmin_provider: Provider
) -> None:
    name = str(settings.DATABASES["default"]["NAME"])
    script = f"from django.conf import settings\nsettings.DATABASES['default']['NAME'] = {name!r}\n"
    script += f"settings.REDIS_URL = {settings.REDIS_URL!r}\n{ANOTHER_PROCESS}"
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen([sys.executable, "-c", script], cwd=settings.BASE_DIR, **pipes) as other:  # type: ignore[call-overload]
        assert other.stdout.readline().strip() == "asked"
        press(ops, "trip", garmin_provider)
        told, _ = other.communicate("now\n", timeout=60)
    answer, took_s = told.split()
    assert answer == "refused"
    assert float(took_s) < 12, "the block of tokens it held has lapsed by then; ten times that, for busy machines"


def test_trip_and_reset_by_the_page_are_audited_and_shown(ops: Client, garmin_provider: Provider) -> None:
    assert "Closed" in live(ops, garmin_provider)
    press(ops, "trip", garmin_provider, reason="they have an outage <b>")
    page = live(ops, garmin_provider)
    assert "Tripped by hand" in page
    assert "they have an outage &lt;b&gt;" in page
    assert "did not need it" in press(ops, "trip", garmin_provider).content.decode()
    press(ops, "reset", garmin_provider)
    assert "Tripped by hand" not in live(ops, garmin_provider)
    press(ops, "trip_logins", garmin_provider)
    standing = gateways.standing(garmin_provider)
    assert (standing.circuit.state, standing.login.state) == ("CLOSED", "OPEN")
    press(ops, "reset_logins", garmin_provider)
    assert gateways.standing(garmin_provider).login.state == "CLOSED"
    done = AuditEntry.objects.filter(object_type="integrations.provider").order_by("pk")
    names = ["trip", "reset", "trip_logins", "reset_logins"]
    assert list(done.values_list("action", flat=True)) == [f"provider.{name}" for name in names]


def test_failures_open_the_circuit_and_the_page_says_until_when(
    ops: Client, connection: Connection, garmin: RunningSandbox, no_repeats: None
) -> None:
    garmin["garmin"].set_fault(ACCOUNT, "500")
    for _ in range(12):
        with pytest.raises(errors.IntegrationError):
            client_for(connection).account()
    page = live(ops, connection.provider)
    assert "Nothing goes out after failures (server) until" in page
    home = ops.get(reverse("admin:index")).content.decode()
    assert "Calls: open. Logins: closed." in home
    assert "degraded" in home
    press(ops, "reset", connection.provider)
    garmin["garmin"].set_fault(ACCOUNT, "")
    assert client_for(connection).account()
    assert "Calls go out." in live(ops, connection.provider)


def test_a_self_test_is_started_from_both_pages_and_read_there(ops: Client, connection: Connection) -> None:
    for row in (connection.provider, connection):
        page = press(ops, "self_test", row).content.decode()
        report = HealthReport.objects.first()
        assert report is not None
        address = reverse("admin:integrations_healthreport_live", args=[report.pk])
        assert f'hx-get="{address}"' in page, "it moves by itself"
        tasks.self_test(report.pk)
        part = ops.get(address, headers=HTMX).content.decode()
        assert "hx-get" not in part, "it stands still"
        assert "Works" in part
        assert f'data-copy="report-{report.pk}-text"' in part
        assert connection.user.email not in part
    assert HealthReport.objects.filter(connection=connection).count() == 1


def test_a_report_can_be_read_and_not_changed(ops: Client, connection: Connection) -> None:
    press(ops, "self_test", connection)
    report = HealthReport.objects.get()
    tasks.self_test(report.pk)
    address = reverse("admin:integrations_healthreport_change", args=[report.pk])
    assert "Reading the account" in ops.get(address).content.decode()
    assert ops.post(address, {"outcome": "failed"}).status_code == 403


def test_only_who_may_see_providers_sees_how_they_stand(client: Client, garmin_provider: Provider) -> None:
    helper = make_user("helper@example.org", "Hal Helper", is_staff=True)
    client.force_login(helper)
    address = reverse("admin:integrations_provider_live", args=[garmin_provider.pk])
    assert client.get(address).status_code == 403
    helper.user_permissions.add(Permission.objects.get(codename="view_provider"))
    assert client.get(address).status_code == 200
    press_ = {"action": "trip", "_selected_action": [garmin_provider.pk], "confirmed": "1", "reason": "because I can"}
    client.post(reverse("admin:integrations_provider_changelist"), press_)
    assert gateways.standing(garmin_provider).circuit.state == "CLOSED"


def test_nobody_outside_operations_sees_it(client: Client, coach: User, garmin_provider: Provider) -> None:
    client.force_login(coach)
    answer = client.get(reverse("admin:integrations_provider_live", args=[garmin_provider.pk]))
    assert answer.status_code in {302, 403}
    assert "Closed" not in answer.content.decode()


def test_the_live_part_is_cheap(ops: Client, garmin_provider: Provider) -> None:
    live(ops, garmin_provider)
    with CaptureQueriesContext(database) as queries:
        live(ops, garmin_provider)
    assert len(queries) <= 8
