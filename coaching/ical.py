"""Planned workouts as a calendar: https://www.rfc-editor.org/rfc/rfc5545, escaped and folded by `icalendar`."""

from collections.abc import Iterable
from datetime import date, timedelta

from django.utils.translation import gettext
from icalendar import Calendar, Event

from accounts.models import Units
from coaching import measures, words
from coaching.models import Share, ShareStatus

PRODUCT = "-//Transformation Coaching//Plan//EN"
REFRESH = timedelta(hours=1)
MOST_LETTERS = 4_000
STATES = {ShareStatus.OFFERED: "TENTATIVE", ShareStatus.ACCEPTED: "CONFIRMED"}


def written(shares: Iterable[Share], *, name: str, zone: str, host: str, units: str, with_athlete: bool) -> bytes:
    """All-day events, which belong to the athlete's days wherever the calendar is read. Equal for equal plans."""
    calendar = Calendar()
    calendar.add("prodid", PRODUCT)
    calendar.add("version", "2.0")
    calendar.add("calscale", "GREGORIAN")
    calendar.add("method", "PUBLISH")
    calendar.add("x-wr-calname", name)
    calendar.add("x-wr-timezone", zone)
    calendar.add("refresh-interval", REFRESH, parameters={"VALUE": "DURATION"})
    calendar.add("x-published-ttl", REFRESH)
    for share in shares:
        if share.scheduled_for is not None:
            calendar.add_component(_event(share, share.scheduled_for, host, units, with_athlete=with_athlete))
    return bytes(calendar.to_ical())


def _event(share: Share, on: date, host: str, units: str, *, with_athlete: bool) -> Event:
    event = Event()
    revision = share.revision
    event.add("uid", f"{share.public_id}@{host}")
    event.add("dtstamp", share.responded_at or share.created_at)
    event.add("dtstart", on)
    event.add("dtend", on + timedelta(days=1))
    event.add("summary", f"{share.link.athlete}: {revision.name}" if with_athlete else revision.name)
    event.add("description", _description(share, units)[:MOST_LETTERS])
    event.add("status", STATES[ShareStatus(share.status)])
    event.add("transp", "TRANSPARENT")  # a day with a run in it is not a day that is taken
    event.add("categories", [words.sport_in_words(revision.sport)])
    return event


def _description(share: Share, units: str) -> str:
    revision = share.revision
    sums = [
        measures.total_time(revision.duration_s) if revision.duration_s else "",
        measures.distance(revision.distance_m, units) if revision.distance_m else "",
    ]
    lines = [
        ", ".join(text for text in sums if text),
        words.in_one_line(revision.record, units or Units.METRIC),
        share.message,
        gettext("Not accepted yet.") if share.status == ShareStatus.OFFERED else "",
    ]
    return "\n".join(line for line in lines if line)
