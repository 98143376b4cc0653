"""What is old goes by its rule, and nothing else does."""

import os
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.contrib.sessions.models import Session
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import InternalError, ProgrammingError, connection, transaction
from django.db.models import Model
from django.utils import timezone

from accounts import audit, retention
from accounts.models import AuditEntry, KeptAnswer, User
from accounts.retention import Rule
from coaching.models import ActivityDetail, Invitation, Notification, Upload
from integrations.models import Connection, ConnectSession, DomainEvent, Provider, SyncJob, SyncStream
from tests.coaching.activity_world import stored

pytestmark = pytest.mark.django_db
KINDS = dict.fromkeys(rule.what for rule in retention.rules() if rule.tidy)


def days_ago(days: float) -> datetime:
    return timezone.now() - timedelta(days=days)


def tidied(what: str) -> int:
    """One batch of one rule."""
    rule = next(rule for rule in retention.rules() if rule.what == what)
    assert rule.tidy is not None
    return rule.tidy()


def left(*rows: Model) -> list[bool]:
    return [type(row)._default_manager.filter(pk=row.pk).exists() for row in rows]


def answer(user: User, key: str, at: datetime) -> KeptAnswer:
    return KeptAnswer.objects.create(user=user, key=key, request_hash="0" * 64, status=200, created_at=at)


def test_answers_for_scripts_go_after_a_day(athlete: User) -> None:
    old, new = answer(athlete, "old", days_ago(1.01)), answer(athlete, "new", days_ago(0.99))
    assert tidied("Answers kept for scripts") == 1
    assert left(old, new) == [False, True]


def test_sessions_go_when_they_lapse() -> None:
    for key, ends in (("old", days_ago(0.01)), ("new", days_ago(-0.01))):
        Session.objects.create(session_key=key, session_data="", expire_date=ends)
    assert tidied("Sessions") == 1
    assert Session.objects.get().session_key == "new"


def notice(athlete: User, status: str, at: datetime) -> Notification:
    event = DomainEvent.objects.create(type="workout.shared", payload={})
    made = Notification.objects.create(event=event, recipient=athlete, channel="email", template="x", status=status)
    Notification.objects.filter(pk=made.pk).update(created_at=at)
    return made


def test_notices_go_after_half_a_year_unless_they_still_wait(athlete: User) -> None:
    old, failed = notice(athlete, "sent", days_ago(181)), notice(athlete, "failed", days_ago(181))
    waiting, new = notice(athlete, "pending", days_ago(181)), notice(athlete, "sent", days_ago(179))
    assert tidied("Notices") == 2
    assert left(old, failed, waiting, new) == [False, False, True, True]


def invitation(coach: User, number: int, **fields: Any) -> Invitation:
    made = Invitation.objects.create(
        coach=coach, email=f"guest{number}@example.org", token_hash=f"{number:064}", expires_at=days_ago(-9999)
    )
    Invitation.objects.filter(pk=made.pk).update(**{"created_at": days_ago(401), **fields})
    return made


def test_invitations_that_are_over_go_and_reported_ones_stay(coach: User) -> None:
    past = days_ago(390)
    over = [
        invitation(coach, number, **{field: past})
        for number, field in enumerate(("accepted_at", "declined_at", "revoked_at", "expires_at"))
    ]
    kept = [
        invitation(coach, 10),
        invitation(coach, 11, declined_at=past, reported_at=past),
        invitation(coach, 12, declined_at=past, created_at=days_ago(399)),
    ]
    assert tidied("Invitations, closed") == 4
    assert left(*over, *kept) == [False] * 4 + [True] * 3


def test_what_came_of_uploads_goes_after_a_month_and_the_activities_stay(athlete: User) -> None:
    states = (("done", days_ago(30.1)), ("refused", days_ago(29.9)), ("received", None))
    old, new, waiting = (
        Upload.objects.create(
            athlete=athlete, name="run.fit", sha256=f"{number:064}", bytes_n=1, status=status, finished_at=ended
        )
        for number, (status, ended) in enumerate(states)
    )
    done = stored(athlete, "1")
    assert tidied("Uploads, read or refused") == 1
    assert left(old, new, waiting, done) == [False, True, True, True]


def test_files_that_no_row_names_go() -> None:
    path = Path(default_storage.path(default_storage.save(f"uploads/{timezone.now():%Y/%m}/left", ContentFile(b"x"))))
    assert tidied("Files that no row names") == 0
    os.utime(path, (0, 0))
    assert tidied("Files that no row names") == 1
    assert not path.exists()


def test_details_go_when_the_providers_time_is_up(athlete: User) -> None:
    old, new, own = (
        ActivityDetail.objects.create(activity=stored(athlete, f"{number}"), expires_at=ends)
        for number, ends in enumerate((days_ago(0.01), days_ago(-0.01), None))
    )
    assert tidied("Details of activities") == 1
    assert left(old, new, own) == [False, True, True]


@pytest.fixture
def stream(athlete: User, garmin_provider: Provider) -> SyncStream:
    connected = Connection.objects.create(
        user=athlete, provider=garmin_provider, status="active", external_account_id="7"
    )
    return SyncStream.objects.create(connection=connected, resource="workouts")


def run_of(stream: SyncStream, ended: datetime) -> SyncJob:
    return SyncJob.objects.create(stream=stream, trigger="schedule", status="succeeded", finished_at=ended)


def test_runs_go_after_ninety_days_but_the_newest_of_a_stream_stays(stream: SyncStream) -> None:
    old, new = run_of(stream, days_ago(91)), run_of(stream, days_ago(89))
    assert tidied("Sync runs") == 1
    assert left(old, new) == [False, True]
    SyncJob.objects.update(finished_at=days_ago(365))
    assert tidied("Sync runs") == 0


def login(athlete: User, provider: Provider, number: int, *, ended: float, is_open: bool = False) -> ConnectSession:
    made = ConnectSession.objects.create(
        user=athlete,
        provider=provider,
        kind="password",
        state_hash=f"{number:064}",
        expires_at=days_ago(-1),
        status="queued" if is_open else "done",
        consumed_at=None if is_open else days_ago(ended),
    )
    ConnectSession.objects.filter(pk=made.pk).update(created_at=days_ago(ended + 1), expires_at=days_ago(ended))
    return made


def test_finished_logins_go_a_month_after_they_ended(athlete: User, garmin_provider: Provider) -> None:
    old = login(athlete, garmin_provider, 1, ended=31)
    new = login(athlete, garmin_provider, 2, ended=29)
    unused = login(athlete, garmin_provider, 3, ended=31, is_open=True)
    assert tidied("Logins at providers, finished") == 1
    assert left(old, new, unused) == [False, True, True]


def entry(action: str, level: str, days: float) -> AuditEntry:
    """Its time is set as the row is written: afterwards nobody may."""
    AuditEntry.objects.bulk_create([AuditEntry(action=action, level=level)])
    made = AuditEntry.objects.get(action=action)
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")  # no triggers: only the database's owner may
        cursor.execute("UPDATE accounts_auditentry SET at = %s WHERE id = %s", [days_ago(days), made.pk])
        cursor.execute("SET LOCAL session_replication_role = origin")
    return made


def test_the_audit_log_keeps_chatter_for_days_and_the_rest_for_a_year() -> None:
    level = AuditEntry.Level
    rows = [
        entry("old.chatter", level.CHATTER, 15.1),
        entry("new.chatter", level.CHATTER, 14.9),
        entry("old.security", level.SECURITY, 400.1),
        entry("new.security", level.SECURITY, 399.9),
    ]
    assert tidied("Audit log, chatter") == 2
    assert left(*rows) == [False, True, False, True]


def test_nobody_else_deletes_from_the_audit_log(athlete: User) -> None:
    audit.record("some.thing", athlete, level=AuditEntry.Level.CHATTER)
    with pytest.raises((InternalError, ProgrammingError)), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("DELETE FROM accounts_auditentry")
    assert AuditEntry.objects.filter(action="some.thing").exists()


def test_a_round_goes_through_all_rules_batch_by_batch(athlete: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "BATCH", 2)
    for number in range(5):
        answer(athlete, f"old{number}", days_ago(2))
    new = answer(athlete, "new", days_ago(0))
    notice(athlete, "sent", days_ago(181))
    assert retention.tidy() == 6
    assert KeptAnswer.objects.get() == new
    assert not Notification.objects.exists()


def test_a_round_ends_when_its_time_is_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """A rule that always finds more is asked no more once the minute is over."""
    asked = 0

    def find_one() -> int:
        nonlocal asked
        asked += 1
        assert asked < 10_000_000
        return 1

    monkeypatch.setattr(retention, "_rules", [Rule("endless", "for ever", find_one)])
    monkeypatch.setattr(retention, "BUDGET_S", 0.01)
    assert retention.tidy() == asked > 0


def test_every_rule_that_deletes_is_tried_here() -> None:
    assert set(KINDS) == {
        "Answers kept for scripts", "Sessions", "Audit log, chatter", "Notices", "Invitations, closed",
        "Details of activities", "Uploads, read or refused", "Files that no row names", "Sync runs",
        "Logins at providers, finished",
    }  # fmt: skip
