"""After lost answers and dead workers: always one workout and one calendar entry, and nothing of others is touched."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

import psycopg
import pytest
from django.db import connection as database
from django.utils import timezone

from coaching.models import CoachingLink, Delivery, DeliveryStatus
from coaching.services import inviting, reconciling, sending, sharing
from integrations.models import Connection, DomainEvent
from integrations.records import MARKER
from tests.coaching.conftest import FAST
from tests.coaching.world import CREATE, HELD, SCHEDULE, Account, accepted, due_now, easy_run, run
from tests.patience import until

pytestmark = pytest.mark.django_db(transaction=True)
Status = DeliveryStatus
ROOT = Path(__file__).resolve().parents[2]
WORKER = "import django, sys; django.setup(); from coaching.services import sending; sending.deliver(int(sys.argv[1]))"
ROUNDS = [pytest.param(2, id="short"), pytest.param(20, id="long", marks=pytest.mark.soak)]


def settle(delivery: Delivery) -> Delivery:
    """What the tick does, until the delivery rests; the waits are scaled down."""

    def rests() -> bool:
        reconciling.sweep()
        sending.deliver(delivery.pk)
        delivery.refresh_from_db()
        return delivery.status not in (Status.PENDING, Status.SENDING, Status.UNCERTAIN)

    until(rests, words=lambda: f"{delivery.status}: {delivery.error_code}")
    return delivery


def database_url() -> str:
    """The test run's own, for another process."""
    return urlsplit(os.environ["DATABASE_URL"])._replace(path=f"/{database.settings_dict['NAME']}").geturl()


class Worker:
    """A process of its own that runs one delivery's task; it is killed while it waits to write what it was told."""

    def __init__(self, delivery: Delivery) -> None:
        environment = os.environ | {
            "DATABASE_URL": database_url(), "TIME_SCALE": str(FAST), "DJANGO_SETTINGS_MODULE": "config.settings",
        }  # fmt: skip
        self.delivery = delivery
        self.row = psycopg.connect(database_url())
        self.process = subprocess.Popen([sys.executable, "-c", WORKER, str(delivery.pk)], cwd=ROOT, env=environment)

    def hold_row(self) -> None:
        """From now on the worker's next write waits."""
        self.row.execute("SELECT 1 FROM coaching_delivery WHERE id = %s FOR UPDATE", [self.delivery.pk])

    def kill_when_it_waits(self) -> None:
        try:
            until(self._waits)
        finally:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()
            self._held_up("SELECT pg_terminate_backend(pid, 5000)")  # the server would finish a dead client's wish
            self.row.close()

    def _waits(self) -> bool:
        assert self.process.poll() is None, "the worker ended before it could be killed"
        return bool(self._held_up("SELECT pid"))

    def _held_up(self, select: str) -> list[tuple[object, ...]]:
        """Asked of the sessions that wait for our row, and of no other test's."""
        blocked = f"{select} FROM pg_stat_activity WHERE %s = ANY(pg_blocking_pids(pid))"
        with database.cursor() as cursor:
            cursor.execute(blocked, [self.row.info.backend_pid])
            found: list[tuple[object, ...]] = cursor.fetchall()
        return found


@pytest.mark.parametrize("label", [CREATE, SCHEDULE])
@pytest.mark.parametrize("times", ROUNDS)
def test_a_worker_killed_between_answer_and_commit_leaves_one_workout(
    link: CoachingLink, account: Account, fast: None, label: str, times: int
) -> None:
    for number in range(1, times + 1):
        delivery = accepted(link, easy_run(f"Run {number}"))
        workers: list[Worker] = []
        account.when(label, lambda workers=workers: workers[0].hold_row())  # type: ignore[misc]
        workers.append(Worker(delivery))
        workers[0].kill_when_it_waits()
        delivery.refresh_from_db()
        assert delivery.status == Status.SENDING
        assert not (delivery.remote_workout_id if label == CREATE else delivery.remote_schedule_id)
        assert settle(delivery).status == Status.DELIVERED
        assert account.holds() == (number, number)
    assert (account.calls(CREATE), account.calls(SCHEDULE)) == (times, times)


@pytest.mark.parametrize("label", [CREATE, SCHEDULE])
@pytest.mark.parametrize("fault", [HELD, "drop-after", "500-after", "truncated", "cut"])
@pytest.mark.parametrize("times", ROUNDS)
def test_an_answer_lost_after_the_provider_acted_leaves_one_workout(
    link: CoachingLink, account: Account, fast: None, impatient: None, fault: str, label: str, times: int
) -> None:
    for number in range(1, times + 1):
        with account.losing(fault, label):
            delivery = run(accepted(link, easy_run(f"Run {number}")))
            assert delivery.status == (Status.UNCERTAIN if label == CREATE else Status.PENDING)
        assert settle(delivery).status == Status.DELIVERED
        assert account.holds() == (number, number)
    until(lambda: (account.calls(CREATE), account.calls(SCHEDULE)) == (times, times))  # noted once answered


@pytest.mark.parametrize("fault", ["drop", "500", "409"])
def test_what_never_arrived_is_sent_again(link: CoachingLink, account: Account, fast: None, fault: str) -> None:
    account.behaves(fault, CREATE)
    delivery = run(accepted(link))
    account.behaves("")
    assert settle(delivery).status == Status.DELIVERED
    assert account.holds() == (1, 1)
    assert account.calls(CREATE) == 2
    outcomes = list(delivery.attempts_made.filter(step="reconcile").values_list("outcome", flat=True))
    assert outcomes[-2:] == ["not there", "not there"]


def sent(delivery: Delivery, ago_s: float) -> Delivery:
    Delivery.objects.filter(pk=delivery.pk).update(create_sent_at=timezone.now() - timedelta(seconds=ago_s))
    return delivery


def wait_of(delivery: Delivery) -> float:
    return (delivery.next_attempt_at - timezone.now()).total_seconds()


def test_absence_counts_only_late_enough_and_twice(link: CoachingLink, account: Account) -> None:
    account.behaves("drop", CREATE)
    delivery = run(accepted(link))
    assert 0 < wait_of(delivery) <= 6
    account.behaves("")
    run(sent(delivery, 10))
    assert (delivery.status, delivery.absent_looks) == (Status.UNCERTAIN, 0)
    assert 100 < wait_of(delivery) <= 110
    run(sent(delivery, 121))
    assert (delivery.status, delivery.absent_looks) == (Status.UNCERTAIN, 1)
    assert 55 < wait_of(delivery) <= 60
    assert account.calls(CREATE) == 1
    run(delivery)
    assert (delivery.status, delivery.create_sent_at, delivery.attempts) == (Status.PENDING, None, 1)
    assert account.calls(CREATE) == 1
    assert run(delivery).status == Status.DELIVERED
    assert account.holds() == (1, 1)


def test_a_provider_that_acts_late_is_caught_by_a_later_look(
    link: CoachingLink, account: Account, impatient: None
) -> None:
    with account.holding(CREATE, acts_first=False):
        delivery = run(accepted(link))
        assert delivery.status == Status.UNCERTAIN
        assert run(delivery).status == Status.UNCERTAIN
    until(lambda: account.holds() == (1, 0))
    assert run(delivery).status == Status.DELIVERED
    assert account.holds() == (1, 1)
    assert account.calls(CREATE) == 1


def test_a_look_that_fails_decides_nothing(link: CoachingLink, account: Account) -> None:
    account.behaves("500-after", CREATE)
    delivery = run(accepted(link))
    sent(delivery, 4000)
    account.behaves("503")
    for _ in range(8):
        run(delivery)
        assert (delivery.status, delivery.absent_looks, delivery.attempts) == (Status.UNCERTAIN, 0, 1)
        assert 900 < wait_of(delivery) < 1100
    account.behaves("")
    assert run(delivery).status == Status.DELIVERED
    assert account.holds() == (1, 1)


def double(account: Account, delivery: Delivery) -> str:
    """A second copy, as a worker that was frozen for minutes leaves it."""
    box = account.sandbox["garmin"]
    original = account.workouts()[0]
    person = box.state.people[account.email]  # type: ignore[attr-defined]
    stored = box.state.put_workout(person, {**original, "description": MARKER + delivery.marker})  # type: ignore[attr-defined]
    return str(stored["workoutId"])


def test_a_copy_below_thirty_newer_workouts_is_found_and_not_made_again(link: CoachingLink, account: Account) -> None:
    account.behaves("500-after", CREATE)
    delivery = run(accepted(link))
    for number in range(30):
        account.sandbox["garmin"].change(account.email, "add", "", f"Newer {number}")
    account.behaves("")
    assert run(delivery).status == Status.DELIVERED
    assert (account.holds(), account.calls(CREATE)) == ((1, 1), 1)


def test_of_several_copies_the_oldest_stays(link: CoachingLink, account: Account) -> None:
    account.behaves("500-after", CREATE)
    delivery = run(accepted(link))
    oldest = str(account.workouts()[0]["workoutId"])
    double(account, delivery)
    account.behaves("")
    run(delivery)
    assert (delivery.status, delivery.remote_workout_id) == (Status.DELIVERED, oldest)
    assert account.holds() == (1, 1)


def test_ten_minutes_later_a_second_copy_is_deleted_and_nothing_else(link: CoachingLink, account: Account) -> None:
    delivery = run(accepted(link))
    other = run(accepted(link, easy_run("Another")))
    double(account, delivery)
    everything = len(account.person["workouts"])
    reconciling.recheck(delivery.pk)
    assert account.holds() == (3, 2)  # not yet
    Delivery.objects.update(recheck_at=timezone.now())
    reconciling.recheck(delivery.pk)
    reconciling.recheck(other.pk)
    delivery.refresh_from_db()
    assert delivery.rechecked_at is not None
    assert {str(raw["workoutId"]) for raw in account.workouts()} == {
        delivery.remote_workout_id,
        other.remote_workout_id,
    }
    assert len(account.person["workouts"]) == everything - 1
    calls = account.calls()
    reconciling.recheck(delivery.pk)
    assert account.calls() == calls


def test_a_recheck_that_fails_comes_again(link: CoachingLink, account: Account) -> None:
    delivery = run(accepted(link))
    double(account, delivery)
    Delivery.objects.update(recheck_at=timezone.now())
    account.behaves("503")
    reconciling.recheck(delivery.pk)
    delivery.refresh_from_db()
    assert (delivery.rechecked_at, delivery.lease_token) == (None, None)
    account.behaves("")
    Delivery.objects.update(recheck_at=timezone.now())
    reconciling.recheck(delivery.pk)
    assert account.holds() == (1, 1)


def test_after_the_link_ended_no_recheck_calls(link: CoachingLink, account: Account) -> None:
    delivery = run(accepted(link))
    inviting.end_link(link, by=link.coach)
    Delivery.objects.update(recheck_at=timezone.now())
    calls = account.calls()
    reconciling.recheck(delivery.pk)
    assert account.calls() == calls
    assert account.holds() == (1, 1)


def take_out(delivery: Delivery) -> Delivery:
    reconciling.remove(due_now(delivery).pk)
    delivery.refresh_from_db()
    return delivery


def test_a_withdrawn_copy_is_taken_out_with_its_calendar_entry(link: CoachingLink, account: Account) -> None:
    delivery = run(accepted(link))
    assert sharing.withdraw(delivery.share, by=link.coach, remove_remote=True)
    assert take_out(delivery).status == Status.CANCELLED
    assert account.holds() == (0, 0)
    assert account.calendar() == []
    assert not delivery.remove_remote
    calls = account.calls()
    take_out(delivery)
    assert account.calls() == calls


def test_a_copy_stays_where_the_coach_says_so(link: CoachingLink, account: Account) -> None:
    delivery = run(accepted(link))
    assert sharing.withdraw(delivery.share, by=link.coach)
    take_out(delivery)
    assert account.holds() == (1, 1)


def test_what_no_longer_carries_our_marker_is_the_athletes(link: CoachingLink, account: Account) -> None:
    delivery = run(accepted(link))
    account.person["workouts"][delivery.remote_workout_id]["description"] = "Mine now"
    sharing.withdraw(delivery.share, by=link.coach, remove_remote=True)
    take_out(delivery)
    assert delivery.remote_workout_id in account.person["workouts"]
    assert account.calendar() == [(delivery.remote_workout_id, "2026-12-01")]


def test_a_removal_survives_an_outage(link: CoachingLink, account: Account) -> None:
    delivery = run(accepted(link))
    sharing.withdraw(delivery.share, by=link.coach, remove_remote=True)
    account.behaves("503")
    assert take_out(delivery).remove_remote
    account.behaves("")
    take_out(delivery)
    assert account.holds() == (0, 0)


def test_a_copy_withdrawn_while_nobody_knew_is_found_and_taken_out(link: CoachingLink, account: Account) -> None:
    account.behaves("500-after", CREATE)
    delivery = run(accepted(link))
    account.behaves("")
    sharing.withdraw(delivery.share, by=link.coach)
    assert run(delivery).status == Status.CANCELLED
    take_out(delivery)
    assert account.holds() == (0, 0)


@pytest.fixture
def lapsed(link: CoachingLink, connection: Connection) -> Callable[..., Delivery]:
    def make(**fields: object) -> Delivery:
        delivery = accepted(link, easy_run(str(uuid4())))
        past = timezone.now() - timedelta(seconds=1)
        Delivery.objects.filter(pk=delivery.pk).update(
            **{"status": Status.SENDING, "lease_token": uuid4(), "lease_until": past, "attempts": 1} | fields
        )
        return delivery

    return make


def test_the_reaper_tells_apart_what_was_sent(lapsed: Callable[..., Delivery]) -> None:
    now = timezone.now()
    cases = [
        (lapsed(), Status.PENDING),
        (lapsed(create_sent_at=now), Status.UNCERTAIN),
        (lapsed(create_sent_at=now, remote_workout_id="7"), Status.PENDING),
        (lapsed(create_sent_at=now, status=Status.UNCERTAIN), Status.UNCERTAIN),
        (lapsed(remote_workout_id="8", delivered_at=now, status=Status.DELIVERED), Status.DELIVERED),
        (lapsed(status=Status.CANCELLED), Status.CANCELLED),
        (lapsed(lease_until=now + timedelta(seconds=30)), Status.SENDING),
    ]
    assert reconciling.reap() == 6
    for delivery, status in cases:
        delivery.refresh_from_db()
        assert delivery.status == status
        assert (delivery.lease_token is None) is (status != Status.SENDING)


def test_work_that_kills_its_workers_stops(lapsed: Callable[..., Delivery]) -> None:
    delivery = lapsed(crashes=4)
    reconciling.reap()
    delivery.refresh_from_db()
    assert (delivery.status, delivery.error_code) == (Status.FAILED, "worker_lost")
    assert DomainEvent.objects.filter(type="delivery.failed", subject_id=delivery.pk).count() == 1


def test_a_worker_that_lost_its_lease_changes_nothing(link: CoachingLink, account: Account) -> None:
    delivery = accepted(link)
    token = uuid4()
    account.when(CREATE, lambda: Delivery.objects.filter(pk=delivery.pk).update(lease_token=token))
    run(delivery)
    assert (delivery.status, delivery.lease_token) == (Status.SENDING, token)
    assert not delivery.remote_workout_id
    assert account.calls(SCHEDULE) == 0
    Delivery.objects.filter(pk=delivery.pk).update(lease_until=timezone.now() - timedelta(seconds=1))
    reconciling.reap()
    assert run(delivery).status == Status.DELIVERED
    assert account.holds() == (1, 1)
