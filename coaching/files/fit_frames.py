"""What frames a FIT file: header, length and check sum; and what of its messages is worth decoding.

The library decodes every field of every second and sums each byte by itself, which is most of the time it takes.
Here the check sum is one pass over the file, and neighbours that nobody asks for are read as one run of bytes.
"""

import sys
from array import array
from functools import cache

import fitdecode
from django.utils.translation import gettext
from fitdecode import FitDefinitionMessage
from fitdecode.processors import DefaultDataProcessor
from fitdecode.reader import FitReader
from fitdecode.types import BASE_TYPE_BYTE, FieldData, FieldDefinition

from coaching.files.shapes import Budget, FileRefused

MAGIC = b".FIT"
HEADER_SIZES = (12, 14)
FOOTER = 2  # bytes of the check sum
POLYNOMIAL = 0xA001
CHUNK = 256 * 1024  # bytes summed between two looks at the clock; even, as two are taken at a time
TIMESTAMP = 253  # in whatever message it stands, compressed ones count from it
RECORD = 20
RECORD_FIELDS = {TIMESTAMP, 3, 5, 6, 7, 8, 73}  # pulse, distance, speed, power, both compressed, enhanced speed
WHOLE = {0, 18, 19, 34, 206, 207}  # file, session, lap, activity, and what says how developers' fields are read
TIMES = {"date_time", "local_date_time"}


def is_fit(content: bytes) -> bool:
    return content[8:12] == MAGIC


def check(content: bytes, budget: Budget) -> None:
    """Header, length and sum of each file in a chain, before anything is decoded: one may claim four gigabytes."""
    at = 0
    while at < len(content):
        at += _checked(memoryview(content)[at:], budget)


def _checked(content: memoryview, budget: Budget) -> int:
    """The bytes of the first file of the chain."""
    if len(content) < HEADER_SIZES[-1] or not is_fit(content[:12].tobytes()) or content[0] not in HEADER_SIZES:
        raise invalid()
    head, body = content[0], int.from_bytes(content[4:8], "little")
    end = head + body
    if end + FOOTER > len(content):
        raise FileRefused(gettext("This is not a valid FIT file: its end is missing."), code="fit_cut_off")
    told = int.from_bytes(content[12:14], "little") if head == HEADER_SIZES[-1] else 0
    if told and told != check_sum(content[:12], budget):  # nought: the writer left it out
        raise invalid()
    if int.from_bytes(content[end : end + FOOTER], "little") != check_sum(content[:end], budget):
        raise invalid()
    return end + FOOTER


def check_sum(content: memoryview | bytes, budget: Budget) -> int:
    """CRC-16 with the reversed polynomial, two bytes at a time."""
    table, value = _table(), 0
    for start in range(0, len(content) & ~1, CHUNK):
        budget.spend()
        pairs = array("H", bytes(content[start : min(start + CHUNK, len(content) & ~1)]))
        if sys.byteorder == "big":
            pairs.byteswap()
        for pair in pairs:
            value = table[value ^ pair]
    if len(content) % 2:
        value = (value >> 8) ^ _after(value & 0xFF ^ content[-1], bits=8)
    return value


@cache
def _table() -> array[int]:
    return array("H", (_after(pair, bits=16) for pair in range(1 << 16)))


def _after(value: int, *, bits: int) -> int:
    for _ in range(bits):
        value = (value >> 1) ^ POLYNOMIAL if value & 1 else value >> 1
    return value


def narrow(message: FitDefinitionMessage) -> None:
    """Let the reader decode only what we ask for of the messages that this defines; nothing changes its length."""
    if message.global_mesg_num in WHOLE:
        return
    wanted = RECORD_FIELDS if message.global_mesg_num == RECORD else {TIMESTAMP}
    kept: list[FieldDefinition] = []
    run = 0
    for field in message.field_defs:
        if field.def_num in wanted:
            kept.extend(_skipped(run))
            kept.append(field)
            run = 0
        else:
            run += field.size
    message.field_defs[:] = [*kept, *_skipped(run)]


def _skipped(size: int) -> list[FieldDefinition]:
    """Bytes without a meaning; the number is one that the profile gives to no field."""
    return [FieldDefinition(None, 255, BASE_TYPE_BYTE, size)] if size else []


class Moments(DefaultDataProcessor):  # type: ignore[misc]  # the library has no types
    """Makes moments of times and leaves all else as it stands: the library looks each field up by three names."""

    def on_process_type(self, reader: FitReader, field_data: FieldData) -> None:
        if field_data.type.name in TIMES:
            super().on_process_type(reader, field_data)

    def on_process_field(self, reader: FitReader, field_data: FieldData) -> None:
        """Nothing is done by the names of fields."""

    def on_process_unit(self, reader: FitReader, field_data: FieldData) -> None:
        """Nor by their units."""

    def on_process_message(self, reader: FitReader, data_message: fitdecode.FitDataMessage) -> None:
        """Nor by the names of messages."""


def invalid() -> FileRefused:
    return FileRefused(gettext("This is not a valid FIT file."), code="fit_invalid")
