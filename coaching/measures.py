"""Numbers with their units, as people write them; `units` is "metric" or "imperial"."""

from collections.abc import Callable
from typing import Literal

from django.utils.formats import get_format
from django.utils.translation import gettext

METRES_PER_MILE = 1609.344
METRES_PER_YARD = 0.9144
METRES_PER_FOOT = 0.3048
POUNDS_PER_KG = 1 / 0.45359237
SHORTEST_IN_MILES_M = 160.0
SLOWEST_MPS = 0.01  # slower than any snail: not a pace but a slip

type Pool = Literal["meter", "yard", ""]


def trimmed(value: float, digits: int) -> str:
    """`value` with at most `digits` decimals and no trailing zeros."""
    text = f"{value:.{digits}f}"
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return text.replace(".", get_format("DECIMAL_SEPARATOR"))


def clock(seconds: float) -> str:
    """4:05 or 1:04:05."""
    minutes, second = divmod(round(seconds), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02}:{second:02}" if hours else f"{minute}:{second:02}"


def step_time(seconds: float) -> str:
    """As a coach writes it: 45 s, 90 s, 8 min, 2:30 min, 1:30:00 h."""
    if seconds < 100:
        return f"{trimmed(seconds, 1)} s"
    if round(seconds) >= 3600:
        return f"{clock(seconds)} h"
    return f"{round(seconds) // 60} min" if round(seconds) % 60 == 0 else f"{clock(seconds)} min"


def total_time(seconds: float) -> str:
    """To the minute: 45 s, 39 min, 1 h 5 min."""
    if round(seconds) < 60:
        return f"{round(seconds)} s"
    hours, minutes = divmod(round(seconds / 60), 60)
    return " ".join(part for part in (f"{hours} h" if hours else "", f"{minutes} min" if minutes else "") if part)


def distance(metres: float, units: str, *, pool: Pool = "") -> str:
    """In a pool always in the pool's unit: nobody swims 54.68 yards in a 50 m pool."""
    if pool == "yard":
        return f"{trimmed(metres / METRES_PER_YARD, 0)} yd"
    if pool == "meter":
        return f"{trimmed(metres, 0)} m"
    if units == "imperial":
        return _imperial_distance(metres)
    return f"{trimmed(metres, 0)} m" if round(metres) < 1000 else f"{trimmed(metres / 1000, 2)} km"


def is_track_distance(metres: float) -> bool:
    """400 m, 800 m: a track has metres everywhere, and nobody runs six times 0.25 miles on one."""
    return metres < METRES_PER_MILE and metres % 100 == 0


def _imperial_distance(metres: float) -> str:
    if metres < SHORTEST_IN_MILES_M:
        return f"{trimmed(metres / METRES_PER_YARD, 0)} yd"
    return f"{trimmed(metres / METRES_PER_MILE, 2)} mi"


def height(metres: float, units: str) -> str:
    """Of climbs: never in kilometres."""
    return f"{metres / METRES_PER_FOOT:,.0f} ft" if units == "imperial" else f"{metres:,.0f} m"


def weight(kilograms: float, units: str) -> str:
    return f"{trimmed(kilograms * POUNDS_PER_KG, 0)} lb" if units == "imperial" else f"{trimmed(kilograms, 1)} kg"


def pace_unit(units: str, *, swimming: bool = False, pool: Pool = "") -> tuple[float, str]:
    """The metres that a pace counts, and how it is written."""
    if swimming:
        yards = pool == "yard" or (not pool and units == "imperial")
        return (100 * METRES_PER_YARD, "/100 yd") if yards else (100.0, "/100 m")
    return (METRES_PER_MILE, "/mi") if units == "imperial" else (1000.0, "/km")


def pace(metres_per_second: float | None, metres: float) -> str:
    """The time for `metres`; "" for no speed, or for standing still."""
    if metres_per_second is None or metres_per_second < SLOWEST_MPS:
        return ""
    return clock(metres / metres_per_second)


def speed_unit(units: str) -> tuple[float, str]:
    """What metres per second are multiplied by, and how it is written."""
    return (3600 / METRES_PER_MILE, "mph") if units == "imperial" else (3.6, "km/h")


def span(low: float | None, high: float | None, unit: str, write: Callable[[float], str]) -> str:
    """240–260 W, 240 W or more, up to 260 W; "" when neither bound is set."""
    if low is not None and high is not None:
        first, last = write(low), write(high)
        return f"{first} {unit}".strip() if first == last else f"{first}–{last} {unit}".strip()
    if low is not None:
        return gettext("%(bound)s or more") % {"bound": f"{write(low)} {unit}".strip()}
    return gettext("up to %(bound)s") % {"bound": f"{write(high)} {unit}".strip()} if high is not None else ""
