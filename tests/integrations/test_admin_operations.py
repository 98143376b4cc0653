"""What each button of operations' pages does: with a reason, once, and on record."""

from datetime import timedelta

from django.test import Client
from django.utils import timezone

from accounts.models import AuditEntry, User
from integrations.models import (
    Connection,
    Credential,
    DomainEvent,
    LoginCooldown,
    Provider,
    SyncJob,
    SyncStream,
)
from tests.integrations.admin_pages import lists, page, run, staff


def test_an_operation_wants_a_reason_and_leaves_an_entry(ops: Client, operator: User, connection: Connection) -> None:
    refused = run(ops, "pause", connection, reason="x")
    assert refused.status_code == 200
    assert "at least 5 characters" in refused.content.decode()
    connection.refresh_from_db()
    assert connection.status == Connection.Status.ACTIVE
    run(ops, "pause", connection, reason="Garmin asked us to")
    connection.refresh_from_db()
    assert connection.status == Connection.Status.PAUSED
    entry = AuditEntry.objects.get(action="connection.pause")
    assert (entry.actor, entry.data["reason"], entry.level) == (operator, "Garmin asked us to", "security")


def test_an_operation_is_safe_to_repeat(ops: Client, connection: Connection) -> None:
    for _ in range(2):
        run(ops, "disconnect", connection)
    connection.refresh_from_db()
    assert connection.status == Connection.Status.DISCONNECTED
    assert not Credential.objects.exists()
    assert AuditEntry.objects.filter(action="connection.disconnect").count() == 1
    assert "did not need it" in run(ops, "disconnect", connection).content.decode()


def test_looking_changes_nothing(ops: Client, connection: Connection) -> None:
    asked = {"action": "disconnect", "_selected_action": str(connection.pk), "confirmed": "1", "reason": "by a link"}
    ops.get(lists(connection), asked)
    connection.refresh_from_db()
    assert connection.status == Connection.Status.ACTIVE


def test_operations_need_the_forms_token(operator: User, connection: Connection) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(operator)
    answer = client.post(lists(connection), {"action": "pause", "_selected_action": [connection.pk], "confirmed": "1",
                                             "reason": "from elsewhere"})  # fmt: skip
    assert answer.status_code == 403


def test_asking_for_a_new_login_stops_the_connection(ops: Client, connection: Connection) -> None:
    run(ops, "ask_for_login", connection)
    connection.refresh_from_db()
    assert (connection.status, connection.status_reason) == ("needs_reauth", "by_operations")
    assert DomainEvent.objects.filter(type="connection.needs_reauth").exists()


def test_runs_are_asked_for_cancelled_and_released(ops: Client, stream: SyncStream) -> None:
    run(ops, "run_now", stream)
    run(ops, "sync_now", stream.connection)
    job = SyncJob.objects.get()
    assert job.trigger == SyncJob.Trigger.MANUAL
    SyncJob.objects.update(status="running", lease_token="1" * 32, lease_until=timezone.now() - timedelta(minutes=5))
    run(ops, "release", job)
    job.refresh_from_db()
    assert (job.status, job.lease_token) == ("queued", None)
    run(ops, "cancel", job)
    job.refresh_from_db()
    assert job.status == "cancelled"


def test_a_held_deletion_is_approved(ops: Client, stream: SyncStream) -> None:
    SyncStream.objects.update(sweep_held_generation=3, sweep_held_n=25)
    run(ops, "approve_sweep", stream)
    stream.refresh_from_db()
    assert stream.sweep_approved_n == 25


def test_a_stream_is_stopped_and_started(ops: Client, stream: SyncStream) -> None:
    run(ops, "stop", stream)
    assert not SyncStream.objects.get().enabled
    run(ops, "start", stream)
    assert SyncStream.objects.get().enabled


def test_a_cool_down_is_lifted(ops: Client, garmin_provider: Provider) -> None:
    until = timezone.now() + timedelta(hours=8)
    cooldown = LoginCooldown.objects.create(provider=garmin_provider, account_key="k" * 64, until=until, blocks=3)
    run(ops, "lift", cooldown)
    cooldown.refresh_from_db()
    assert cooldown.until is not None
    assert cooldown.until <= timezone.now()
    assert cooldown.blocks == 3, "the next block waits longer all the same"


def test_people_are_deactivated_but_not_oneself_nor_a_superior(ops: Client, operator: User, athlete: User) -> None:
    run(ops, "deactivate", athlete, operator)
    athlete.refresh_from_db()
    operator.refresh_from_db()
    assert (athlete.is_active, operator.is_active) == (False, True)
    run(staff("view_user", "change_user"), "deactivate", operator)
    operator.refresh_from_db()
    assert operator.is_active
    run(ops, "activate", athlete)
    athlete.refresh_from_db()
    assert athlete.is_active


def test_only_a_superuser_makes_staff(athlete: User) -> None:
    promoter = staff("view_user", "change_user")
    assert promoter.post(page(athlete), {"is_staff": "on", "is_superuser": "on"}).status_code == 403
    athlete.refresh_from_db()
    assert not athlete.is_staff


def test_a_renewal_is_asked_of_a_worker(ops: Client, connection: Connection) -> None:
    run(ops, "renew", Credential.objects.get())
    assert AuditEntry.objects.filter(action="credential.renew").exists()
