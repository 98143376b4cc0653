"""The outbox: written with what happened, handed on at least once, in batches, by any number of workers."""

import os
import signal
import subprocess
import sys
import threading
from collections import Counter
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

import pytest
from django.db import connection as database
from django.db import transaction
from django.db.models.functions import Now

from accounts import audit
from accounts.models import AuditEntry, User
from integrations import bell, errors, event_types, events, tasks
from integrations.event_types import EventType, Kind
from integrations.models import DomainEvent
from integrations.services import reaping
from integrations.tracing import current_trace_id, trace
from tests.integrations.broker import taken

ROOT = Path(__file__).resolve().parents[2]
DYING_WORKER = """
import os, signal, sys, django
django.setup()
from accounts import audit
from integrations import event_types, events
event_types.register(event_types.EventType(sys.argv[1], "What a test makes up."))
events.subscribe(sys.argv[1], lambda event: audit.record("test.heard", event))
events.subscribe(sys.argv[1], lambda event: os.kill(os.getpid(), signal.SIGKILL))
events.dispatch_due()
"""

pytestmark = pytest.mark.django_db(transaction=True)

Status = DomainEvent.Status


@pytest.fixture
def kind(monkeypatch: pytest.MonkeyPatch) -> str:
    """A type of event that only this test hears of."""
    fields = {"score": Kind.NUMBER, "fails": Kind.FLAG, "breaks": Kind.FLAG}
    made = EventType(f"test.{uuid4().hex}", "What a test makes up.", optional=fields, version=3)
    monkeypatch.setitem(event_types._catalogue, made.name, made)
    return made.name


def publish_and_undo(kind: str, subject: User) -> None:
    with transaction.atomic():
        events.publish(kind, subject)
        transaction.set_rollback(True)


def for_another_process() -> dict[str, str]:
    """The environment of a worker on the test's database."""
    url = urlsplit(os.environ["DATABASE_URL"])._replace(path=f"/{database.settings_dict['NAME']}").geturl()
    return os.environ | {"DJANGO_SETTINGS_MODULE": "config.settings", "DATABASE_URL": url}


def make_due(event: DomainEvent) -> None:
    DomainEvent.objects.filter(pk=event.pk).update(next_attempt_at=Now())


def test_an_event_exists_only_when_what_happened_does(kind: str, coach: User) -> None:
    publish_and_undo(kind, coach)
    assert not DomainEvent.objects.filter(type=kind).exists()


def test_every_handler_hears_an_event_once_with_its_payload_and_its_trace(kind: str, coach: User) -> None:
    heard: list[tuple[str, object, str]] = []
    events.subscribe(kind, lambda event: heard.append(("first", event.payload, current_trace_id())))
    events.subscribe(kind, lambda event: heard.append(("second", event.subject_id, current_trace_id())))
    with trace() as trace_id:
        event = events.publish(kind, coach, score=1)
    assert events.dispatch_due() == 1
    assert events.dispatch_due() == 0
    assert heard == [("first", {"score": 1}, trace_id), ("second", str(coach.pk), trace_id)]
    event.refresh_from_db()
    assert (event.status, event.lease_token, event.attempts) == (Status.DONE, None, 1)
    assert event.done_at is not None


def test_an_event_nobody_waits_for_is_done(kind: str, coach: User) -> None:
    event = events.publish(kind, coach)
    events.dispatch_due()
    event.refresh_from_db()
    assert event.status == Status.DONE


def test_a_failing_handler_undoes_its_event_alone_and_gets_it_again_later(kind: str, coach: User) -> None:
    def fail(event: DomainEvent) -> None:
        User.objects.filter(pk=coach.pk).update(display_name="half done")
        if event.payload["fails"]:
            raise errors.DataError("no", code="no_good")

    events.subscribe(kind, fail)
    bad = events.publish(kind, coach, fails=True)
    good = events.publish(kind, coach, fails=False)
    User.objects.filter(pk=coach.pk).update(display_name="Carla")
    DomainEvent.objects.filter(pk=good.pk).update(next_attempt_at=Now() + timedelta(hours=1))
    events.dispatch_due()
    coach.refresh_from_db()
    assert coach.display_name == "Carla"
    bad.refresh_from_db()
    assert (bad.status, bad.error_code, bad.lease_token) == (Status.PENDING, "no_good", None)
    make_due(good)
    events.dispatch_due()
    good.refresh_from_db()
    assert good.status == Status.DONE


def test_a_handler_that_breaks_the_database_does_not_take_others_along(kind: str, coach: User) -> None:
    def break_it(event: DomainEvent) -> None:
        if event.payload["breaks"]:
            with database.cursor() as cursor:
                cursor.execute("SELECT 1 / 0")

    events.subscribe(kind, break_it)
    for breaks in (True, False, True):
        events.publish(kind, coach, breaks=breaks)
    assert events.dispatch_due() == 3
    states = DomainEvent.objects.filter(type=kind).order_by("pk").values_list("status", flat=True)
    assert list(states) == [Status.PENDING, Status.DONE, Status.PENDING]


def test_delays_double_up_to_an_hour_with_a_spread() -> None:
    for attempt, middle in [(1, 1), (2, 2), (3, 4), (10, 512), (13, 3600), (19, 3600)]:
        delays = {events.retry_delay(attempt).total_seconds() for _ in range(50)}
        assert all(0.8 * middle <= delay <= 1.2 * middle for delay in delays)
        assert len(delays) > 10


def test_the_twentieth_failure_is_the_last(kind: str, coach: User) -> None:
    def fail(event: DomainEvent) -> None:
        raise KeyError("canary-detail")

    events.subscribe(kind, fail)
    event = events.publish(kind, coach)
    for attempt in range(1, events.MOST_ATTEMPTS + 1):
        event.refresh_from_db()
        assert event.status == Status.PENDING
        make_due(event)
        assert events.dispatch_due() == 1, attempt
    event.refresh_from_db()
    assert (event.status, event.error_code, event.attempts) == (Status.DEAD, "KeyError", events.MOST_ATTEMPTS)
    assert "canary" not in event.error_detail
    make_due(event)
    assert events.dispatch_due() == 0


def test_many_workers_hand_each_event_on_once(kind: str, coach: User) -> None:
    counted: Counter[str] = Counter()
    lock = threading.Lock()

    def count(event: DomainEvent) -> None:
        with lock:
            counted[str(event.event_id)] += 1

    events.subscribe(kind, count)
    published = [events.publish(kind, coach) for _ in range(120)]
    start = threading.Barrier(6)

    def work() -> None:
        start.wait()
        while events.dispatch_due(size=7):
            pass
        database.close()

    workers = [threading.Thread(target=work) for _ in range(6)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert counted == {str(event.event_id): 1 for event in published}
    assert not DomainEvent.objects.exclude(status=Status.DONE).exists()


def test_a_batch_goes_round_what_somebody_else_is_taking(kind: str, coach: User) -> None:
    held, free = events.publish(kind, coach), events.publish(kind, coach)
    taken_up, finished = threading.Event(), threading.Event()

    def hold() -> None:
        with transaction.atomic():
            DomainEvent.objects.select_for_update().get(pk=held.pk)
            taken_up.set()
            finished.wait(60)
        database.close()

    holder = threading.Thread(target=hold)
    holder.start()
    taken_up.wait(60)
    try:
        assert [event.pk for event in DomainEvent.objects.claim_batch(10)] == [free.pk]
    finally:
        finished.set()
        holder.join()


def test_an_event_whose_worker_died_comes_back_and_the_late_worker_changes_nothing(kind: str, coach: User) -> None:
    heard: list[int] = []

    def lose_the_lease(event: DomainEvent) -> None:
        heard.append(event.attempts)
        User.objects.filter(pk=coach.pk).update(display_name=f"attempt {event.attempts}")
        if event.attempts == 1:
            DomainEvent.objects.filter(pk=event.pk).update(lease_token=uuid4())

    events.subscribe(kind, lose_the_lease)
    event = events.publish(kind, coach)
    events.dispatch_due()
    coach.refresh_from_db()
    assert coach.display_name == "Carla Coach"  # undone with the lost lease
    assert reaping.reap() == 0  # the lease of the other worker still runs
    DomainEvent.objects.filter(pk=event.pk).update(lease_until=Now() - timedelta(seconds=1))
    assert reaping.reap() == 1
    event.refresh_from_db()
    assert (event.status, event.error_code) == (Status.PENDING, "worker_lost")
    make_due(event)
    events.dispatch_due()
    event.refresh_from_db()
    assert event.status == Status.DONE
    assert heard == [1, 2]


def test_a_worker_killed_between_handler_and_settlement_leaves_the_effect_to_the_next_one(
    kind: str, coach: User
) -> None:
    heard: list[AuditEntry] = []
    event = events.publish(kind, coach)
    with pytest.raises(subprocess.CalledProcessError) as killed:
        subprocess.run([sys.executable, "-c", DYING_WORKER, kind], env=for_another_process(), cwd=ROOT, check=True)
    assert killed.value.returncode == -signal.SIGKILL
    event.refresh_from_db()
    assert (event.status, event.attempts) == (Status.WORKING, 1)
    assert not AuditEntry.objects.filter(action="test.heard").exists(), "undone with its transaction"
    events.subscribe(kind, lambda event: heard.append(audit.record("test.heard", event)))
    assert events.dispatch_due() == 0  # nobody takes it while the lease runs
    DomainEvent.objects.filter(pk=event.pk).update(lease_until=Now() - timedelta(seconds=1))
    reaping.reap()
    make_due(event)
    assert events.dispatch_due() == 1
    event.refresh_from_db()
    assert (event.status, event.attempts) == (Status.DONE, 2)
    assert AuditEntry.objects.filter(action="test.heard").count() == len(heard) == 1


def test_a_worker_killed_twenty_times_over_one_event_buries_it(kind: str, coach: User) -> None:
    event = events.publish(kind, coach)
    lapsed = {"status": Status.WORKING, "lease_token": uuid4(), "lease_until": Now() - timedelta(seconds=1)}
    DomainEvent.objects.filter(pk=event.pk).update(attempts=events.MOST_ATTEMPTS, **lapsed)
    reaping.reap()
    event.refresh_from_db()
    assert (event.status, event.error_code) == (Status.DEAD, "worker_lost")


def test_a_transaction_rings_the_bell_once_and_an_undone_one_not_at_all(kind: str, coach: User) -> None:
    with transaction.atomic():
        for _ in range(5):
            events.publish(kind, coach)
        assert len(database.run_on_commit) == 1
    with transaction.atomic():
        publish_and_undo(kind, coach)
        assert not database.run_on_commit
        events.publish(kind, coach)
        assert len(database.run_on_commit) == 1


def test_the_bell_reaches_the_queue_after_the_commit(kind: str, coach: User) -> None:
    taken("housekeeping")
    with transaction.atomic():
        events.publish(kind, coach)
        assert taken("housekeeping") == []
    assert taken("housekeeping") == [("integrations.tasks.dispatch_events", [])]


@pytest.mark.parametrize(
    ("named", "task"),
    [
        (bell.RUN_SYNC, tasks.run_sync),
        (bell.DISPATCH_EVENTS, tasks.dispatch_events),
        (bell.ROTATE_KEYS, tasks.rotate_keys),
    ],
)
def test_a_task_known_by_name_is_what_its_module_defines(named: bell.Named, task: object) -> None:
    assert named.name == task.name  # type: ignore[attr-defined]


def test_a_full_batch_rings_for_the_next(kind: str, coach: User) -> None:
    for _ in range(events.BATCH + 1):
        events.publish(kind, coach)
    taken("housekeeping")
    tasks.dispatch_events()
    assert taken("housekeeping") == [("integrations.tasks.dispatch_events", [])]
    tasks.dispatch_events()
    assert taken("housekeeping") == []
    assert DomainEvent.objects.filter(status=Status.DONE).count() == events.BATCH + 1


def test_the_backlog_tells_what_waits_what_is_dead_and_for_how_long(kind: str, coach: User) -> None:
    assert events.backlog() == events.Backlog(pending=0, dead=0, oldest_s=0)
    fresh, old, at_work, dead, done = [events.publish(kind, coach) for _ in range(5)]
    lease = {"lease_token": uuid4(), "lease_until": Now() + timedelta(minutes=1)}
    rows = DomainEvent.objects
    rows.filter(pk__in=[old.pk, dead.pk, done.pk]).update(created_at=Now() - timedelta(minutes=20))
    rows.filter(pk=at_work.pk).update(status=Status.WORKING, created_at=Now() - timedelta(minutes=4), **lease)
    rows.filter(pk=dead.pk).update(status=Status.DEAD)
    rows.filter(pk=done.pk).update(status=Status.DONE, done_at=Now())
    found = events.backlog()
    assert (found.pending, found.dead) == (3, 1)
    assert 1200 <= found.oldest_s < 1210
    assert found.is_late
    rows.filter(pk=old.pk).update(replays=1, next_attempt_at=Now())  # its second life has only begun
    found = events.backlog()
    assert 240 <= found.oldest_s < 250
    assert not found.is_late
    assert found.needs_attention
    rows.filter(pk=dead.pk).delete()
    assert not events.backlog().needs_attention
    assert fresh.pk
