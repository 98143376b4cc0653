"""FIT files: whole days of them, chains of them, and only what we ask for."""

import struct
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from coaching.files import fit_frames, reading
from coaching.files.shapes import Budget, FileActivity, FileRefused
from integrations.records import Sport
from integrations.sandbox.fitfile import crc as slow_crc
from tests.coaching.activity_world import START, run_file
from tests.coaching.long_ride import framed, ride


def read(content: bytes) -> FileActivity:
    return reading.read(content, reading.budget_for(content))


def test_a_ride_of_twelve_hours_with_every_sensor_is_read_whole() -> None:
    """Within its budget many times over, and each second of it where it belongs."""
    content = ride(hours=12)
    budget = Budget(reading.ONE_FILE_S)
    found = reading.read(content, budget)
    budget.spend()
    assert (len(content) > 2_500_000, len(found.points), len(found.laps)) == (True, 43_200, 36)
    assert (found.sport, found.started_at, found.duration_s, found.device) == (Sport.CYCLING, START, 43_200, "3300124")
    for second in (0, 1, 30_001, 43_199):
        point = found.points[second]
        assert point.at == START + timedelta(seconds=second)
        assert (point.heart_rate, point.speed_mps, point.power_w) == (120 + second % 30, 8.3, 180 + second % 90)
        assert point.distance_m == pytest.approx(second * 8.3)


def test_files_in_a_chain_are_read_as_one() -> None:
    """Some watches write one behind the other; each has its own check sum."""
    second = run_file(START + timedelta(hours=1), minutes=1)
    assert len(read(run_file(minutes=1) + second).points) == 120
    with pytest.raises(FileRefused) as caught:
        read(run_file(minutes=1) + second[:-1] + bytes([second[-1] ^ 1]))
    assert caught.value.code == "fit_invalid"


@given(st.binary(max_size=300))
@hypothesis_settings(max_examples=100, deadline=None)
def test_the_check_sum_two_bytes_at_a_time_is_that_of_the_format(content: bytes) -> None:
    assert fit_frames.check_sum(content, Budget(10)) == slow_crc(content)


def test_what_nobody_asks_for_is_skipped_and_the_rest_stands_where_it_stood() -> None:
    """A message of an unknown kind, with developer fields around it, between two samples."""
    stamp = 1_163_917_800
    record = struct.pack("<BBBHB", 0x40, 0, 0, 20, 4) + bytes([0, 4, 0x85, 253, 4, 0x86, 39, 2, 0x84, 3, 1, 2])
    unknown = struct.pack("<BBBHB", 0x61, 0, 0, 0xFF00, 3) + bytes([1, 3, 2, 253, 4, 0x86, 9, 5, 13, 1, 7, 2, 0])
    sample = struct.pack("<BiIHB", 0, 5, stamp, 7, 141)
    later = struct.pack("<BiIHB", 0, 5, stamp + 60, 7, 143)
    found = read(framed(record + sample + unknown + b"\x01" + bytes(14) + later))
    assert [point.heart_rate for point in found.points] == [141, 143]
    assert found.duration_s == 60
