"""Zip files of exports, judged by their directory before anything is unpacked."""

import io
import stat
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import PurePosixPath, PureWindowsPath

from django.utils.translation import gettext

from coaching.files.shapes import FileRefused

MAGIC = (b"PK\x03\x04", b"PK\x05\x06")
END, END_SIZE, LONGEST_COMMENT = b"PK\x05\x06", 22, 65_535
MOST_DIRECTORY = 64 * 1024  # bytes: some hundred names
MOST_ENTRIES = 200
MOST_FILES = 20
MOST_UNPACKED = 96 * 1024 * 1024
MOST_RATIO = 120  # text of track points packs 10 to 30 times
CHUNK = 256 * 1024
METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
WANTED = {".fit", ".tcx", ".gpx"}


def is_packed(content: bytes) -> bool:
    return content.startswith(MAGIC)


def count(content: bytes) -> int:
    """How many activity files are in it, by its directory. Raises FileRefused."""
    with _opened(content) as archive:
        return len(_chosen(archive.infolist()))


def unpacked(content: bytes, *, most_bytes: int) -> Iterator[tuple[str, bytes]]:
    """The activity files in it, one after the other, each at most `most_bytes`. Raises FileRefused."""
    with _opened(content) as archive:
        for entry in _chosen(archive.infolist()):
            yield PurePosixPath(entry.filename).name, _taken(archive, entry, most_bytes)


@contextmanager
def _opened(content: bytes) -> Iterator[zipfile.ZipFile]:
    _check_directory(content)
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            yield archive
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError):
        raise _invalid() from None


def _check_directory(content: bytes) -> None:
    """Its size stands at the end; zipfile itself would read a hundred thousand names first."""
    tail = content[-(END_SIZE + LONGEST_COMMENT) :]
    at = tail.rfind(END)
    if at < 0 or len(tail) - at < END_SIZE:
        raise _invalid()
    entries, size = (
        int.from_bytes(tail[at + 10 : at + 12], "little"),
        int.from_bytes(tail[at + 12 : at + 16], "little"),
    )
    if entries > MOST_ENTRIES or size > MOST_DIRECTORY:
        raise FileRefused(
            gettext("This zip file holds more than %(most)s entries.") % {"most": MOST_ENTRIES},
            code="zip_entries",
        )


def _chosen(entries: list[zipfile.ZipInfo]) -> list[zipfile.ZipInfo]:
    """Those that look like activities. One entry that means harm refuses all."""
    for entry in entries:
        _check_entry(entry)
    files = [entry for entry in entries if not entry.is_dir() and not entry.filename.startswith("__MACOSX/")]
    chosen = [entry for entry in files if PurePosixPath(entry.filename).suffix.lower() in WANTED]
    if not chosen:
        raise FileRefused(gettext("This zip file holds no FIT, TCX or GPX file."), code="zip_empty")
    if len(chosen) > MOST_FILES or sum(entry.file_size for entry in chosen) > MOST_UNPACKED:
        raise FileRefused(
            gettext("Choose at most %(most)s activities, %(megabytes)s MB in all.")
            % {"most": MOST_FILES, "megabytes": MOST_UNPACKED >> 20},
            code="zip_size",
        )
    return chosen


def _check_entry(entry: zipfile.ZipInfo) -> None:
    path = PurePosixPath(entry.filename)
    wanders = path.is_absolute() or ".." in path.parts or "\\" in entry.orig_filename or PureWindowsPath(path).drive
    if wanders or stat.S_ISLNK(entry.external_attr >> 16):
        raise FileRefused(gettext("This zip file has entries that lead out of it."), code="zip_path")
    if entry.flag_bits & 0x1:
        raise FileRefused(gettext("This zip file is locked with a password."), code="zip_encrypted")
    if entry.compress_type not in METHODS:
        raise _invalid()
    if entry.file_size > MOST_RATIO * max(entry.compress_size, 1_000):
        raise FileRefused(gettext("This zip file unpacks to far more than an activity."), code="zip_bomb")


def _taken(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, most_bytes: int) -> bytes:
    """Counted while it unpacks: what the directory says may be a lie."""
    taken = bytearray()
    with archive.open(entry) as stream:
        while chunk := stream.read(CHUNK):
            taken += chunk
            if len(taken) > most_bytes:
                raise FileRefused(gettext("A file in this zip file is too large."), code="too_large")
    return bytes(taken)


def _invalid() -> FileRefused:
    return FileRefused(gettext("This is not a valid zip file."), code="zip_invalid")
