"""Writes small FIT activities for sandboxes and tests: https://developer.garmin.com/fit/protocol/"""

import struct
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

EPOCH = datetime(1989, 12, 31, tzinfo=UTC)
FILE_ID, SESSION, LAP, RECORD, ACTIVITY = 0, 18, 19, 20, 34
ENUM, UINT8, UINT16, UINT32, UINT32Z = 0x00, 0x02, 0x84, 0x86, 0x8C
FORMATS = {ENUM: "B", UINT8: "B", UINT16: "H", UINT32: "I", UINT32Z: "I"}
CRC_TABLE = (
    0x0000, 0xCC01, 0xD801, 0x1400, 0xF001, 0x3C00, 0x2800, 0xE401,
    0xA001, 0x6C00, 0x7800, 0xB401, 0x5000, 0x9C01, 0x8801, 0x4400,
)  # fmt: skip


class Sample(NamedTuple):
    """One second of the wearer's."""

    heart_rate: int
    speed_mps: float
    power_w: int


def activity(
    started_at: datetime,
    samples: Sequence[Sample],
    *,
    sport: int = 1,
    offset_s: int = 0,
    serial: int = 3_300_123,
    every_s: int = 1,
) -> bytes:
    """A whole file, one session with two laps, a sample every `every_s` seconds. Sport 1 is running, 2 cycling."""
    start, length = _stamp(started_at), len(samples) * every_s
    body = bytearray()
    body += _defined(0, FILE_ID, [(0, ENUM), (1, UINT16), (3, UINT32Z), (4, UINT32)])
    body += _row(0, "BHII", 4, 1, serial, start)
    body += _defined(1, RECORD, [(253, UINT32), (5, UINT32), (3, UINT8), (6, UINT16), (7, UINT16)])
    metres = 0.0
    for index, sample in enumerate(samples):
        metres += sample.speed_mps * every_s
        values = (start + index * every_s, round(metres * 100), sample.heart_rate)
        body += _row(1, "IIBHH", *values, round(sample.speed_mps * 1000), sample.power_w)
    body += _laps(start, samples, every_s)
    rates = [sample.heart_rate for sample in samples] or [0]
    sums = [(253, UINT32), (2, UINT32), (7, UINT32), (8, UINT32), (9, UINT32)]
    body += _defined(3, SESSION, [*sums, (5, ENUM), (16, UINT8), (17, UINT8)])
    average = round(sum(rates) / len(rates))
    times = (start + length, start, length * 1000, length * 1000)
    body += _row(3, "IIIIIBBB", *times, round(metres * 100), sport, average, max(rates))
    body += _defined(4, ACTIVITY, [(253, UINT32), (5, UINT32)])
    body += _row(4, "II", start + length, start + length + offset_s)
    return _framed(bytes(body))


def _laps(start: int, samples: Sequence[Sample], every_s: int) -> bytes:
    body = _defined(2, LAP, [(253, UINT32), (2, UINT32), (8, UINT32), (9, UINT32), (15, UINT8), (19, UINT16)])
    middle = (len(samples) + 1) // 2
    for first, part in ((0, samples[:middle]), (middle, samples[middle:])):
        if part:
            seconds = len(part) * every_s
            metres = sum(sample.speed_mps for sample in part) * every_s
            columns = ([sample.heart_rate for sample in part], [sample.power_w for sample in part])
            means = [round(sum(column) / len(part)) for column in columns]
            begin = start + first * every_s
            body += _row(2, "IIIIBH", begin + seconds, begin, seconds * 1000, round(metres * 100), *means)
    return body


def _defined(local: int, number: int, fields: Sequence[tuple[int, int]]) -> bytes:
    sizes = ((field, struct.calcsize(FORMATS[kind]), kind) for field, kind in fields)
    head = struct.pack("<BBBHB", 0x40 | local, 0, 0, number, len(fields))
    return head + b"".join(struct.pack("BBB", *size) for size in sizes)


def _row(local: int, kinds: str, *values: int) -> bytes:
    return struct.pack(f"<B{kinds}", local, *values)


def _framed(body: bytes) -> bytes:
    head = struct.pack("<BBHI4s", 14, 0x20, 2132, len(body), b".FIT")
    whole = head + struct.pack("<H", crc(head)) + body
    return whole + struct.pack("<H", crc(whole))


def crc(data: bytes) -> int:
    """The format's own check sum, four bits at a time."""
    value = 0
    for byte in data:
        for part in (byte & 0xF, byte >> 4):
            value = (value >> 4) & 0x0FFF ^ CRC_TABLE[value & 0xF] ^ CRC_TABLE[part]
    return value


def _stamp(at: datetime) -> int:
    return (at - EPOCH) // timedelta(seconds=1)
