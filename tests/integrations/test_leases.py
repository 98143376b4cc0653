"""Workers die: nothing is lost, nothing is doubled, and every run ends."""

import os
import random
import signal
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

import pytest
from django.db import connection as database
from django.db.models.functions import Now
from django.utils import timezone
from pytest_django import Settings

from accounts.models import User
from coaching.models import Workout, WorkoutRevision
from integrations.models import Connection, DomainEvent, SyncJob, SyncStream
from integrations.sandbox import RunningSandbox
from integrations.services import concluding, reaping, scheduling
from tests.integrations import library
from tests.integrations.library import ACCOUNT, READING, there
from tests.patience import PATIENCE_S, until

pytestmark = pytest.mark.django_db(transaction=True)

ROOT = Path(__file__).resolve().parents[2]
WORKER = "import django; django.setup(); from integrations.services import syncing; syncing.run({})"
SCALE = 0.02  # a lease of 2.4 s
PAGE = 10
Status = SyncJob.Status


def start_worker(job: SyncJob) -> subprocess.Popen[bytes]:
    """A process of its own that runs the job on the test's database."""
    url = urlsplit(os.environ["DATABASE_URL"])._replace(path=f"/{database.settings_dict['NAME']}").geturl()
    elsewhere = {"DJANGO_SETTINGS_MODULE": "config.settings", "DATABASE_URL": url, "TIME_SCALE": str(SCALE)}
    return subprocess.Popen([sys.executable, "-c", WORKER.format(job.pk)], env=os.environ | elsewhere, cwd=ROOT)


@pytest.mark.parametrize("kills", [3, pytest.param(20, marks=pytest.mark.soak)])
def test_a_sync_whose_worker_is_killed_again_and_again_ends_complete(
    garmin: RunningSandbox, coach: User, settings: Settings, kills: int
) -> None:
    settings.TIME_SCALE = SCALE
    chance = random.Random(kills)
    for number in range(kills * 4 * PAGE - len(there(garmin))):
        garmin["garmin"].change(ACCOUNT, "add", "", f"One more {number}")
    garmin["garmin"].set_fault(ACCOUNT, "slow:0.02", on=READING)  # else a worker may be done before it is killed
    stream = library.connect(garmin, coach)
    job = scheduling.request_sync(stream, trigger=SyncJob.Trigger.MANUAL)
    for kill in range(1, kills + 1):
        enough = garmin["garmin"].count(READING) + PAGE + chance.randint(1, PAGE)
        worker = start_worker(job)
        while garmin["garmin"].count(READING) < enough:
            assert worker.poll() is None, SyncJob.objects.values_list("status", "error_code", "error_detail")
            time.sleep(0.005)
        os.kill(worker.pid, signal.SIGKILL)
        assert worker.wait() == -signal.SIGKILL, "it was still at work"
        until(reaping.reap)
        job.refresh_from_db()
        assert (job.status, job.reaped, job.error_code) == (Status.QUEUED, kill, "worker_lost")
        assert Workout.objects.count() == WorkoutRevision.objects.count() == job.created_n
        until(SyncJob.objects.unheard().filter(pk=job.pk).exists)
    garmin["garmin"].set_fault(ACCOUNT, "", on=READING)
    while job.status == Status.QUEUED:  # a slow machine takes more than one slice
        assert start_worker(job).wait(PATIENCE_S) == 0
        job.refresh_from_db()
    everything = {key: raw["workoutName"] for key, raw in there(garmin).items()}
    assert library.stored(stream) == everything
    assert (job.status, job.created_n, job.unchanged_n) == (Status.SUCCEEDED, len(everything), 0)
    assert WorkoutRevision.objects.count() == Workout.objects.count() == len(everything)
    assert DomainEvent.objects.filter(type="sync.finished").count() == 1
    assert DomainEvent.objects.filter(type="sync.started").count() == 1, "however many workers it took"


@pytest.fixture
def stream(garmin: RunningSandbox, coach: User) -> SyncStream:
    return library.connect(garmin, coach)


@pytest.fixture
def running(stream: SyncStream) -> SyncJob:
    """A job some worker has claimed."""
    claimed = SyncJob.objects.claim(SyncJob.objects.get(stream=stream).pk)
    assert claimed is not None
    return claimed


def let_lapse(job: SyncJob, **fields: object) -> None:
    SyncJob.objects.filter(pk=job.pk).update(lease_until=Now() - timedelta(seconds=1), **fields)


def test_a_lease_that_runs_is_nobody_elses_whoever_starts(running: SyncJob) -> None:
    assert reaping.reap() == 0
    running.refresh_from_db()
    assert running.status == Status.RUNNING
    assert SyncJob.objects.claim(running.pk) is None


def test_a_silent_workers_job_is_queued_for_later_and_its_late_words_count_for_nothing(running: SyncJob) -> None:
    let_lapse(running)
    started = timezone.now()
    assert reaping.reap() == 1
    assert reaping.reap() == 0
    assert not running.write(created_n=7)
    assert not running.extend()
    running.refresh_from_db()
    assert (running.status, running.attempts, running.reaped, running.created_n) == (Status.QUEUED, 1, 1, 0)
    assert timedelta(seconds=58) < running.next_attempt_at - started < timedelta(seconds=65)
    assert "go on by ourselves" in running.error_detail


def test_a_job_that_kills_its_worker_five_times_fails_and_its_stream_comes_back_later(
    running: SyncJob, stream: SyncStream
) -> None:
    let_lapse(running, attempts=concluding.MOST_ATTEMPTS)
    reaping.reap()
    running.refresh_from_db()
    stream.refresh_from_db()
    assert (running.status, running.error_code, running.lease_token) == (Status.FAILED, "worker_lost", None)
    assert stream.failures == 1
    assert stream.next_run_at > timezone.now() + timedelta(seconds=stream.interval_s)
    assert DomainEvent.objects.get(type="sync.failed").payload["error_code"] == "worker_lost"


def test_a_page_without_anything_new_does_not_forgive_a_crash(
    garmin: RunningSandbox, stream: SyncStream, no_repeats: None
) -> None:
    """Else a workout that kills its worker would do so for ever, behind pages that are stored already."""
    for number in range(60):
        garmin["garmin"].change(ACCOUNT, "add", "", f"One more {number}")
    library.sync(stream)
    key = list(there(garmin))[120]  # on the second page of the listing
    there(garmin)[key]["workoutSegments"] = object()  # cannot be sent
    there(garmin)[key]["updatedDate"] = "2027-01-01T00:00:00.0"
    job = scheduling.request_sync(stream, trigger=SyncJob.Trigger.MANUAL)
    for attempt in range(1, concluding.MOST_ATTEMPTS):
        library.work(job)
        assert (job.status, job.attempts) == (Status.QUEUED, attempt)
        library.make_due(job)
    assert library.work(job).status == Status.FAILED


@pytest.mark.parametrize(
    ("change", "waited_h", "left"),
    [
        ({}, 2, Status.QUEUED),
        ({"enabled": False}, 0.9, Status.QUEUED),
        ({"enabled": False}, 1.1, Status.CANCELLED),
    ],
)
def test_a_job_nobody_may_start_is_cancelled_after_an_hour(
    stream: SyncStream, change: dict[str, bool], waited_h: float, left: str
) -> None:
    SyncStream.objects.update(enabled=change.get("enabled", True))
    SyncJob.objects.update(next_attempt_at=Now() - timedelta(hours=waited_h))
    reaping.reap()
    assert SyncJob.objects.get(stream=stream).status == left


def test_a_job_of_a_connection_that_needs_its_owner_is_cancelled_too(stream: SyncStream) -> None:
    Connection.objects.update(status=Connection.Status.NEEDS_REAUTH)
    SyncJob.objects.update(next_attempt_at=Now() - timedelta(hours=2))
    reaping.reap()
    assert SyncJob.objects.get(stream=stream).status == Status.CANCELLED


def test_a_claim_counts_its_attempt_before_any_work(running: SyncJob) -> None:
    row = SyncJob.objects.get(pk=running.pk)
    assert (row.attempts, row.status) == (1, Status.RUNNING)
    assert row.lease_until is not None
    assert timedelta(seconds=110) < row.lease_until - timezone.now() < timedelta(seconds=130)


def test_a_foreign_lease_token_writes_nothing(running: SyncJob) -> None:
    SyncJob.objects.filter(pk=running.pk).update(lease_token=uuid4())
    assert not running.write(created_n=5)
    assert not running.settle(status=Status.CANCELLED, finished_at=Now())
    row = SyncJob.objects.get(pk=running.pk)
    assert (row.status, row.created_n) == (Status.RUNNING, 0)
