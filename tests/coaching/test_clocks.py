"""A time is shown on the clock where it was done, which is named where the viewer's clock shows something else."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.template import Context, Template
from django.utils.translation import override

from accounts.models import User
from coaching import figures
from coaching.models import Activity

SHOWN = Template("{% load activities %}{% local_time activity viewer %}")
TOKYO = 9 * 3600


def done(at: datetime, zone: str, *, named: bool = True) -> Activity:
    """Begun at that moment, by a watch on that zone's time."""
    offset = at.astimezone(ZoneInfo(zone)).utcoffset() or timedelta()
    return Activity(started_at=at, utc_offset_s=int(offset.total_seconds()), time_zone=zone if named else "")


def shown(activity: Activity, viewers_zone: str) -> str:
    return SHOWN.render(Context({"activity": activity, "viewer": User(time_zone=viewers_zone)}))


@pytest.mark.parametrize(
    ("zone", "named", "viewers_zone", "text"),
    [
        ("Europe/Lisbon", True, "Europe/Lisbon", "Wed 18 Nov 2026, 06:30"),
        ("Europe/Lisbon", True, "Africa/Abidjan", "Wed 18 Nov 2026, 06:30"),  # another zone, the same clock
        ("Asia/Tokyo", True, "Europe/Lisbon", "Wed 18 Nov 2026, 15:30 (Asia/Tokyo)"),
        ("Asia/Tokyo", False, "Europe/Lisbon", "Wed 18 Nov 2026, 15:30 (UTC+9:00)"),
        ("Asia/Kathmandu", False, "Europe/Lisbon", "Wed 18 Nov 2026, 12:15 (UTC+5:45)"),
        ("America/St_Johns", False, "Europe/Lisbon", "Wed 18 Nov 2026, 03:00 (UTC-3:30)"),
        ("Pacific/Kiritimati", True, "Etc/GMT+12", "Wed 18 Nov 2026, 20:30 (Pacific/Kiritimati)"),
        ("Etc/GMT+12", True, "Pacific/Kiritimati", "Tue 17 Nov 2026, 18:30 (Etc/GMT+12)"),
        ("Etc/GMT+12", False, "Pacific/Kiritimati", "Tue 17 Nov 2026, 18:30 (UTC-12:00)"),
        ("Pacific/Kiritimati", True, "Pacific/Kiritimati", "Wed 18 Nov 2026, 20:30"),
    ],
)
def test_the_zone_is_named_where_the_viewers_clock_differs(
    zone: str, named: bool, viewers_zone: str, text: str
) -> None:
    assert shown(done(datetime(2026, 11, 18, 6, 30, tzinfo=UTC), zone, named=named), viewers_zone) == text


@pytest.mark.parametrize(
    ("hour", "viewers_zone", "text"),
    [
        (0, "Europe/Lisbon", "Sun 25 Oct 2026, 01:30"),  # summer's half past one
        (1, "Europe/Lisbon", "Sun 25 Oct 2026, 01:30"),  # winter's, an hour later
        (0, "Africa/Abidjan", "Sun 25 Oct 2026, 01:30 (Europe/Lisbon)"),  # which has no summer time
        (1, "Africa/Abidjan", "Sun 25 Oct 2026, 01:30"),
    ],
)
def test_when_the_clocks_go_back_each_hour_has_its_own_offset(hour: int, viewers_zone: str, text: str) -> None:
    assert shown(done(datetime(2026, 10, 25, hour, 30, tzinfo=UTC), "Europe/Lisbon"), viewers_zone) == text


@pytest.mark.parametrize(
    ("at", "differs"),
    [
        (datetime(2026, 3, 8, 6, 59, tzinfo=UTC), True),  # a minute before New York's summer time
        (datetime(2026, 3, 8, 7, 0, tzinfo=UTC), False),
        (datetime(2026, 11, 1, 5, 59, tzinfo=UTC), False),
        (datetime(2026, 11, 1, 6, 0, tzinfo=UTC), True),
    ],
)
def test_the_viewers_clock_is_that_of_the_moment_not_of_today(at: datetime, differs: bool) -> None:
    """Bermuda's is San Juan's, an hour off New York's in winter."""
    activity = done(at, "America/Puerto_Rico")
    start = figures.start_of(activity, User(time_zone="America/New_York"))
    assert (start.zone, start.viewers is not None) == (("America/Puerto_Rico", True) if differs else ("", False))


def test_a_watch_that_was_not_turned_is_named_by_its_offset() -> None:
    """In winter still on summer time: the same place, another clock."""
    late = Activity(started_at=datetime(2026, 11, 18, 6, 30, tzinfo=UTC), utc_offset_s=3600, time_zone="")
    assert shown(late, "Europe/Lisbon") == "Wed 18 Nov 2026, 07:30 (UTC+1:00)"


def test_the_viewers_own_time_may_be_another_day() -> None:
    start = figures.start_of(
        done(datetime(2026, 11, 18, 11, 30, tzinfo=UTC), "Pacific/Kiritimati"), User(time_zone="Etc/GMT+12")
    )
    assert start.viewers is not None
    assert (start.local.date(), start.viewers.date()) == (date(2026, 11, 19), date(2026, 11, 17))


def test_what_a_source_calls_its_zone_is_shown_as_text() -> None:
    odd = Activity(started_at=datetime(2026, 11, 18, tzinfo=UTC), utc_offset_s=TOKYO, time_zone="<b>Tokyo</b>")
    assert "(&lt;b&gt;Tokyo&lt;/b&gt;)" in shown(odd, "UTC")


def test_the_order_of_a_date_is_the_languages() -> None:
    away = done(datetime(2026, 11, 18, 6, 30, tzinfo=UTC), "Asia/Tokyo")
    with override("de"):
        assert shown(away, "Europe/Lisbon").endswith("(Asia/Tokyo)")
        assert "18. " in shown(away, "Europe/Lisbon")
