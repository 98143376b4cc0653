"""Days and weeks as people count them."""

from datetime import date, datetime, timedelta

from accounts.models import User

WEEK = timedelta(days=7)


def today_of(person: User) -> date:
    return datetime.now(person.zone).date()


def week_of(day: date, starts_on: int = 0) -> date:
    """The first day of the week that `day` is in; `starts_on` as `date.weekday()` counts."""
    return day - timedelta(days=(day.weekday() - starts_on) % 7)
