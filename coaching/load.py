"""How hard a session was, in one number: so that sessions of every sport can be added up."""

THRESHOLD_HR = 165  # beats a minute that most adults hold for an hour at most
MOST_AN_HOUR = 200.0


def load_of(duration_s: float, avg_hr: int | None, *, threshold_hr: int = THRESHOLD_HR) -> float | None:
    """100 for an hour at the threshold; it grows with the time and with the square of the heart rate.

    None without a heart rate: a guess would look like a measurement.
    """
    if avg_hr is None or duration_s <= 0:
        return None
    an_hour = min(100 * (avg_hr / threshold_hr) ** 2, MOST_AN_HOUR)
    return round(duration_s / 3600 * an_hour, 1)
