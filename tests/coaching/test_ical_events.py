"""One planned workout as an event of a calendar."""

from datetime import UTC, date, datetime
from typing import Any

import pytest
from icalendar import Calendar

from coaching import ical
from coaching.models import CoachingLink, Share
from tests.coaching.world import TUESDAY, offer

pytestmark = pytest.mark.django_db


def events(*shares: Share) -> list[Any]:
    text = ical.written(shares, name="Plan", zone="UTC", host="example.org", units="metric", with_athlete=False)
    return list(Calendar.from_ical(text).walk("VEVENT"))


def test_a_workout_takes_no_day_away(link: CoachingLink) -> None:
    [event] = events(offer(link, on=TUESDAY))
    assert (event["TRANSP"], event["DTSTART"].dt) == ("TRANSPARENT", date(2026, 12, 1))


def test_what_has_no_day_is_no_event(link: CoachingLink) -> None:
    assert events(offer(link, on=None)) == []


def test_the_stamp_moves_with_the_answer(link: CoachingLink) -> None:
    share = offer(link, on=TUESDAY)
    [event] = events(share)
    assert event["DTSTAMP"].dt == share.created_at.replace(microsecond=0)
    share.responded_at = datetime(2026, 12, 2, 8, 30, tzinfo=UTC)
    [event] = events(share)
    assert event["DTSTAMP"].dt == share.responded_at


def test_a_long_message_is_cut_and_the_calendar_stays_one(link: CoachingLink) -> None:
    share = offer(link, on=TUESDAY)
    share.message = "Ü" * 10_000
    [event] = events(share)
    assert len(str(event["DESCRIPTION"])) == ical.MOST_LETTERS
