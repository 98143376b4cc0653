"""An upload on its way: brought at once, read by workers that die, gone with its owner."""

import os
import signal
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db.models.functions import Now
from django.utils import timezone

from accounts import data_requests, privacy
from accounts.models import User
from coaching.files import reading
from coaching.models import Activity, ActivityDetail, ActivityFile, DailyTotal, Upload
from coaching.services import clearing, parsing, uploading
from coaching.tasks import tick_uploads
from tests.coaching.activity_world import START, run_file, tcx
from tests.coaching.uploads import (
    bring,
    held_up,
    kept_files,
    parts_of,
    read,
    start_worker,
    upload,
    zipped,
)
from tests.coaching.world import in_parallel
from tests.patience import until

SCALE = 0.02  # a lease of 1.2 s
RUNS = [run_file(START + timedelta(days=day), minutes=1) for day in range(3)]
RIDE = tcx([(START, 600, 5000, 130)])


@pytest.fixture
def quick(settings: Any) -> None:
    settings.TIME_SCALE = SCALE


@pytest.mark.django_db(transaction=True)
def test_the_same_file_at_once_is_one_upload_and_one_activity(athlete: User, settings: Any) -> None:
    uploads = in_parallel(6, lambda: bring(athlete, "run.fit", RUNS[0]))
    assert len({found.pk for found in uploads}) == 1
    assert len(kept_files(settings.MEDIA_ROOT)) == 1
    in_parallel(6, lambda: parsing.read(uploads[0].pk))
    assert (Activity.objects.count(), ActivityFile.objects.count(), Upload.objects.count()) == (1, 1, 1)
    assert len(kept_files(settings.MEDIA_ROOT)) == 1
    assert [part.is_new for part in parts_of(Upload.objects.get())] == [True]


@pytest.mark.django_db(transaction=True)
def test_a_file_that_comes_alone_and_in_a_zip_at_once_is_one_activity(athlete: User, settings: Any) -> None:
    contents = [RUNS[0], zipped({"a.fit": RUNS[0]}), zipped({"b.fit": RUNS[0], "c.tcx": RIDE})]
    waiting = [bring(athlete, "x", content) for content in contents]
    in_parallel(3, lambda: parsing.read(waiting.pop().pk))
    assert (Activity.objects.count(), ActivityFile.objects.count()) == (2, 2)
    assert set(Upload.objects.values_list("status", flat=True)) == {"done"}
    new = [part["is_new"] for found in Upload.objects.all() for part in found.parts]
    assert sorted(new) == [False, False, True, True]
    assert len(kept_files(settings.MEDIA_ROOT)) == 2


@pytest.mark.django_db
def test_a_file_whose_activity_was_deleted_is_read_anew(athlete: User) -> None:
    made = upload(athlete, "a.zip", zipped({"a.fit": RUNS[0], "b.fit": RUNS[1]}))
    uploading.remove(ActivityFile.objects.get(name="a.fit"), by=athlete)
    assert made[0].activity
    again = upload(athlete, "a.zip", zipped({"a.fit": RUNS[0], "b.fit": RUNS[1]}))
    assert [part.is_new for part in again] == [True, False]
    assert (Upload.objects.count(), Activity.objects.count()) == (1, 2)


@pytest.mark.django_db
def test_a_file_that_stayed_without_its_activity_makes_way(athlete: User, settings: Any) -> None:
    upload(athlete, "run.fit", RUNS[0])
    Activity.objects.all().delete()
    assert [part.is_new for part in upload(athlete, "run.fit", RUNS[0])] == [True]
    assert ActivityFile.objects.get().activity == Activity.objects.get()


@pytest.mark.django_db
def test_what_was_refused_may_be_tried_again(athlete: User) -> None:
    first = read(bring(athlete, "cut.fit", RUNS[0][:500]))
    assert (first.status, first.error_code) == ("refused", "fit_cut_off")
    again = bring(athlete, "cut.fit", RUNS[0][:500])
    assert (again.pk, again.public_id, again.status, again.error_code) == (first.pk, first.public_id, "received", "")


@pytest.mark.django_db
def test_a_worker_makes_activities_and_keeps_no_copy(athlete: User, settings: Any) -> None:
    files = {"a/run.fit": RUNS[0], "b/ride.tcx": RIDE, "broken.fit": b"x" * 50, "readme.txt": b"hi"}
    found = read(bring(athlete, "export.zip", zipped(files)))
    assert (found.status, found.error_code, found.files_n) == ("partly", "some_files", 3)
    assert found.error_detail == "1 of its 3 files could not be read."
    assert [(part.name, part.is_new, part.code) for part in parts_of(found)] == [
        ("run.fit", True, ""), ("ride.tcx", True, ""), ("broken.fit", False, "unknown_format"),
    ]  # fmt: skip
    assert found.finished_at
    assert not found.stored
    assert len(kept_files(settings.MEDIA_ROOT)) == Activity.objects.count() == 2


@pytest.mark.django_db
def test_an_upload_is_read_once(athlete: User) -> None:
    found = read(bring(athlete, "run.fit", RUNS[0]))
    before = Upload.objects.values().get()
    parsing.read(found.pk)
    assert Upload.objects.values().get() == before


@pytest.mark.django_db
def test_a_lost_bell_is_made_good_by_the_tick(athlete: User, monkeypatch: pytest.MonkeyPatch) -> None:
    waiting = bring(athlete, "run.fit", RUNS[0])
    read(bring(athlete, "other.fit", RUNS[1]))
    rung: list[tuple[object, ...]] = []
    monkeypatch.setattr("coaching.tasks.bell.ring", lambda task, *args: rung.append((task.name, *args)))
    tick_uploads()
    assert rung == [("coaching.tasks.read_upload", waiting.pk)]


@pytest.mark.django_db(transaction=True)
def test_a_worker_killed_in_the_middle_leaves_whole_parts_and_the_next_one_ends_it(
    athlete: User, settings: Any, quick: None
) -> None:
    files = {f"{number}.fit": content for number, content in enumerate(RUNS)}
    found = bring(athlete, "week.zip", zipped(files))
    with held_up(athlete, reading.Loose("", RUNS[1]).sha256) as somebody_waits:
        worker = start_worker(found)
        until(lambda: somebody_waits() or worker.poll() is not None)
        os.kill(worker.pid, signal.SIGKILL)
        assert worker.wait() == -signal.SIGKILL, "it was still at work"
    found.refresh_from_db()
    assert (found.status, len(found.parts), Activity.objects.count()) == ("reading", 1, 1)
    parsing.read(found.pk)
    assert Upload.objects.get().crashes == 0, "nobody takes it before the lease is over"
    until(parsing.reap)
    assert start_worker(found).wait() == 0
    found.refresh_from_db()
    assert (found.status, found.crashes, found.attempts) == ("done", 1, 2)
    assert [part.is_new for part in parts_of(found)] == [True, True, True]
    assert Activity.objects.count() == ActivityFile.objects.count() == ActivityDetail.objects.count() == 3
    assert sum(DailyTotal.objects.values_list("activities_n", flat=True)) == 3
    named = {Path(str(stored)).name for stored in ActivityFile.objects.values_list("stored", flat=True)}
    for path in kept_files(settings.MEDIA_ROOT):
        os.utime(path, (0, 0))
    clearing.clear_strays()
    assert {path.name for path in kept_files(settings.MEDIA_ROOT)} == named


def abandoned(found: Upload) -> Upload:
    """As a worker leaves it that was killed a while ago."""
    held = Upload.objects.claim(found.pk)
    assert held
    Upload.objects.filter(pk=found.pk).update(lease_until=Now() - timedelta(seconds=1))
    return held


@pytest.mark.django_db
def test_after_the_last_try_it_is_refused_in_a_sentence(athlete: User, settings: Any) -> None:
    found = bring(athlete, "run.fit", RUNS[0])
    for crash in range(1, parsing.MOST_CRASHES + 1):
        abandoned(found)
        assert parsing.reap() == 1
        found.refresh_from_db()
        assert (found.crashes, found.status) == (crash, "received" if crash < parsing.MOST_CRASHES else "refused")
    assert found.error_code == "worker_lost"
    assert found.error_detail.startswith("Reading it was interrupted 3 times, so we stopped.")
    assert kept_files(settings.MEDIA_ROOT) == []
    assert parsing.reap() == 0


@pytest.mark.django_db
def test_what_was_read_before_the_last_crash_stays_and_is_told(athlete: User) -> None:
    found = bring(athlete, "a.zip", zipped({"a.fit": RUNS[0], "b.fit": RUNS[1]}))
    made = read(bring(athlete, "a.fit", RUNS[0])).parts
    abandoned(found)
    Upload.objects.filter(pk=found.pk).update(parts=made, crashes=parsing.MOST_CRASHES - 1)
    parsing.reap()
    found.refresh_from_db()
    assert (found.status, found.parts) == ("partly", made)


@pytest.mark.django_db
def test_a_worker_that_lost_its_lease_writes_nothing(
    athlete: User, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A frozen one that wakes up: somebody else has the upload meanwhile."""
    found = bring(athlete, "run.fit", RUNS[0])
    parse = reading.read

    def slow(*args: Any) -> Any:
        Upload.objects.filter(pk=found.pk).update(lease_until=Now() - timedelta(seconds=1))
        parsing.reap()
        return parse(*args)

    monkeypatch.setattr("coaching.services.parsing.reading.read", slow)
    parsing.read(found.pk)
    found.refresh_from_db()
    assert (found.status, found.parts, found.crashes) == ("received", [], 1)
    assert not Activity.objects.exists()
    assert not ActivityFile.objects.exists()
    assert len(kept_files(settings.MEDIA_ROOT)) == 1, "only what is still to be read"
    monkeypatch.setattr("coaching.services.parsing.reading.read", parse)
    assert read(found).status == "done"


@pytest.mark.django_db
def test_a_long_reading_holds_its_lease(athlete: User, settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    found = bring(athlete, "run.fit", RUNS[0])
    settings.TIME_SCALE = 1e-9  # a beat is due at every look
    extended: list[int] = []
    extend = Upload.extend

    def noted(upload: Upload) -> bool:
        extended.append(upload.pk)
        return extend(upload)

    monkeypatch.setattr(Upload, "extend", noted)
    parsing.read(found.pk)
    assert set(extended) == {found.pk}


@pytest.mark.django_db(transaction=True)
def test_the_end_of_an_account_takes_uploads_and_their_files_along(athlete: User, settings: Any) -> None:
    read(bring(athlete, "run.fit", RUNS[0]))
    bring(athlete, "waiting.fit", RUNS[1])
    assert len(kept_files(settings.MEDIA_ROOT)) == 2
    data_requests.ask(athlete, "erasure")
    data_requests.work_due()
    assert not Upload.objects.exists()
    assert not Activity.objects.exists()
    assert kept_files(settings.MEDIA_ROOT) == []


@pytest.mark.django_db(transaction=True)
def test_who_is_erased_while_a_worker_reads_is_not_written_of_again(
    athlete: User, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = bring(athlete, "run.fit", RUNS[0])
    parse = reading.read

    def meanwhile(*args: Any) -> Any:
        done = parse(*args)
        data_requests.ask(athlete, "erasure")
        data_requests.work_due()
        return done

    monkeypatch.setattr("coaching.services.parsing.reading.read", meanwhile)
    parsing.read(found.pk)
    assert not Activity.objects.exists()
    assert not ActivityFile.objects.exists()
    assert kept_files(settings.MEDIA_ROOT) == []


@pytest.mark.django_db
def test_a_copy_of_ones_data_tells_of_uploads(athlete: User) -> None:
    read(bring(athlete, "run.fit", RUNS[0]))
    part = next(part for part in privacy.parts() if part.name == "coaching")
    told = {entry.name: entry for entry in part.export(athlete)}
    rows = list(told["uploads.json"].rows)  # type: ignore[union-attr]
    assert [(row["name"], row["status"]) for row in rows] == [("run.fit", "done")]


@pytest.mark.django_db
def test_strays_go_and_what_a_row_names_stays(athlete: User, settings: Any) -> None:
    read(bring(athlete, "run.fit", RUNS[0]))
    bring(athlete, "waiting.fit", RUNS[1])
    month = f"{timezone.now():%Y/%m}"
    for folder, name in (("uploads", "a"), ("activities", "b.fit"), ("activities", f"{athlete.public_id}.fit")):
        default_storage.save(f"{folder}/{month}/{name}", ContentFile(b"left behind"))
    assert clearing.clear_strays() == 0, "their rows may still be on their way"
    for path in kept_files(settings.MEDIA_ROOT):
        os.utime(path, (0, 0))
    assert clearing.clear_strays() == 3
    assert len(kept_files(settings.MEDIA_ROOT)) == 2
    assert ActivityFile.objects.get().stored.read() == RUNS[0]
