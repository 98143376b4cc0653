"""What Strava's rate-limit headers say: how many calls of the quarter hour and of the day are used up."""

from collections.abc import Mapping

QUARTER_S, DAY_S = 900, 86_400
PAIRS = (("X-RateLimit-Limit", "X-RateLimit-Usage"), ("X-ReadRateLimit-Limit", "X-ReadRateLimit-Usage"))


def wait_s(headers: Mapping[str, str], now: float) -> float | None:
    """Seconds until Strava takes calls again; None while it does, or where the headers say nothing readable.

    Its windows are the natural quarter hours and UTC's days, for the application as a whole. A call that is refused
    counts for the day all the same, so nobody tries before.
    """
    waits = [0.0]
    for limit, usage in PAIRS:
        allowed, used = _two(headers.get(limit, "")), _two(headers.get(usage, ""))
        if allowed and used:
            windows = zip(allowed, used, (QUARTER_S, DAY_S), strict=True)
            waits += [window_s - now % window_s for most, spent, window_s in windows if spent >= most > 0]
    return max(waits) or None


def _two(text: str) -> tuple[int, int] | None:
    """ "200,2000": the quarter hour's, the day's."""
    parts = [part.strip() for part in text.split(",")]
    if len(parts) != 2 or not all(part.isascii() and part.isdigit() and len(part) < 12 for part in parts):
        return None
    return int(parts[0]), int(parts[1])
