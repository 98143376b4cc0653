"""Activities follow the provider: real client, real protocol, real database."""

from datetime import timedelta

import pytest
from django.utils import timezone

from accounts.models import User
from coaching.models import Activity
from integrations.models import DomainEvent, SyncStream
from integrations.sandbox import RunningSandbox
from integrations.services import reading
from tests.coaching import history
from tests.coaching.history import ACCOUNT, here, sync, there

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def stream(garmin: RunningSandbox, athlete: User) -> SyncStream:
    return history.connect(garmin, athlete)


def test_a_first_run_brings_the_last_month_with_its_totals(garmin: RunningSandbox, stream: SyncStream) -> None:
    job = sync(stream)
    assert here(stream) == history.within(there(garmin), 30)
    assert (job.status, job.mode, job.created_n, job.calls) == ("succeeded", "full", len(here(stream)), 1)
    raw = there(garmin)[0]
    row = Activity.objects.get(external_id=raw["activityId"])
    assert (row.name, row.duration_s, row.distance_m) == (raw["activityName"], raw["duration"], raw["distance"])
    assert (row.avg_hr, str(row.day), row.source) == (raw["averageHR"], raw["startTimeLocal"][:10], "garmin")
    assert row.load == pytest.approx(100 * row.duration_s / 3600 * (raw["averageHR"] / 165) ** 2, abs=0.1)
    athlete = stream.connection.user
    assert history.totals(athlete) == history.summed(athlete)
    event = DomainEvent.objects.get(type="activities.changed")
    assert event.payload["athlete"] == athlete.pk
    assert len(event.payload["activities"]) == len(here(stream))
    assert str(row.day) in event.payload["days"]


def test_an_unchanged_history_writes_no_row(stream: SyncStream) -> None:
    sync(stream)
    before, told = history.versions_of_rows(), DomainEvent.objects.filter(type="activities.changed").count()
    stream.refresh_from_db()
    stream.last_full_at = None  # the same days once more
    stream.save()
    job = sync(stream)
    assert (job.created_n, job.updated_n, job.unchanged_n) == (0, 0, len(here(stream)))
    assert history.versions_of_rows() == before
    assert DomainEvent.objects.filter(type="activities.changed").count() == told


def test_later_runs_look_a_week_back(garmin: RunningSandbox, stream: SyncStream) -> None:
    sync(stream)
    job = sync(stream)
    today = timezone.now().date()
    assert (job.mode, job.since) == ("incremental", today - timedelta(days=7))
    assert job.unchanged_n == len(history.within(there(garmin), 7))
    SyncStream.objects.update(last_full_at=timezone.now() - reading.REREAD_EVERY - timedelta(minutes=1))
    stream.refresh_from_db()
    job = sync(stream)
    assert (job.mode, job.since) == ("full", today - timedelta(days=30))


def test_after_weeks_without_a_run_the_next_one_goes_back_to_where_the_last_one_was(stream: SyncStream) -> None:
    sync(stream)
    stream.refresh_from_db()
    long_ago = timezone.now().date() - timedelta(days=60)
    stream.cursor["through"] = long_ago.isoformat()
    stream.save()
    assert sync(stream).since == long_ago - timedelta(days=7)


def test_an_edit_there_is_an_edit_here_and_both_days_totals_follow(garmin: RunningSandbox, stream: SyncStream) -> None:
    sync(stream)
    athlete = stream.connection.user
    raw = there(garmin)[2]
    there(garmin)[2] = history.at(raw, timezone.now() - timedelta(days=1)) | {"duration": 600.0}
    job = sync(stream)
    assert (job.created_n, job.updated_n) == (0, 1)
    assert Activity.objects.get(external_id=raw["activityId"]).duration_s == 600
    assert history.totals(athlete) == history.summed(athlete)
    assert len(DomainEvent.objects.filter(type="activities.changed").latest("pk").payload["days"]) == 2


def test_a_late_upload_comes_with_the_next_run(garmin: RunningSandbox, stream: SyncStream) -> None:
    sync(stream)
    five_days_ago = (timezone.now() - timedelta(days=5)).date().isoformat()
    garmin["garmin"].change(ACCOUNT, "train", "", five_days_ago)
    job = sync(stream)
    assert job.created_n == 1
    assert here(stream) == history.within(there(garmin), 30)


def test_what_is_deleted_there_is_asked_for_marked_and_comes_back(garmin: RunningSandbox, stream: SyncStream) -> None:
    sync(stream)
    athlete = stream.connection.user
    raw = there(garmin).pop(1)
    job = sync(stream)
    assert job.deleted_n == 1
    assert garmin["garmin"].count(history.READING) == 1
    assert Activity.objects.get(external_id=raw["activityId"]).gone_at is not None
    assert history.totals(athlete) == history.summed(athlete)
    there(garmin).insert(1, raw)
    assert sync(stream).updated_n == 1
    assert here(stream) == history.within(there(garmin), 30)
    assert history.totals(athlete) == history.summed(athlete)
