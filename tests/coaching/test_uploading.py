"""Files that athletes bring: what is read of them, what is refused, and what stays when they go."""

import io
import struct
import time
import zipfile
import zlib
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from accounts.models import User
from coaching.files import packed, reading
from coaching.files.shapes import Budget, FileActivity, FileRefused
from coaching.models import Activity, ActivityDetail, ActivityFile, CoachingLink, DailyTotal, Match, Scope, Upload
from coaching.services import parsing
from integrations.models import DomainEvent
from integrations.records import Sport
from tests.coaching.activity_world import START, gpx, run_file, stored, tcx
from tests.coaching.long_ride import crc, framed
from tests.coaching.uploads import bring, kept_files, upload, zipped
from tests.coaching.world import offer

POINTS = [(START + timedelta(seconds=second), second * 3.0, 120 + second // 60) for second in range(0, 601, 5)]
LAPS = [(START, 600, 5000, 130), (START + timedelta(seconds=600), 300, 2500, 160)]
DTD = (
    b'<?xml version="1.0"?><!DOCTYPE gpx [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]><gpx><trk>&b;</trk></gpx>'
)
OUTSIDE = b'<?xml version="1.0"?><!DOCTYPE gpx SYSTEM "file:///etc/passwd"><gpx/>'


@pytest.fixture(autouse=True)
def _storage(settings: Any, tmp_path: Path) -> None:
    settings.MEDIA_ROOT = str(tmp_path)


def read(content: bytes) -> FileActivity:
    return reading.read(content, reading.budget_for(content))


def refused(content: bytes, *, name: str = "file.fit") -> str:
    """The code; whatever it is, it comes within two seconds of a processor."""
    begun = time.thread_time()
    with pytest.raises(FileRefused) as caught:
        [reading.read(loose.content, reading.budget_for(content)) for loose in reading.files_in(name, content)]
    assert time.thread_time() - begun < 2
    return caught.value.code


def test_a_fit_file_tells_sums_laps_samples_device_and_clock() -> None:
    found = read(run_file())
    assert (found.sport, found.started_at, found.duration_s, found.utc_offset_s) == (Sport.RUNNING, START, 1200, 3600)
    assert (found.avg_hr, found.max_hr, found.device) == (134, 149, "3300123")
    assert found.distance_m == pytest.approx(3959, abs=2)
    assert [(lap.duration_s, lap.avg_power_w) for lap in found.laps] == [(600, 210), (600, 210)]
    assert len(found.points) == 1200


def test_a_gpx_track_is_summed_from_its_places() -> None:
    found = read(gpx(POINTS))
    assert (found.sport, found.name, found.started_at, found.duration_s) == (Sport.RUNNING, "Morning run", START, 600)
    assert found.distance_m == pytest.approx(1800, rel=0.005)
    assert (found.avg_hr, found.max_hr) == (125, 130)
    assert found.points[5].speed_mps == pytest.approx(3, rel=0.01)


def test_a_gpx_climb_leaves_the_receivers_noise_out() -> None:
    heights = [100, 101, 100, 102, 100, 110, 130, 129, 128, 90, 100]
    content = gpx([(START + timedelta(seconds=n), n, 120) for n in range(len(heights))])
    for height in heights:
        content = content.replace(b"<ele>20</ele>", f"<ele>{height}</ele>".encode(), 1)
    assert read(content).ascent_m == 40


def test_a_tcx_file_is_the_sum_of_its_laps() -> None:
    found = read(tcx(LAPS))
    assert (found.sport, found.started_at, found.duration_s, found.distance_m) == (Sport.CYCLING, START, 900, 7500)
    assert (found.avg_hr, found.max_hr, found.energy_kcal, found.device) == (140, 180, 200, "991")
    assert (found.points[0].power_w, found.points[0].speed_mps) == (205, 8.5)


def test_a_tcx_file_of_several_activities_gives_the_first() -> None:
    twice = tcx(LAPS).replace(b"</Activities>", tcx(LAPS[:1], sport="Running").split(b"<Activities>")[1], 1)
    assert read(twice.replace(b"</TrainingCenterDatabase>" * 2, b"</TrainingCenterDatabase>")).duration_s == 900


@pytest.mark.parametrize("name", ["run.fit", "run.gpx", "photo.jpg"])
def test_what_a_file_is_decides_and_not_how_it_is_called(athlete: User, name: str) -> None:
    assert [file.format for file in _files(athlete, name, tcx(LAPS))] == ["tcx"]


def _files(athlete: User, name: str, content: bytes) -> list[ActivityFile]:
    upload(athlete, name, content)
    return list(ActivityFile.objects.filter(athlete=athlete))


def _bad_crc() -> bytes:
    good = bytearray(run_file())
    good[-1] ^= 0xFF
    return bytes(good)


def _claims_four_gigabytes() -> bytes:
    good = bytearray(run_file())
    good[4:8] = b"\xff\xff\xff\xff"
    good[12:14] = struct.pack("<H", crc(bytes(good[:12])))
    return bytes(good)


def _a_million_fields() -> bytes:
    return framed((struct.pack("<BBBHB", 0x40, 0, 0, 20, 255) + b"\x07\x02\x84" * 255) * 4_000)


def _developer_fields() -> bytes:
    return framed((struct.pack("<BBBHB", 0x60, 0, 0, 20, 0) + b"\xff" + b"\x00\x01\x00" * 255) * 4_000)


def _past_its_end() -> bytes:
    """The last record says that it is longer than what is left of the file."""
    return framed(struct.pack("<BBBHB", 0x40, 0, 0, 20, 1) + b"\xfd\x04\x86" + b"\x00\x01")


def _bad_head_crc() -> bytes:
    good = bytearray(run_file())
    good[12] ^= 0xFF
    return bytes(good[:-2]) + struct.pack("<H", crc(good[:-2]))


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "empty"),
        (b"hello", "unknown_format"),
        (b"\x89PNG\r\n" + bytes(100), "unknown_format"),
        (run_file().replace(b".FIT", b".FAT", 1), "unknown_format"),
        (b"\xff" + run_file()[1:], "fit_invalid"),
        (run_file()[:2000], "fit_cut_off"),
        (_claims_four_gigabytes(), "fit_cut_off"),
        (_bad_crc(), "fit_invalid"),
        (_bad_head_crc(), "fit_invalid"),
        (_past_its_end(), "fit_invalid"),
        (run_file(minutes=1) + b"and more", "fit_invalid"),
        (_a_million_fields(), "fit_invalid"),
        (_developer_fields(), "fit_invalid"),
        (DTD, "xml_dtd"),
        (OUTSIDE, "xml_dtd"),
        (gpx(POINTS)[:900], "xml_broken"),
        (gpx([]), "gpx_no_times"),
        (b"<gpx>" + b"<a>" * 50, "xml_too_deep"),
        (b'<?xml version="1.0" encoding="klingon"?><gpx/>', "xml_broken"),
        (tcx([]), "tcx_empty"),
        (tcx([(START, 60, 100, 120)]).replace(b"<TotalTimeSeconds>60", b"<TotalTimeSeconds>NaN"), "tcx_lap"),
        (tcx([(START, 60, 100, 120)]).replace(b"2026-", b"1026-"), "odd_year"),
        (tcx([(START, 60, 100, 120)]).replace(b"<TotalTimeSeconds>60", b"<TotalTimeSeconds>9999999"), "too_long"),
        (bytes(reading.MOST_BYTES + 1), "too_large"),
    ],
)
def test_what_is_no_activity_is_refused_by_name_and_at_once(content: bytes, code: str) -> None:
    assert refused(content) == code


@given(st.binary(max_size=40), st.integers(min_value=14, max_value=3000))
@hypothesis_settings(max_examples=60, deadline=None)
def test_damaged_files_are_refused_or_read_and_never_crash(damage: bytes, at: int) -> None:
    content = bytearray(run_file(minutes=2))
    content[at : at + len(damage)] = damage
    content[-2:] = struct.pack("<H", crc(bytes(content[:-2])))
    try:
        found = read(bytes(content))
    except FileRefused:
        return
    assert found.duration_s
    assert found.avg_hr is None or 20 <= found.avg_hr <= 260


def test_millions_of_elements_take_no_more_than_their_time() -> None:
    """What a budget allows is what is spent, however much there is to read: here a hundredth of it."""
    content, begun = b"<gpx>" + b"<a/>" * 4_000_000 + b"</gpx>", time.thread_time()
    with pytest.raises(FileRefused) as caught:
        reading.read(content, Budget(0.1))
    assert caught.value.code == "too_slow"
    assert time.thread_time() - begun < 1


@pytest.mark.parametrize("content", [run_file(), gpx(POINTS), tcx(LAPS)], ids=["fit", "gpx", "tcx"])
def test_a_budget_that_is_spent_ends_the_reading(content: bytes) -> None:
    with pytest.raises(FileRefused, match="too long"):
        reading.read(content, Budget(0))


def test_a_twelve_hour_track_of_either_text_format_is_read_whole() -> None:
    track = gpx([(START + timedelta(seconds=second), second * 8.3, 120) for second in range(43_200)])
    found = reading.read(track, Budget(reading.ONE_FILE_S))
    assert (len(found.points), found.duration_s) == (43_200, 43_199)
    laps = [(START + timedelta(hours=hour), 3600, 30_000, 140) for hour in range(12)]
    assert reading.read(tcx(laps), Budget(reading.ONE_FILE_S)).duration_s == 43_200


def _bomb() -> bytes:
    return zipped({"a.gpx": b"<gpx>" + bytes(30 * 1024 * 1024)})


def _many() -> bytes:
    return zipped({f"{number}.fit": b"x" for number in range(100_000)})


def _lying() -> bytes:
    """The directory says 10 bytes, the stream unpacks to more than is allowed."""
    body = zlib.compressobj(9, zlib.DEFLATED, -15)
    data = body.compress(bytes(40 * 1024 * 1024)) + body.flush()
    honest = zipped({"a.fit": b"x"})
    with zipfile.ZipFile(io.BytesIO(honest)) as archive:
        entry = archive.infolist()[0]
    name, sizes = b"a.fit", struct.pack("<III", entry.CRC, len(data), len(data) * 100)
    local = b"PK\x03\x04" + struct.pack("<HHHHH", 20, 0, 8, 0, 0) + sizes + struct.pack("<HH", 5, 0) + name + data
    central = (
        b"PK\x01\x02" + struct.pack("<HHHHHH", 20, 20, 0, 8, 0, 0) + sizes
        + struct.pack("<HHHHHII", 5, 0, 0, 0, 0, 0, 0) + name
    )  # fmt: skip
    end = b"PK\x05\x06" + struct.pack("<HHHHIIH", 0, 0, 1, 1, len(central), len(local), 0)
    return local + central + end


def _link() -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        entry = zipfile.ZipInfo("a.fit")
        entry.external_attr = 0o120777 << 16
        archive.writestr(entry, "/etc/passwd")
    return made.getvalue()


def _locked() -> bytes:
    content = bytearray(zipped({"a.fit": run_file(minutes=1)}))
    content[6] |= 1
    at = content.rindex(b"PK\x01\x02")
    content[at + 8] |= 1
    return bytes(content)


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (_bomb(), "zip_bomb"),
        (_many(), "zip_entries"),
        (_lying(), "zip_invalid"),
        (_link(), "zip_path"),
        (_locked(), "zip_encrypted"),
        (zipped({"../../x.fit": run_file(minutes=1)}), "zip_path"),
        (zipped({"/etc/x.fit": run_file(minutes=1)}), "zip_path"),
        (zipped({"notes.txt": b"hello"}), "zip_empty"),
        (zipped({f"{n}.fit": b"x" for n in range(packed.MOST_FILES + 1)}), "zip_size"),
        (zipped({"a.fit": run_file(minutes=1)})[:300], "zip_invalid"),
        (b"PK\x03\x04" + bytes(200), "zip_invalid"),
    ],
    ids=["bomb", "entries", "lying", "link", "locked", "wanders", "root", "empty", "files", "cut", "nothing"],
)
def test_a_zip_that_means_harm_is_refused_before_it_is_unpacked(content: bytes, code: str) -> None:
    assert refused(content, name="a.zip") == code


@pytest.mark.django_db
def test_an_upload_is_an_activity_like_any_other(athlete: User) -> None:
    outcome = upload(athlete, "C:\\watch\\run.fit", run_file())[0]
    found = outcome.activity
    assert found
    file = ActivityFile.objects.get()
    assert (found.source, found.external_id, found.file_hash) == ("file", file.sha256[:32], file.sha256)
    assert (found.day, found.utc_offset_s, found.device) == (date(2026, 11, 18), 3600, "3300123")
    assert (file.activity, file.name, file.format) == (found, "run.fit", "fit")
    assert file.stored.read() == run_file()
    total = DailyTotal.objects.get(athlete=athlete)
    assert (total.day, total.source, total.activities_n, total.duration_s) == (found.day, "file", 1, 1200)
    event = DomainEvent.objects.get(type="activities.changed")
    assert event.payload["activities"] == [found.pk]
    detail = ActivityDetail.objects.get(activity=found)
    assert len(detail.laps) == 2
    assert len(detail.series["time_s"]) == len(detail.series["heart_rate"]) == 600
    assert detail.expires_at is None


@pytest.mark.django_db
def test_a_file_without_an_offset_was_recorded_on_the_athletes_clock(athlete: User) -> None:
    athlete.time_zone = "Asia/Tokyo"
    athlete.save()
    found = upload(athlete, "run.gpx", gpx(POINTS))[0].activity
    assert found
    assert (found.utc_offset_s, found.time_zone) == (9 * 3600, "Asia/Tokyo")


@pytest.mark.django_db
def test_two_athletes_may_bring_the_same_file(athlete: User, stranger: User) -> None:
    first, second = (upload(person, "run.fit", run_file(minutes=1))[0].activity for person in (athlete, stranger))
    assert first != second


@pytest.mark.django_db
def test_an_upload_hands_its_file_back_to_the_athlete_alone(
    as_athlete: Client, athlete: User, coach: User, link: CoachingLink
) -> None:
    link.scopes = [scope.value for scope in Scope]
    link.save()
    upload(athlete, "run.fit", run_file(minutes=1))
    found = Activity.objects.get()
    address = reverse("coaching:download", args=[found.public_id])
    given = as_athlete.get(address)
    assert b"".join(given.streaming_content) == run_file(minutes=1)  # type: ignore[attr-defined]
    assert given["Content-Disposition"] == 'attachment; filename="run.fit"'
    other = Client()
    other.force_login(coach)
    assert other.get(reverse("coaching:activity", args=[found.public_id])).status_code == 200
    assert other.get(address).status_code == 404


@pytest.mark.django_db(transaction=True)
def test_a_deleted_upload_leaves_nothing_behind(
    as_athlete: Client, athlete: User, link: CoachingLink, settings: Any
) -> None:
    upload(athlete, "run.fit", run_file(minutes=1))
    found = Activity.objects.get()
    Match.objects.create(share=offer(link), activity=found, how="day")
    hidden = stored(athlete, "77", source="strava", started_at=START)
    Activity.objects.filter(pk=hidden.pk).update(merged_into=found)
    as_athlete.post(reverse("coaching:delete_upload", args=[found.public_id]))
    assert list(Activity.objects.of(athlete)) == [hidden]
    assert not ActivityFile.objects.exists()
    assert not Upload.objects.exists()
    assert not Match.objects.exists()
    assert kept_files(settings.MEDIA_ROOT) == []
    assert [row.source for row in DailyTotal.objects.all()] == ["strava"]


@pytest.mark.django_db
def test_only_an_upload_can_be_deleted(as_athlete: Client, athlete: User) -> None:
    synced = stored(athlete, "5", source="garmin")
    assert as_athlete.post(reverse("coaching:delete_upload", args=[synced.public_id])).status_code == 404
    assert Activity.objects.filter(pk=synced.pk).exists()


@pytest.mark.django_db
def test_a_file_that_could_not_be_recorded_is_not_kept(
    athlete: User, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Broken(Exception):
        pass

    def fail(*_: object) -> None:
        raise Broken

    monkeypatch.setattr(parsing, "keep_details", fail)
    brought = bring(athlete, "run.fit", run_file(minutes=1))
    with pytest.raises(Broken):
        parsing.read(brought.pk)
    assert not Activity.objects.exists()
    assert [path.name for path in kept_files(settings.MEDIA_ROOT)] == [Path(brought.stored.name or "").name]
