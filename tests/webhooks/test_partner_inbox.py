"""What Garmin's partner programme sends: from its stand-in through our own door to the athlete's activities."""

import json
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from django.conf import settings
from django.test import Client
from django.utils import timezone
from pytest_django.live_server_helper import LiveServer

from accounts.models import AuditEntry, User
from coaching.models import Activity
from integrations import credentials, explanations
from integrations.client import client_for
from integrations.models import Connection, Credential, Provider, SyncStream
from integrations.providers.garmin_partner.tests.test_webhooks import CALLBACK, HOSTILE, SUMMARY
from integrations.sandbox import RunningSandbox, Sandbox
from integrations.services import confirming
from integrations.spec import Capability, Grant
from tests.sandboxes import point_at
from webhooks import endpoints
from webhooks.models import WebhookEndpoint, WebhookEvent
from webhooks.services import processing

pytestmark = pytest.mark.django_db(transaction=True)
SLUG, ADA, BEN = "garmin_partner", "athlete1@sandbox.example", "athlete2@sandbox.example"
ALL = ["ACTIVITY_EXPORT", "WORKOUT_IMPORT", "HISTORICAL_DATA_EXPORT"]
FAR = "2099-01-01T00:00Z"
TODAY = str(datetime.now(UTC).date())


@pytest.fixture
def provider(sandbox: RunningSandbox, transactional_db: None) -> Provider:
    row = Provider.objects.get(slug=SLUG)
    point_at(row, sandbox)
    return row


@pytest.fixture
def path(provider: Provider) -> str:
    endpoints.forget()
    return f"/webhooks/{SLUG}/{WebhookEndpoint.objects.create(provider=provider, name='garmin').token}/"


@pytest.fixture
def box(sandbox: RunningSandbox, path: str, live_server: LiveServer) -> Sandbox:
    found = sandbox[SLUG]
    found.listen(live_server.url + path)
    return found


@pytest.fixture
def connection(athlete: User, provider: Provider, sandbox: RunningSandbox) -> Connection:
    state: Any = sandbox[SLUG].state  # type: ignore[attr-defined]
    state.people[ADA]["permissions"] = [*ALL]
    made = Connection.objects.create(
        user=athlete, provider=provider, status="active", external_account_id=state.people[ADA]["user"], scopes=ALL
    )
    tokens = state.grant(ADA)
    secrets = {name: tokens[name] for name in ("access_token", "refresh_token")}
    credentials.store(made, Grant(secrets, timezone.now() + timedelta(days=1)), kind=Credential.Kind.OAUTH2)
    SyncStream.objects.create(connection=made, resource="activities", next_run_at=FAR)
    return made


def happen(box: Sandbox, what: str, account: str = ADA) -> None:
    """It happens there, is told here, and a worker comes by."""
    box.change(account, what, "", TODAY)
    arrive(box)


def arrive(box: Sandbox) -> None:
    assert box.last_told
    box.last_told.join(60)
    processing.process_due()


def post(path: str, body: Any, told: str = "20002-partner") -> int:
    headers = {"garmin-client-id": told}
    return Client().post(path, json.dumps(body), content_type="application/json", headers=headers).status_code


def states() -> list[str]:
    return list(WebhookEvent.objects.order_by("pk").values_list("status", flat=True))


def is_due(connection: Connection) -> bool:
    return connection.streams.get().next_run_at < timezone.now() + timedelta(hours=1)


def look(connection: Connection) -> Connection:
    """A worker settles the doubt, if there is one."""
    confirming.confirm(connection.pk)
    return Connection.objects.select_related("provider", "user").get(pk=connection.pk)


def actions() -> list[str]:
    return list(AuditEntry.objects.filter(action__startswith="connection.").values_list("action", flat=True))


# --- activities


def test_a_pushed_activity_is_there_without_any_call(box: Sandbox, connection: Connection) -> None:
    calls = len(box.calls)
    happen(box, "train")
    activity = Activity.objects.of(connection.user).get()
    assert activity.external_id == str(box.state.counters["activity"])  # type: ignore[attr-defined]
    assert states() == ["processed"]
    assert len(box.calls) == calls


def test_told_twice_it_is_one_event_and_one_activity(box: Sandbox, connection: Connection) -> None:
    happen(box, "train")
    happen(box, "again")
    assert [sent.said for sent in box.sent] == ["accepted", "duplicate", "duplicate"]
    assert states() == ["processed"]
    assert Activity.objects.of(connection.user).count() == 1


def test_a_later_version_replaces_the_earlier(box: Sandbox, connection: Connection) -> None:
    happen(box, "train")
    happen(box, "retitle")
    assert Activity.objects.of(connection.user).get().name.endswith(", renamed")


def test_one_body_about_everybody_reaches_whom_we_know(box: Sandbox, connection: Connection) -> None:
    happen(box, "batch")
    assert Activity.objects.of(connection.user).count() == 1
    assert [sent.status for sent in box.sent] == [200], "nobody learns whom we do not know"


def test_a_ping_has_the_stream_run_and_its_link_is_not_followed(box: Sandbox, connection: Connection) -> None:
    calls = len(box.calls)
    happen(box, "ping")
    assert not Activity.objects.exists()
    assert is_due(connection)
    assert len(box.calls) == calls
    read = [record for page in client_for(connection).activities(None) for record in page.records]
    assert read


def test_history_comes_once_it_is_asked_for(box: Sandbox, connection: Connection) -> None:
    credential = credentials.usable(connection)
    ours = client_for(connection)._adapter_class(client_for(connection)._door, credential.secrets, "test")
    ours.request_backfill(starts_on=date.today() - timedelta(days=60), ends_on=date.today() - timedelta(days=51))  # type: ignore[attr-defined]
    arrive(box)
    assert Activity.objects.of(connection.user).count() == 5


# --- who left, and who did not


def test_a_forged_deregistration_disconnects_nobody(box: Sandbox, connection: Connection) -> None:
    happen(box, "forge")
    connection.refresh_from_db()
    assert (connection.status, connection.doubted_at is not None) == ("active", True)
    after = look(connection)
    assert (after.status, after.doubted_at, after.scopes) == ("active", None, ALL)
    assert Credential.objects.filter(connection=connection).exists()
    assert "connection.end_refuted" in actions()


def test_who_left_at_garmin_is_asked_and_then_has_left(box: Sandbox, connection: Connection) -> None:
    happen(box, "revoke")
    assert Connection.objects.get(pk=connection.pk).status == "active", "a webhook alone ends nothing"
    assert look(connection).status == "needs_reauth"
    assert not Credential.objects.filter(connection=connection).exists()
    assert "connection.end_confirmed" in actions()


def test_an_outage_settles_no_doubt(box: Sandbox, connection: Connection) -> None:
    happen(box, "forge")
    box.set_fault(ADA, "503")
    after = look(connection)
    assert (after.status, after.doubted_at is not None) == ("active", True)


def test_a_permission_taken_back_counts_once_garmin_was_asked(box: Sandbox, connection: Connection) -> None:
    Connection.objects.filter(pk=connection.pk).update(delivers=True)
    before = Connection.objects.get(pk=connection.pk)
    happen(box, "permit")
    assert Connection.objects.get(pk=connection.pk).scopes == ALL
    after = look(connection)
    assert (after.status, after.scopes) == ("active", ["ACTIVITY_EXPORT", "HISTORICAL_DATA_EXPORT"])
    assert not after.can(Capability.WORKOUTS_WRITE)
    assert (before.receives_workouts, after.receives_workouts) == (True, False)
    assert after.can(Capability.ACTIVITIES_READ)
    noted = AuditEntry.objects.get(action="connection.permissions_changed")
    assert (noted.data["given"], noted.data["taken_back"]) == ([], ["WORKOUT_IMPORT"])
    told = explanations.of_connection(after)
    assert (told.what, told.tone) == ("Connected, but a permission is missing", "warn")
    assert "Import workouts" in told.why
    happen(box, "permit")
    again = look(connection)
    assert again.can(Capability.WORKOUTS_WRITE)
    assert explanations.of_connection(again).what == "Connected"


def test_a_forged_change_of_permissions_changes_nothing(path: str, connection: Connection) -> None:
    told = {"userPermissionsChange": [{"userId": connection.external_account_id, "permissions": []}]}
    assert post(path, told) == 200
    processing.process_due()
    assert look(connection).scopes == ALL
    assert not AuditEntry.objects.filter(action="connection.permissions_changed").exists()


# --- what is refused at the door


def test_a_hostile_link_is_answered_400_and_nothing_is_kept(path: str, connection: Connection) -> None:
    user = connection.external_account_id
    for link in HOSTILE:
        body = {"activities": [SUMMARY | {"userId": user}, {"userId": user, "callbackURL": link}]}
        assert post(path, body) == 400, link
    assert not WebhookEvent.objects.exists()
    assert not Activity.objects.exists()
    assert not is_due(connection)


def test_a_stranger_is_answered_401_and_nothing_is_kept(box: Sandbox, path: str, connection: Connection) -> None:
    happen(box, "stranger")
    assert [sent.status for sent in box.sent] == [401]
    assert post(path, {"activities": [{"userId": "x", "callbackURL": CALLBACK}]}, "another") == 401
    assert not WebhookEvent.objects.exists()


def test_a_batch_of_several_megabytes_is_taken_where_the_row_lets_it(path: str, connection: Connection) -> None:
    rows = [SUMMARY | {"userId": "unknown", "summaryId": str(n), "activityName": "x" * 3_000} for n in range(900)]
    assert post(path, {"activities": rows}) == 413
    WebhookEndpoint.objects.update(max_body_bytes=10 * 1024 * 1024)
    endpoints.forget()
    assert post(path, {"activities": rows}) == 200
    assert settings.DATA_UPLOAD_MAX_MEMORY_SIZE < 900 * 3_000
