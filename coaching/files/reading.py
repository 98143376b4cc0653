"""One upload → the activities in it."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import PurePath
from typing import NamedTuple

from django.utils.translation import gettext

from coaching.files import fit, fit_frames, gpx, packed, tcx
from coaching.files.shapes import EARLIEST_YEAR, LONGEST, Budget, FileActivity, FileRefused, pulse

MOST_BYTES = 32 * 1024 * 1024  # twelve hours with every sensor are 3 MB of FIT, 20 MB of TCX
ONE_FILE_S = 20.0  # of a processor; twelve hours take two to six
WHOLE_ZIP_S = 60.0
HEAD = 2_048  # bytes in which an XML file names its kind
MOST_NAME = 120


class Loose(NamedTuple):
    """A single file, out of a zip or as it came."""

    name: str
    content: bytes

    @property
    def sha256(self) -> str:
        return sha256(self.content).hexdigest()


def files_in(name: str, content: bytes) -> Iterator[Loose]:
    """The file itself, or those in a zip. Raises FileRefused."""
    check_size(len(content))
    if not packed.is_packed(content):
        yield Loose(short_name(name), content)
        return
    for inner, inner_content in packed.unpacked(content, most_bytes=MOST_BYTES):
        yield Loose(short_name(inner), inner_content)


def count(content: bytes) -> int:
    """How many files `files_in` will hand out. Raises FileRefused where none can be."""
    return packed.count(content) if packed.is_packed(content) else 1


def check_size(bytes_n: int) -> None:
    """Raises FileRefused."""
    if bytes_n > MOST_BYTES:
        raise FileRefused(too_large(), code="too_large")


def too_large() -> str:
    return gettext("This file is larger than %(megabytes)s MB.") % {"megabytes": MOST_BYTES >> 20}


def budget_for(content: bytes, *, beat: Callable[[], None] | None = None) -> Budget:
    """Enough for the longest day out; `beat` is called now and then while it is spent."""
    return Budget(WHOLE_ZIP_S if packed.is_packed(content) else ONE_FILE_S, beat=beat)


def read(content: bytes, budget: Budget) -> FileActivity:
    """The activity, whole and plausible, by what the file is and not by how it is called. Raises FileRefused."""
    found = _parsed(content, budget)
    _fill_in(found)
    _check(found)
    return found


def kind_of(head: bytes) -> str:
    """What a file is by its first bytes: "zip", "fit", "gpx" or "tcx". Raises FileRefused."""
    if packed.is_packed(head):
        return "zip"
    if fit_frames.is_fit(head):
        return "fit"
    text = head[:HEAD].replace(b"\x00", b"")  # an XML file may be UTF-16
    if b"<gpx" in text:
        return "gpx"
    if b"<TrainingCenterDatabase" in text:
        return "tcx"
    if not head:
        raise FileRefused(gettext("This file is empty."), code="empty")
    raise FileRefused(gettext("This is not a FIT, TCX or GPX file."), code="unknown_format")


def _parsed(content: bytes, budget: Budget) -> FileActivity:
    readers = {"fit": fit.read, "gpx": gpx.read, "tcx": tcx.read}
    reader = readers.get(kind_of(content[:HEAD]))
    if reader is None:
        raise FileRefused(gettext("This is not a FIT, TCX or GPX file."), code="unknown_format")  # a zip in a zip
    return reader(content, budget)


def _fill_in(found: FileActivity) -> None:
    """What the file's sums leave open, its samples may tell."""
    if not found.points:
        return
    rates = [point.heart_rate for point in found.points if point.heart_rate]
    found.started_at = found.started_at or found.points[0].at
    if found.duration_s is None:
        found.duration_s = max(0.0, (found.points[-1].at - found.points[0].at).total_seconds())
    if found.distance_m is None:
        found.distance_m = next((p.distance_m for p in reversed(found.points) if p.distance_m is not None), None)
    if rates and found.avg_hr is None:
        found.avg_hr = pulse(sum(rates) / len(rates))
    if rates and found.max_hr is None:
        found.max_hr = pulse(max(rates))


def _check(found: FileActivity) -> None:
    if found.started_at is None or not found.duration_s:
        raise FileRefused(gettext("This file does not say when the activity was, or how long it took."), code="no_time")
    if not datetime(EARLIEST_YEAR, 1, 1, tzinfo=UTC) <= found.started_at < datetime(2100, 1, 1, tzinfo=UTC):
        raise FileRefused(
            gettext("It says that it was in %(year)s, which cannot be.") % {"year": found.started_at.year},
            code="odd_year",
        )
    if found.duration_s > LONGEST.total_seconds():
        raise FileRefused(
            gettext("It says that it took more than %(days)s days, which cannot be.") % {"days": LONGEST.days},
            code="too_long",
        )


def short_name(name: str) -> str:
    """The last part of a path, printable and short; people see it again."""
    text = "".join(letter for letter in PurePath(name.replace("\\", "/")).name if letter.isprintable())
    return text[-MOST_NAME:] or "activity"
