"""When a message may leave: by the person's own clock, on every day of the year; and what can be chosen at all."""

from datetime import UTC, datetime, time, timedelta

import pytest

from accounts.models import User
from coaching import preferences
from coaching.models import Channel, NotificationTimes

pytestmark = pytest.mark.django_db


def in_zone(user: User, zone: str, **times: time | None) -> User:
    user.time_zone = zone
    NotificationTimes.objects.update_or_create(user=user, defaults=times)
    return user


@pytest.mark.parametrize("zone", ["Pacific/Kiritimati", "Asia/Kathmandu", "Europe/Lisbon", "Etc/GMT+12"])
@pytest.mark.parametrize("hour", [0, 5, 12, 17, 18, 23])
def test_a_digest_leaves_at_its_hour_within_a_day(athlete: User, zone: str, hour: int) -> None:
    person, now = in_zone(athlete, zone, digest_at=time(18)), datetime(2026, 12, 1, hour, tzinfo=UTC)
    due = preferences.due_at(person, Channel.DIGEST, now)
    assert due.astimezone(person.zone).time() == time(18)
    assert now < due <= now + timedelta(days=1)


def test_what_comes_at_the_hour_itself_waits_for_the_next_digest(athlete: User) -> None:
    person, six = in_zone(athlete, "Europe/Lisbon", digest_at=time(18)), datetime(2026, 12, 1, 18, tzinfo=UTC)
    assert preferences.due_at(person, Channel.DIGEST, six) == six + timedelta(days=1)


@pytest.mark.parametrize(
    ("now", "due"),
    [
        (datetime(2026, 3, 28, 23, tzinfo=UTC), datetime(2026, 3, 29, 6, tzinfo=UTC)),  # the clocks go forward
        (datetime(2026, 10, 24, 22, tzinfo=UTC), datetime(2026, 10, 25, 7, tzinfo=UTC)),  # and back
        (datetime(2026, 10, 25, 6, 59, tzinfo=UTC), datetime(2026, 10, 25, 7, tzinfo=UTC)),
        (datetime(2026, 10, 25, 7, tzinfo=UTC), datetime(2026, 10, 25, 7, tzinfo=UTC)),
    ],
)
def test_quiet_hours_end_at_seven_of_that_day(athlete: User, now: datetime, due: datetime) -> None:
    person = in_zone(athlete, "Europe/Lisbon", quiet_from=time(22), quiet_to=time(7))
    assert preferences.due_at(person, Channel.EMAIL, now) == due


def test_stopping_a_kinds_mail_stops_it_in_digests_too(coach: User) -> None:
    preferences.choose(coach, {"share_declined": frozenset({Channel.DIGEST, Channel.IN_APP})})
    preferences.stop_mail(coach, "share_declined")
    preferences.stop_mail(coach, "share_declined")
    assert preferences.channels_for(coach, "share_declined") == {Channel.IN_APP}
    assert preferences.channels_for(coach, "note_written") == {Channel.IN_APP, Channel.DIGEST}, "the others go on"


def test_what_comes_once_is_not_to_be_chosen(coach: User, athlete: User) -> None:
    for person in (coach, athlete):
        assert "welcome" not in preferences.kinds_for(person)
    assert {"share_accepted"} <= preferences.kinds_for(coach).keys() - preferences.kinds_for(athlete).keys()
