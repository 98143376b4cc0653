"""Workers die while activities come: whole pages stay, the next one brings the rest, nothing counts twice."""

import os
import signal
from datetime import timedelta

import pytest
from django.db import connection as database
from django.utils import timezone
from pytest_django import Settings

from accounts.models import User
from coaching import totals
from coaching.models import Activity
from integrations.models import DomainEvent, SyncJob
from integrations.sandbox import RunningSandbox
from integrations.services import reaping
from tests.coaching import history
from tests.coaching.history import there
from tests.integrations.test_leases import SCALE, start_worker
from tests.patience import PATIENCE_S, somebody_waits_for_us, until

pytestmark = pytest.mark.django_db(transaction=True)

PAGE = 100
Status = SyncJob.Status


def many(garmin: RunningSandbox, count: int) -> None:
    """So many at the provider, twenty minutes apart, newest first."""
    rows, now = there(garmin), timezone.now()
    rows[:] = [
        history.at(rows[0], now - timedelta(minutes=20 * number)) | {"activityId": 50_000_000 - number}
        for number in range(1, count + 1)
    ]


class Turn:
    """That of the athlete's totals: who waits for it has written a page and not committed it."""

    def __init__(self, athlete: User) -> None:
        self.key = [totals.LOCKS, athlete.pk]

    def take(self) -> None:
        with database.cursor() as cursor:
            cursor.execute("SET lock_timeout = 0")  # however long the worker before us takes
            cursor.execute("SELECT pg_advisory_lock(%s, %s)", self.key)
            cursor.execute("RESET lock_timeout")

    def give(self) -> None:
        with database.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_unlock(%s, %s)", self.key)

    def let_one_pass(self) -> None:
        """Who waits has it until he commits; then it is ours again."""
        until(somebody_waits_for_us)
        self.give()
        self.take()


@pytest.mark.parametrize("kills", [2, pytest.param(12, marks=pytest.mark.soak)])
def test_a_sync_whose_worker_is_killed_within_a_page_counts_everything_once(
    garmin: RunningSandbox, athlete: User, settings: Settings, kills: int
) -> None:
    """Each but the last is killed when a page is written and not committed; the first one within the first page."""
    settings.TIME_SCALE = SCALE
    stream = history.connect(garmin, athlete)
    many(garmin, (kills + 1) * PAGE)
    job = SyncJob.objects.get(stream=stream)
    turn = Turn(athlete)
    for kill in range(kills):
        turn.take()
        worker = start_worker(job)
        if kill:
            turn.let_one_pass()
        until(somebody_waits_for_us)
        os.kill(worker.pid, signal.SIGKILL)
        assert worker.wait() == -signal.SIGKILL, "it was still at work"
        turn.give()
        assert Activity.objects.count() == kill * PAGE, "what was not committed is none"
        assert history.totals(athlete) == history.summed(athlete)
        until(reaping.reap)
        job.refresh_from_db()
        assert (job.status, job.reaped, job.error_code) == (Status.QUEUED, kill + 1, "worker_lost")
        until(SyncJob.objects.unheard().filter(pk=job.pk).exists)
    assert start_worker(job).wait(PATIENCE_S) == 0
    job.refresh_from_db()
    assert (job.status, job.deleted_n, job.bad_n) == (Status.SUCCEEDED, 0, 0)
    assert history.here(stream) == {str(row["activityId"]) for row in there(garmin)}
    assert Activity.objects.count() == (kills + 1) * PAGE
    assert history.totals(athlete) == history.summed(athlete)
    told = DomainEvent.objects.filter(type="activities.changed").values_list("payload", flat=True)
    ids = [pk for payload in told for pk in payload["activities"]]
    assert sorted(ids) == sorted(Activity.objects.values_list("pk", flat=True)), "each was told of once"
    assert DomainEvent.objects.filter(type="sync.finished").count() == 1
