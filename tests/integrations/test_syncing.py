"""The library follows the provider: real client, real protocol, real database."""

import threading
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db import connection as database
from django.db.models.functions import Now
from django.utils import timezone
from pytest_django import Settings

from accounts.models import User
from coaching.models import Workout
from integrations.models import Connection, DomainEvent, Provider, ProviderMode, SyncJob, SyncStream
from integrations.sandbox import RunningSandbox
from integrations.services import connecting, scheduling, syncing
from integrations.timing import timing
from tests.integrations import library
from tests.integrations.broker import taken
from tests.integrations.library import ACCOUNT, LISTING, READING, make_due, stored, sync, there, work

pytestmark = pytest.mark.django_db(transaction=True)

Status = SyncJob.Status


@pytest.fixture
def stream(garmin: RunningSandbox, coach: User) -> SyncStream:
    return library.connect(garmin, coach)


def test_a_first_sync_brings_every_workout_page_by_page(garmin: RunningSandbox, stream: SyncStream) -> None:
    before = timezone.now()
    job = sync(stream)
    names = {key: raw["workoutName"] for key, raw in there(garmin).items()}
    assert stored(stream) == names
    assert (job.status, job.created_n, job.updated_n, job.unchanged_n, job.bad_n) == ("succeeded", 64, 0, 0, 0)
    assert (job.expected, job.percent, job.pages, job.attempts) == (64, 100, 7, 0)
    assert job.calls == garmin["garmin"].count(LISTING) + garmin["garmin"].count(READING) == 65
    assert job.started_at is not None
    assert job.finished_at is not None
    stream.refresh_from_db()
    assert stream.last_success_at is not None
    assert stream.last_full_at is not None
    assert stream.last_new_item_at is not None
    assert (stream.generation, stream.failures, stream.cursor) == (1, 0, {"generation": 1})
    assert timedelta(seconds=3200) < stream.next_run_at - before < timedelta(seconds=4000)
    event = DomainEvent.objects.get(type="sync.finished")
    assert (event.connection_id, event.trace_id) == (stream.connection_id, job.trace_id)
    assert event.payload["created"] == 64
    begun = DomainEvent.objects.get(type="sync.started")
    assert (begun.subject_id, begun.payload["resource"]) == (event.subject_id, "workouts")
    assert not DomainEvent.objects.filter(type="sync.failed").exists()


def test_a_sync_of_an_unchanged_library_writes_no_row_and_reads_no_workout(
    garmin: RunningSandbox, stream: SyncStream
) -> None:
    sync(stream)
    before, reads = library.versions_of_rows(), garmin["garmin"].count(READING)
    job = sync(stream)
    assert (job.status, job.created_n, job.updated_n, job.unchanged_n) == ("succeeded", 0, 0, 64)
    assert library.versions_of_rows() == before
    assert garmin["garmin"].count(READING) == reads


def test_a_workout_changed_there_becomes_a_new_revision_here(garmin: RunningSandbox, stream: SyncStream) -> None:
    sync(stream)
    key, old = next(iter(stored(stream).items()))
    garmin["garmin"].change(ACCOUNT, "rename", key, "Renamed there")
    job = sync(stream)
    assert (job.created_n, job.updated_n, job.unchanged_n) == (0, 1, 63)
    workout = Workout.objects.get(external_id=key)
    assert list(workout.revisions.order_by("number").values_list("number", "name")) == [(1, old), (2, "Renamed there")]
    assert workout.current is not None
    assert workout.current.number == 2


def test_a_workout_deleted_there_is_marked_and_the_mark_goes_when_it_is_back(
    garmin: RunningSandbox, stream: SyncStream
) -> None:
    sync(stream)
    key = next(iter(there(garmin)))
    raw = library.state(garmin).people[ACCOUNT]["workouts"].pop(key)
    job = sync(stream)
    assert (job.status, job.deleted_n) == ("succeeded", 1)
    workout = Workout.objects.get(external_id=key)
    assert workout.gone_at is not None
    assert workout.current is not None
    library.state(garmin).people[ACCOUNT]["workouts"][key] = raw
    job = sync(stream)
    assert Workout.objects.get(external_id=key, gone_at=None).revisions.count() == 1
    assert (job.created_n, job.updated_n, job.deleted_n) == (0, 0, 0)


def test_what_we_put_there_ourselves_is_no_part_of_the_library(garmin: RunningSandbox, stream: SyncStream) -> None:
    key = next(iter(there(garmin)))
    there(garmin)[key]["description"] = "tc-ref:ABCDEFGHIJ"
    job = sync(stream)
    assert key not in stored(stream)
    assert (job.created_n, job.expected) == (63, 63)


def test_a_bad_workout_is_set_aside_and_never_taken_for_deleted(garmin: RunningSandbox, stream: SyncStream) -> None:
    sync(stream)
    key = next(iter(there(garmin)))
    raw = there(garmin)[key]
    raw["workoutSegments"] = [{"segmentOrder": 1, "workoutSteps": [{"type": "ExecutableStepDTO"}] * 9999}]
    raw["updatedDate"] = "2027-01-01T00:00:00.0"
    job = sync(stream)
    assert (job.status, job.bad_n, job.deleted_n, job.unchanged_n) == ("succeeded", 1, 0, 63)
    assert job.bad_samples[0]["id"] == key
    assert job.bad_samples[0]["reason"]
    assert key in stored(stream)


def test_too_many_bad_ones_fail_the_run_and_keep_the_good(garmin: RunningSandbox, stream: SyncStream) -> None:
    for raw in list(there(garmin).values())[30:45]:
        raw["workoutSegments"] = "nonsense"
    job = sync(stream)
    assert (job.status, job.error_code) == ("failed", "too_many_bad")
    assert "could not be read" in job.error_detail
    assert 0 < len(stored(stream)) <= 60
    assert len(job.bad_samples) <= syncing.MOST_SAMPLES
    stream.refresh_from_db()
    assert stream.last_success_at is None


def test_an_endless_listing_ends_the_run_and_marks_nothing(garmin: RunningSandbox, stream: SyncStream) -> None:
    sync(stream)
    garmin["garmin"].set_fault(ACCOUNT, "endless")
    job = sync(stream)
    assert (job.status, job.error_code) == ("failed", "endless_listing")
    assert len(stored(stream)) == 64


FAILED, WAITS = Status.FAILED, Status.QUEUED


@pytest.mark.parametrize(
    ("fault", "status", "code", "words", "least_wait_s"),
    [
        ("403", FAILED, "authorization", "Check its permissions", 0),
        ("404", FAILED, "not_found", "no longer has", 0),
        ("409", FAILED, "conflict", "another state", 0),
        ("412", FAILED, "validation", "refused", 0),
        ("429", WAITS, "rate_limit", "slow down", 59),
        ("429-retry", WAITS, "rate_limit", "slow down", 20),
        ("500", WAITS, "server", "problem of its own", 20),
        ("503", WAITS, "server", "problem of its own", 20),
        ("html", FAILED, "provider_bad_answer", "could not read", 0),
        ("truncated", FAILED, "provider_bad_answer", "could not read", 0),
        ("drop", WAITS, "connection_lost", "too long to answer", 20),
        ("foreign", FAILED, "too_many_bad", "could not be read", 0),
    ],
)
def test_each_answer_of_the_provider_ends_in_its_own_state_and_words(
    garmin: RunningSandbox, stream: SyncStream, fault: str, status: str, code: str, words: str, least_wait_s: int
) -> None:
    garmin["garmin"].set_fault(ACCOUNT, fault)
    started = timezone.now()
    job = sync(stream)
    assert (job.status, job.error_code) == (status, code)
    assert words in job.error_detail
    assert "Traceback" not in job.error_detail
    assert job.lease_token is None
    assert not stored(stream)
    stream.refresh_from_db()
    if status == FAILED:
        assert stream.failures == 1
        assert timedelta(seconds=6400) < stream.next_run_at - started < timedelta(seconds=8000)
        assert DomainEvent.objects.get(type="sync.failed").payload["error_code"] == code
    else:
        assert job.next_attempt_at - started >= timedelta(seconds=least_wait_s)
        assert job.attempts == 1
    garmin["garmin"].set_fault(ACCOUNT, "")


def test_a_login_that_is_over_stops_the_stream_until_the_owner_acts(garmin: RunningSandbox, stream: SyncStream) -> None:
    library.state(garmin).revoke(ACCOUNT)
    job = sync(stream)
    assert (job.status, job.error_code) == ("failed", "invalid_grant")
    assert "Connect the account again" in job.error_detail
    stream.connection.refresh_from_db()
    assert stream.connection.status == Connection.Status.NEEDS_REAUTH
    SyncStream.objects.update(next_run_at=Now())
    assert SyncStream.objects.queue_due(10) == []


def test_an_access_token_that_ran_out_is_renewed_and_nobody_notices(garmin: RunningSandbox, stream: SyncStream) -> None:
    library.state(garmin).expire(ACCOUNT)
    assert sync(stream).status == "succeeded"
    assert len(stored(stream)) == 64


def test_outages_wait_longer_each_time_and_the_fifth_fails_the_run(
    garmin: RunningSandbox, stream: SyncStream, no_repeats: None
) -> None:
    garmin["garmin"].set_fault(ACCOUNT, "503")
    job = scheduling.request_sync(stream, trigger=SyncJob.Trigger.SCHEDULE)
    for middle in timing().sync_retry_s:
        make_due(job)
        started = timezone.now()
        work(job)
        assert job.status == WAITS
        assert timedelta(seconds=0.79 * middle) < job.next_attempt_at - started < timedelta(seconds=1.3 * middle)
    make_due(job)
    assert work(job).status == FAILED
    assert job.attempts == 5


def test_an_outage_half_way_keeps_what_came_and_the_next_attempt_reads_only_the_rest(
    garmin: RunningSandbox, stream: SyncStream
) -> None:
    broken = list(there(garmin))[25]
    raw = library.state(garmin).people[ACCOUNT]["workouts"][broken]
    library.state(garmin).people[ACCOUNT]["workouts"][broken] = raw | {"workoutSegments": object()}  # cannot be sent
    job = sync(stream)
    assert (job.status, job.created_n, job.attempts) == (WAITS, 20, 0)
    assert job.error_code == "connection_lost"
    reads = garmin["garmin"].count(READING)
    library.state(garmin).people[ACCOUNT]["workouts"][broken] = raw
    make_due(job)
    work(job)
    assert (job.status, job.created_n, job.unchanged_n, job.error_code) == ("succeeded", 64, 0, "")
    assert garmin["garmin"].count(READING) - reads == 44
    assert len(stored(stream)) == 64


def test_a_provider_on_hold_keeps_the_job_waiting_without_a_call_or_an_attempt(
    garmin: RunningSandbox, stream: SyncStream, garmin_provider: Provider
) -> None:
    Provider.objects.filter(pk=garmin_provider.pk).update(mode=ProviderMode.HOLD)
    job = sync(stream)
    assert (job.status, job.attempts, job.error_code) == (WAITS, 0, "hold")
    assert garmin["garmin"].count(LISTING) == 0
    make_due(job)
    assert not SyncJob.objects.unheard().exists()
    Provider.objects.filter(pk=garmin_provider.pk).update(mode=ProviderMode.ENABLED)
    assert SyncJob.objects.unheard().exists()
    assert work(job).status == "succeeded"


def test_a_long_first_sync_goes_on_in_slices_and_counts_nothing_twice(
    garmin: RunningSandbox, stream: SyncStream, settings: Settings
) -> None:
    settings.TIME_SCALE = 1e-6  # a slice is one page
    job = scheduling.request_sync(stream, trigger=SyncJob.Trigger.MANUAL)
    for slices in range(1, 7):
        taken("sync")
        work(job)
        assert (job.status, job.created_n, job.unchanged_n, job.attempts) == (WAITS, 10 * slices, 0, 0)
        assert taken("sync") == [("integrations.tasks.run_sync", [job.pk])]
    work(job)
    assert (job.status, job.created_n, job.unchanged_n, job.percent) == ("succeeded", 64, 0, 100)
    assert garmin["garmin"].count(READING) < 64 + 6 * 11  # what a slice read beyond its time is read again


def test_a_listing_longer_than_the_time_and_without_news_fails_instead_of_starting_over_for_ever(
    garmin: RunningSandbox, stream: SyncStream, settings: Settings
) -> None:
    for number in range(100):
        garmin["garmin"].change(ACCOUNT, "add", "", f"One more {number}")
    sync(stream)
    settings.TIME_SCALE = 1e-6
    job = sync(stream)
    assert (job.status, job.error_code) == ("failed", "too_large")
    assert len(stored(stream)) == 164


def test_two_workers_with_one_job_read_the_library_once(garmin: RunningSandbox, stream: SyncStream) -> None:
    job = scheduling.request_sync(stream, trigger=SyncJob.Trigger.MANUAL)
    start = threading.Barrier(2)

    def worker() -> None:
        start.wait()
        syncing.run(job.pk)
        database.close()

    threads = [threading.Thread(target=worker) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert garmin["garmin"].count(READING) == len(there(garmin)) == Workout.objects.count()


def test_a_person_who_asks_again_gets_the_run_that_is_there(garmin: RunningSandbox, stream: SyncStream) -> None:
    first = scheduling.request_sync(stream, trigger=SyncJob.Trigger.MANUAL)
    assert scheduling.request_sync(stream, trigger=SyncJob.Trigger.MANUAL).pk == first.pk
    running = SyncJob.objects.claim(first.pk)
    assert running is not None
    assert scheduling.request_sync(stream, trigger=SyncJob.Trigger.MANUAL).pk == first.pk
    assert stream.jobs.count() == 1


@pytest.fixture
def interrupted(garmin: RunningSandbox, stream: SyncStream) -> SyncJob:
    """A queued run; `when_read` has something happen in the middle of it."""
    return scheduling.request_sync(stream, trigger=SyncJob.Trigger.MANUAL)


def when_read(garmin: RunningSandbox, number: int, act: Callable[[], object]) -> None:
    """Have `act` happen while the provider answers the read of its workout number `number`."""
    key = list(there(garmin))[number]
    library.state(garmin).people[ACCOUNT]["workouts"][key] = _Meddling(there(garmin)[key], act)


class _Meddling(dict[str, object]):
    """A stored workout; being copied for an answer sets something off, once."""

    def __init__(self, raw: dict[str, object], act: Callable[[], object]) -> None:
        super().__init__(raw)
        self._acts = [act]

    def __deepcopy__(self, memo: object) -> dict[str, object]:
        while self._acts:
            self._acts.pop()()  # in the sandbox's thread, with a database connection of its own
        database.close()
        return dict(self)


def test_a_cancelled_run_stops_at_its_next_page(
    garmin: RunningSandbox, stream: SyncStream, interrupted: SyncJob, operator: User
) -> None:
    when_read(garmin, 25, lambda: scheduling.cancel(interrupted, by=operator, reason="test"))
    job = work(interrupted)
    assert job.status == Status.CANCELLED
    assert len(stored(stream)) == 20
    stream.refresh_from_db()
    assert stream.next_run_at > timezone.now() + timedelta(minutes=50)


def test_a_released_run_is_another_workers_and_the_first_changes_nothing(
    garmin: RunningSandbox, stream: SyncStream, interrupted: SyncJob, operator: User
) -> None:
    def give_to_another() -> None:
        assert scheduling.release(interrupted, by=operator)
        assert SyncJob.objects.claim(interrupted.pk)

    when_read(garmin, 25, give_to_another)
    job = work(interrupted)
    assert (job.status, job.created_n, job.lease_token is None) == (Status.RUNNING, 20, False)
    assert len(stored(stream)) == 20
    assert scheduling.release(interrupted, by=operator)
    assert not scheduling.release(interrupted, by=operator)
    job = work(interrupted)
    assert (job.status, job.created_n, job.unchanged_n) == ("succeeded", 64, 0)
    assert len(stored(stream)) == Workout.objects.count() == 64


def test_a_moved_cursor_stops_the_run_without_a_trace(
    garmin: RunningSandbox, stream: SyncStream, interrupted: SyncJob
) -> None:
    when_read(garmin, 25, lambda: SyncStream.objects.update(cursor_version=99))
    job = work(interrupted)
    assert (job.status, job.created_n) == (Status.RUNNING, 20)  # the reaper's from now on
    assert len(stored(stream)) == 20


def test_a_pause_half_way_ends_the_calls(
    garmin: RunningSandbox, stream: SyncStream, interrupted: SyncJob, coach: User
) -> None:
    connection = stream.connection
    when_read(garmin, 25, lambda: connecting.pause(connection, actor=coach))
    job = work(interrupted)
    assert job.status == Status.CANCELLED
    assert len(stored(stream)) == 20
    assert garmin["garmin"].count(READING) == 30
