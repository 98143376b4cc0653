"""What a file holds, and how reading one may end."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.utils.translation import gettext

from integrations.records import LapRecord, Sport

MOST_POINTS = 500_000  # six days at one a second
LONGEST = timedelta(days=30)
EARLIEST_YEAR = 1990


class FileRefused(Exception):
    """The file is not read; `message` is for the person who chose it, `code` for the counters."""

    def __init__(self, message: str, *, code: str) -> None:
        super().__init__(message)
        self.message, self.code = message, code


@dataclass(frozen=True, slots=True)
class Point:
    """One sample. What the file does not say is None."""

    at: datetime
    heart_rate: float | None = None
    speed_mps: float | None = None
    power_w: float | None = None
    distance_m: float | None = None


@dataclass(slots=True)
class FileActivity:
    """One activity as its file tells of it; what it does not say stays None."""

    format: str
    sport: Sport = Sport.OTHER
    name: str = ""
    started_at: datetime | None = None
    utc_offset_s: int | None = None
    duration_s: float | None = None
    distance_m: float | None = None
    ascent_m: float | None = None
    avg_hr: int | None = None
    max_hr: int | None = None
    energy_kcal: float | None = None
    device: str = ""
    laps: list[LapRecord] = field(default_factory=list)
    points: list[Point] = field(default_factory=list)


class Budget:
    """The processor time that one upload may take; of this thread, so that a busy machine refuses nobody.

    `beat` is called at each look at the clock: whoever holds something while he reads says that he is still there.
    """

    def __init__(self, seconds: float, *, beat: Callable[[], None] | None = None) -> None:
        self._end = time.thread_time() + seconds
        self._beat = beat

    def spend(self) -> None:
        if time.thread_time() > self._end:
            raise FileRefused(gettext("This file takes too long to read. Split it and try again."), code="too_slow")
        if self._beat:
            self._beat()


def number(value: object, *, least: float = 0.0, most: float = 1e9) -> float | None:
    """A number within bounds; None for anything else, a text or NaN too."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if least <= value <= most else None


def written(text: str, *, least: float = 0.0, most: float = 1e9) -> float | None:
    try:
        return number(float(text), least=least, most=most)
    except ValueError:
        return None


def pulse(value: float | None) -> int | None:
    """Beats per minute that a heart can do."""
    return round(value) if value is not None and 20 <= value <= 260 else None
