"""The past comes window by window, and at night the ids are held against the provider's."""

from datetime import date, timedelta

import pytest
from django.utils import timezone

from accounts.models import AuditEntry, User
from coaching.models import Activity
from integrations.models import BackfillWindow, Reconciliation, SyncJob, SyncStream
from integrations.sandbox import RunningSandbox
from integrations.services import backfilling, reading, reaping, reconciling, scheduling, syncing
from tests.coaching import history
from tests.coaching.history import ACCOUNT, here, run, run_all, sync, there
from tests.integrations import library

pytestmark = pytest.mark.django_db(transaction=True)
Mode, Window = SyncJob.Mode, BackfillWindow.Status


@pytest.fixture
def stream(garmin: RunningSandbox, athlete: User) -> SyncStream:
    """Of an account with a hundred days of training."""
    rows = there(garmin)
    for days in range(60, 160, 2):
        garmin["garmin"].change(ACCOUNT, "train", "", (_today() - timedelta(days=days)).isoformat())
    assert len(there(garmin)) == len(rows) + 50
    return history.connect(garmin, athlete)


def _today() -> date:
    return timezone.now().date()


def test_the_past_year_comes_behind_the_first_run(garmin: RunningSandbox, stream: SyncStream) -> None:
    assert backfilling.begin(stream) == 12
    assert backfilling.begin(stream) == 0
    jobs = run_all(stream)
    assert [job.mode for job in jobs] == [Mode.FULL] + [Mode.BACKFILL] * 12
    begins = [job.since for job in jobs[1:] if job.since]
    assert begins == sorted(begins, reverse=True), "the newest first"
    assert here(stream) == {str(row["activityId"]) for row in there(garmin)}
    assert set(BackfillWindow.objects.values_list("status", flat=True)) == {Window.DONE}
    stream.refresh_from_db()
    assert stream.next_run_at > timezone.now(), "the regular clock stands where the first run set it"
    assert stream.cursor["through"] == _today().isoformat()


def test_a_run_that_is_asked_for_goes_before_the_next_window(stream: SyncStream) -> None:
    backfilling.begin(stream)
    sync(stream)
    window = history.active(stream)
    assert window is not None
    assert window.mode == Mode.BACKFILL
    assert scheduling.request_sync(stream, trigger="manual").pk == window.pk
    run(window)
    following = history.active(stream)
    assert following is not None
    assert following.is_regular
    run(following)
    assert (after := history.active(stream)) is not None
    assert after.mode == Mode.BACKFILL


def test_windows_go_on_by_the_tick_when_a_bell_got_lost(stream: SyncStream) -> None:
    sync(stream)
    backfilling.start(stream, _today() - timedelta(days=85))
    assert backfilling.queue_due() == 1
    assert backfilling.queue_due() == 0
    assert len(run_all(stream)) == 2
    assert backfilling.queue_due() == 0


def test_a_worker_that_dies_costs_its_window_a_second_reading_and_nothing_else(
    garmin: RunningSandbox, stream: SyncStream
) -> None:
    sync(stream)
    backfilling.start(stream, _today() - timedelta(days=90))
    backfilling.queue_due()
    job = history.active(stream)
    assert job is not None
    assert SyncJob.objects.claim(job.pk)
    SyncJob.objects.filter(pk=job.pk).update(lease_until=timezone.now() - timedelta(seconds=1))
    assert reaping.reap() == 1
    assert BackfillWindow.objects.filter(job=job, status=Window.RUNNING).exists()
    library.make_due(job)
    assert run(job).status == "succeeded"
    run_all(stream)
    assert here(stream) == history.within(there(garmin), 90)
    assert set(BackfillWindow.objects.values_list("status", flat=True)) == {Window.DONE}


def test_a_cancelled_window_is_not_read_and_what_was_read_stays(stream: SyncStream, operator: User) -> None:
    sync(stream)
    before = here(stream)
    backfilling.start(stream, _today() - timedelta(days=85))
    backfilling.queue_due()
    for window in BackfillWindow.objects.all():
        assert backfilling.cancel(window, by=operator, reason="enough")
        assert not backfilling.cancel(window, by=operator)
    assert history.active(stream) is None
    assert backfilling.queue_due() == 0
    assert here(stream) == before
    assert AuditEntry.objects.filter(action="backfill.cancelled").count() == 2


def test_a_run_that_is_cancelled_ends_its_window(stream: SyncStream, operator: User) -> None:
    sync(stream)
    backfilling.start(stream, _today() - timedelta(days=50))
    backfilling.queue_due()
    job = history.active(stream)
    assert job is not None
    assert scheduling.cancel(job, by=operator)
    backfilling.queue_due()
    assert BackfillWindow.objects.get().status == Window.CANCELLED


def test_an_outage_fails_a_window_and_leaves_the_streams_own_clock_alone(
    garmin: RunningSandbox, stream: SyncStream
) -> None:
    sync(stream)
    backfilling.start(stream, _today() - timedelta(days=50))
    backfilling.queue_due()
    garmin["garmin"].set_fault(ACCOUNT, "403")
    job = history.active(stream)
    assert run(job).status == "failed"
    stream.refresh_from_db()
    assert (stream.failures, BackfillWindow.objects.get().status) == (0, Window.FAILED)
    garmin["garmin"].set_fault(ACCOUNT, "")
    assert backfilling.start(stream, _today() - timedelta(days=50)) == 1, "it can be asked for again"


@pytest.mark.parametrize(
    ("taken", "expected"),
    [
        ([], [(100, 71), (70, 41), (40, 30)]),
        ([(70, 41)], [(100, 71), (40, 30)]),
        ([(80, 60)], [(100, 81), (59, 30)]),
        ([(120, 90), (35, 0)], [(89, 60), (59, 36)]),
        ([(200, 0)], []),
    ],
)
def test_days_that_wait_already_are_not_doubled(
    stream: SyncStream, taken: list[tuple[int, int]], expected: list[tuple[int, int]]
) -> None:
    today = _today()
    for first, last in taken:
        BackfillWindow.objects.create(
            stream=stream, starts_on=today - timedelta(days=first), ends_on=today - timedelta(days=last)
        )
    old = set(BackfillWindow.objects.values_list("pk", flat=True))
    backfilling.start(stream, today - timedelta(days=100))
    new = BackfillWindow.objects.exclude(pk__in=old)
    days = {((today - window.starts_on).days, (today - window.ends_on).days) for window in new}
    covered = {day for first, last in days for day in range(last, first + 1)}
    assert covered == {day for first, last in expected for day in range(last, first + 1)}
    assert all(first - last < 30 for first, last in days)


def test_terms_that_allow_days_only_allow_no_past(garmin: RunningSandbox, stream: SyncStream) -> None:
    provider = stream.connection.provider
    provider.cache_days = 7
    provider.save()
    assert backfilling.begin(stream) == 0
    job = sync(stream)
    assert job.since == _today() - timedelta(days=7)


def test_a_comparison_finds_gaps_edits_and_losses_changes_nothing_and_then_all_is_repaired(
    garmin: RunningSandbox, stream: SyncStream, operator: User
) -> None:
    backfilling.start(stream, _today() - timedelta(days=120))
    run_all(stream)
    rows = there(garmin)
    lacking, gone = str(rows[60]["activityId"]), rows.pop(50)
    Activity.objects.filter(external_id=lacking).delete()
    rows[55]["activityName"] = "Renamed long ago"
    before = history.versions_of_rows()
    assert reconciling.look(stream, by=operator)
    assert not reconciling.look(stream, by=operator), "it is waiting"
    assert run(history.active(stream)).mode == Mode.RECONCILE
    assert history.versions_of_rows() == before
    found = Reconciliation.objects.get()
    assert (found.lacking_n, found.changed_n, found.gone_n) == (1, 1, 1)
    assert found.samples == {
        "lacking": [lacking], "changed": [str(rows[55]["activityId"])], "gone": [str(gone["activityId"])]
    }  # fmt: skip
    repair = run(history.active(stream))
    assert (found.repaired_by_id, repair.mode) == (repair.pk, Mode.FULL)
    assert (repair.created_n, repair.updated_n, repair.deleted_n) == (1, 1, 1)
    assert here(stream) == history.within(rows, 120)
    stream.refresh_from_db()
    assert "repair_from" not in stream.cursor
    assert reconciling.look(stream, by=operator)
    run(history.active(stream))
    assert Reconciliation.objects.latest("pk").is_even
    assert history.active(stream) is None
    assert history.totals(stream.connection.user) == history.summed(stream.connection.user)


def test_each_night_compares_once(stream: SyncStream) -> None:
    sync(stream)
    stream.refresh_from_db()
    assert stream.next_reconcile_at is not None
    night = stream.next_reconcile_at.astimezone(stream.connection.user.zone)
    assert 3 <= night.hour < 5
    assert reconciling.queue_due() == 0
    SyncStream.objects.update(next_reconcile_at=timezone.now())
    assert reconciling.queue_due() == 1
    assert reconciling.queue_due() == 0
    run(history.active(stream))
    stream.refresh_from_db()
    assert stream.next_reconcile_at > timezone.now()


def test_many_losses_in_a_week_wait_for_a_person_and_a_smaller_run_does_not_forget_them(
    garmin: RunningSandbox, stream: SyncStream, operator: User
) -> None:
    sync(stream)
    rows = there(garmin)
    del rows[10:25]
    SyncStream.objects.update(last_full_at=timezone.now() - reading.REREAD_EVERY)
    stream.refresh_from_db()
    job = sync(stream)
    assert (job.mode, job.deleted_n) == (Mode.FULL, 0)
    stream.refresh_from_db()
    assert stream.sweep_held_n == 15
    assert sync(stream).mode == Mode.INCREMENTAL
    stream.refresh_from_db()
    assert stream.sweep_held_n == 15, "the week alone says nothing of what vanished before it"
    approved = scheduling.approve_sweep(stream, by=operator)
    assert run(approved).deleted_n == 15
    after = SyncStream.objects.get(pk=stream.pk)
    assert (after.sweep_held_n, after.cursor.get("held_from")) == (None, None)


def test_a_run_knows_its_days_from_its_first_attempt_on(garmin: RunningSandbox, stream: SyncStream) -> None:
    garmin["garmin"].set_fault(ACCOUNT, "500")
    job = sync(stream)
    since = job.since
    garmin["garmin"].set_fault(ACCOUNT, "")
    SyncStream.objects.update(last_full_at=timezone.now(), cursor={"through": _today().isoformat()})
    library.make_due(job)
    syncing.run(job.pk)
    job.refresh_from_db()
    assert (job.status, job.mode, job.since) == ("succeeded", Mode.FULL, since)
