"""The calendar feed: who reads it, what stands in it, and how its address ends."""

import re
from datetime import date, timedelta

import pytest
from django.test import Client
from django.urls import reverse
from icalendar import Calendar

from accounts.models import AuditEntry, User
from coaching.models import CalendarFeed, CoachingLink, Scope, Share
from coaching.services import feeding, sharing
from tests.coaching.world import easy_run, offer

SOON = date.today() + timedelta(days=3)
AWKWARD = "Tempo; 3 × 10 min, \\ easy\nand a very long name with ümläuts that goes far beyond seventy-five octets"


def address(user: User, what: str = "mine") -> str:
    return reverse("coaching:feed", args=[feeding.renew(user), what])


def events(answer: object) -> list[dict[str, object]]:
    return list(Calendar.from_ical(answer.content).walk("VEVENT"))  # type: ignore[attr-defined]


def test_the_plan_is_all_day_events_that_calendars_can_read(client: Client, athlete: User, link: CoachingLink) -> None:
    share = offer(link, easy_run(AWKWARD.replace("\n", " ")), on=SOON)
    Share.objects.filter(pk=share.pk).update(message="Bring water; and\ngels, please")
    answer = client.get(address(athlete))
    assert answer["Content-Type"] == "text/calendar; charset=utf-8"
    assert answer.content.endswith(b"END:VCALENDAR\r\n")
    assert all(len(line) <= 75 for line in answer.content.split(b"\r\n"))
    assert b"\n" not in answer.content.replace(b"\r\n", b"")
    assert rb"Tempo\; 3" in answer.content
    (event,) = events(answer)
    assert event["SUMMARY"] == AWKWARD.replace("\n", " ")
    assert "Bring water; and\ngels, please" in str(event["DESCRIPTION"])
    assert "Not accepted yet." in str(event["DESCRIPTION"])
    assert (event["DTSTART"].dt, event["DTEND"].dt) == (SOON, SOON + timedelta(days=1))  # type: ignore[attr-defined]
    assert event["STATUS"] == "TENTATIVE"
    assert event["UID"] == f"{share.public_id}@testserver"
    assert b"X-WR-TIMEZONE:Europe/Lisbon" in answer.content


def test_what_does_not_stand_is_not_in_it(client: Client, athlete: User, link: CoachingLink, coach: User) -> None:
    kept = offer(link, on=SOON)
    offer(link, on=None)
    offer(link, on=SOON + timedelta(days=600))
    withdrawn = offer(link, easy_run("Withdrawn"), on=SOON)
    sharing.withdraw(withdrawn, by=coach)
    declined = offer(link, easy_run("Declined"), on=SOON)
    sharing.decline(declined, by=athlete)
    page = address(athlete)
    assert [event["UID"] for event in events(client.get(page))] == [f"{kept.public_id}@testserver"]
    CoachingLink.objects.filter(pk=link.pk).update(status="ended", ended_at="2026-01-01T00:00Z")
    assert events(client.get(page)) == []


def test_a_coach_may_read_the_whole_roster_and_an_athlete_only_himself(
    client: Client, athlete: User, coach: User, link: CoachingLink, stranger: User, other_coach: User
) -> None:
    offer(link, on=SOON)
    offer(CoachingLink.objects.create(coach=coach, athlete=stranger, scopes=[Scope.PLAN]), on=SOON)
    offer(CoachingLink.objects.create(coach=other_coach, athlete=athlete, scopes=[Scope.PLAN]), on=SOON)
    assert len(events(client.get(address(athlete)))) == 2
    names = {str(event["SUMMARY"]) for event in events(client.get(address(coach, "athletes")))}
    assert names == {"Ada Athlete: Easy run", "Sam Stranger: Easy run"}
    assert client.get(address(athlete, "athletes")).status_code == 404


def test_an_unchanged_plan_is_not_sent_again(client: Client, athlete: User, link: CoachingLink) -> None:
    offer(link, on=SOON)
    page = address(athlete)
    first = client.get(page)
    again = client.get(page, headers={"If-None-Match": first["ETag"]})
    assert (again.status_code, again.content) == (304, b"")
    offer(link, on=SOON + timedelta(days=1))
    assert client.get(page, headers={"If-None-Match": first["ETag"]}).status_code == 200


@pytest.mark.parametrize("token", ["x", "A" * 22, "A" * 400, "ä" * 22, "0" * 64])
def test_any_other_token_is_not_found(client: Client, athlete: User, token: str) -> None:
    feeding.renew(athlete)
    assert client.get(f"/feed/{token}/mine.ics").status_code == 404


def test_the_hash_itself_opens_nothing(client: Client, athlete: User) -> None:
    feeding.renew(athlete)
    stored = CalendarFeed.objects.get().token_hash
    assert client.get(reverse("coaching:feed", args=[stored[:22], "mine"])).status_code == 404
    assert client.get(reverse("coaching:feed", args=[stored, "mine"])).status_code == 404


def test_who_is_no_longer_active_feeds_no_calendar(client: Client, athlete: User) -> None:
    page = address(athlete)
    User.objects.filter(pk=athlete.pk).update(is_active=False)
    assert client.get(page).status_code == 404


def test_the_address_is_shown_once_renewed_and_ended(as_athlete: Client, athlete: User) -> None:
    def shown(text: str) -> list[str]:
        return re.findall(r"http://testserver(/feed/[\w-]{22}/mine\.ics)", text)

    (first,) = shown(as_athlete.post(reverse("coaching:renew_feed")).text)
    assert shown(as_athlete.get(reverse("coaching:feed_settings")).text) == []
    calendar = Client()
    assert calendar.get(first).status_code == 200
    assert "A calendar read it" in as_athlete.get(reverse("coaching:feed_settings")).text
    (second,) = shown(as_athlete.post(reverse("coaching:renew_feed")).text)
    assert (calendar.get(first).status_code, calendar.get(second).status_code) == (404, 200)
    as_athlete.post(reverse("coaching:revoke_feed"))
    assert calendar.get(second).status_code == 404
    token = second.split("/")[2]
    assert token not in str(list(CalendarFeed.objects.values())) + str(list(AuditEntry.objects.values()))


def test_the_address_is_made_and_ended_by_posts_alone(as_athlete: Client, athlete: User) -> None:
    for name in ("renew_feed", "revoke_feed"):
        assert as_athlete.get(reverse(f"coaching:{name}")).status_code == 405
    assert not CalendarFeed.objects.exists()
