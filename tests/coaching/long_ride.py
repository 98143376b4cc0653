"""A long day out, as a watch with every sensor writes it: some megabytes of FIT."""

import struct
from array import array
from datetime import datetime
from itertools import batched

from integrations.sandbox.fitfile import CRC_TABLE
from tests.coaching.activity_world import START

EPOCH_S = 631_065_600  # where FIT's clock begins, in Unix seconds
RECORD_FIELDS = (  # number, struct format, type of the format: all that a modern watch writes each second
    (253, "I", 0x86), (0, "i", 0x85), (1, "i", 0x85), (5, "I", 0x86), (2, "H", 0x84), (78, "I", 0x86), (6, "H", 0x84),
    (73, "I", 0x86), (7, "H", 0x84), (29, "I", 0x86), (3, "B", 0x02), (4, "B", 0x02), (13, "b", 0x01), (53, "B", 0x02),
    (30, "B", 0x02), (39, "H", 0x84), (40, "H", 0x84), (41, "H", 0x84), (83, "H", 0x84), (84, "H", 0x84),
    (85, "H", 0x84), (87, "H", 0x84), (107, "H", 0x84), (108, "H", 0x84), (135, "B", 0x02), (136, "B", 0x02),
    (137, "B", 0x02), (138, "B", 0x02),
)  # fmt: skip


def ride(*, hours: float = 12, started_at: datetime = START) -> bytes:
    """One sample a second with all fields, a lap of 20 minutes each, one session."""
    start, seconds = int(started_at.timestamp()) - EPOCH_S, int(hours * 3600)
    body = bytearray(_defined(0, 0, ((0, "B", 0x00), (1, "H", 0x84), (3, "I", 0x8C), (4, "I", 0x86))))
    body += struct.pack("<BBHII", 0, 4, 1, 3_300_124, start)
    body += _defined(1, 20, RECORD_FIELDS)
    packer = struct.Struct("<B" + "".join(form for _, form, _ in RECORD_FIELDS))
    for second in range(seconds):
        body += packer.pack(1, *_sample(start, second))
    body += _defined(2, 19, ((253, "I", 0x86), (2, "I", 0x86), (8, "I", 0x86), (9, "I", 0x86), (15, "B", 0x02)))
    for lap in batched(range(seconds), 1200):
        body += struct.pack("<BIIIIB", 2, start + lap[-1], start + lap[0], len(lap) * 1000, len(lap) * 830, 131)
    body += _defined(3, 18, ((253, "I", 0x86), (2, "I", 0x86), (8, "I", 0x86), (9, "I", 0x86), (5, "B", 0x00)))
    body += struct.pack("<BIIIIB", 3, start + seconds, start, seconds * 1000, seconds * 830, 2)
    return framed(bytes(body))


def framed(body: bytes) -> bytes:
    """With a head and a check sum that are right: what is refused then is what is in it."""
    head = struct.pack("<BBHI4s", 14, 0x20, 2132, len(body), b".FIT")
    whole = head + struct.pack("<H", crc(head)) + body
    return whole + struct.pack("<H", crc(whole))


def _sample(start: int, second: int) -> tuple[int, ...]:
    metres, height, pulse, cadence = second * 830, 2_600 + second % 900, 120 + second % 30, 80 + second % 15
    running = (4_000 + second % 50, 6_000, 3_500, 850, 5_050, 11_000, 900, 300, 5_000)
    return (
        start + second, 461_373_440 + second * 90, -109_051_904 + second * 7, metres, height, height, 8_300, 8_300,
        180 + second % 90, second * 200, pulse, cadence, 19, 0, 50, *running, pulse, 128, 140, 60,
    )  # fmt: skip


def _defined(local: int, number: int, fields: tuple[tuple[int, str, int], ...]) -> bytes:
    head = struct.pack("<BBBHB", 0x40 | local, 0, 0, number, len(fields))
    return head + b"".join(struct.pack("BBB", field, struct.calcsize(form), kind) for field, form, kind in fields)


def crc(content: bytes | bytearray) -> int:
    """The format's own check sum, a byte at a time: of some megabytes."""
    value = 0
    for byte in content:
        value = (value >> 8) ^ _TABLE[(value ^ byte) & 0xFF]
    return value


def _entry(byte: int) -> int:
    value = 0
    for part in (byte & 0xF, byte >> 4):
        value = (value >> 4) & 0x0FFF ^ CRC_TABLE[value & 0xF] ^ CRC_TABLE[part]
    return value


_TABLE = array("H", [_entry(byte) for byte in range(256)])
