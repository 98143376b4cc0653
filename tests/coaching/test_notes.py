"""Notes between an athlete and a coach: who reads what, and that both sides hear of it."""

from typing import Any
from uuid import uuid4

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import User
from coaching.models import CoachingLink, Note, Notification
from coaching.services import inviting, noting
from integrations import errors, events
from tests.coaching.roster_world import EVERYTHING
from tests.coaching.world import offer

pytestmark = pytest.mark.django_db


@pytest.fixture
def open_link(link: CoachingLink) -> CoachingLink:
    """The athlete shares notes."""
    CoachingLink.objects.filter(pk=link.pk).update(scopes=EVERYTHING)
    link.refresh_from_db()
    return link


def address(link: CoachingLink, **query: Any) -> str:
    return reverse("coaching:notes", args=[link.public_id], query=query)


def told() -> list[User]:
    while events.dispatch_due():
        pass
    return [
        row.recipient for row in Notification.objects.filter(template="note_written", channel="in_app").order_by("pk")
    ]


def test_both_sides_write_and_read_and_hear_of_it(
    as_coach: Client, as_athlete: Client, open_link: CoachingLink
) -> None:
    as_athlete.post(address(open_link), {"text": "My knee hurts."})
    as_coach.post(address(open_link), {"text": "Rest <b>today</b>\u202e."})
    for client in (as_coach, as_athlete):
        page = client.get(address(open_link)).text
        assert page.index("My knee hurts.") < page.index("Rest &lt;b&gt;today&lt;/b&gt;.")
    assert told() == [open_link.coach, open_link.athlete]


def test_without_consent_a_coach_reads_his_own_alone(as_coach: Client, as_athlete: Client, link: CoachingLink) -> None:
    as_athlete.post(address(link), {"text": "For me alone."})
    as_coach.post(address(link), {"text": "How was it?"})
    page = as_coach.get(address(link)).text
    assert "For me alone." not in page
    assert "How was it?" in page
    assert "does not share notes with you" in page
    assert "For me alone." in as_athlete.get(address(link)).text
    assert "does not see what you write here" in as_athlete.get(address(link)).text
    assert told() == [link.athlete], "the coach is not even told that there is one"


def test_consent_withdrawn_takes_effect_at_once(as_coach: Client, open_link: CoachingLink) -> None:
    noting.write(open_link, open_link.athlete, "My knee hurts.")
    assert "My knee hurts." in as_coach.get(address(open_link)).text
    inviting.update_scopes(open_link, by=open_link.athlete, scopes=["activities"], auto_import=False)
    assert "My knee hurts." not in as_coach.get(address(open_link)).text


def test_after_the_end_nobody_reads_or_writes(as_coach: Client, as_athlete: Client, open_link: CoachingLink) -> None:
    noting.write(open_link, open_link.athlete, "My knee hurts.")
    inviting.end_link(open_link, by=open_link.athlete)
    for client in (as_coach, as_athlete):
        assert client.get(address(open_link)).status_code == 404
        assert client.post(address(open_link), {"text": "Hello?"}).status_code == 404
    with pytest.raises(errors.NotFoundError):
        noting.write(open_link, open_link.coach, "Hello?")
    assert Note.objects.count() == 1


def test_a_workout_has_a_thread_of_its_own(as_coach: Client, open_link: CoachingLink) -> None:
    share = offer(open_link)
    noting.write(open_link, open_link.athlete, "In general")
    as_coach.post(address(open_link, workout=share.public_id), {"text": "About this one"})
    assert Note.objects.get(text="About this one").share == share
    own = as_coach.get(address(open_link, workout=share.public_id)).text
    assert "About this one" in own
    assert "In general" not in own
    everything = as_coach.get(address(open_link)).text
    assert "About this one" in everything
    assert "In general" in everything


def test_a_workout_of_another_link_has_no_thread_here(
    as_coach: Client, open_link: CoachingLink, other_coach: User, stranger: User
) -> None:
    foreign = offer(CoachingLink.objects.create(coach=other_coach, athlete=stranger, scopes=EVERYTHING))
    for wrong in (foreign.public_id, uuid4(), "nonsense"):
        assert as_coach.get(address(open_link, workout=wrong)).status_code == 404
        assert as_coach.post(address(open_link, workout=wrong), {"text": "x"}).status_code == 404
    with pytest.raises(errors.NotFoundError):
        noting.write(open_link, open_link.coach, "x", share=foreign)
    assert not Note.objects.exists()


@pytest.mark.parametrize("text", ["", "   ", "\u202e\u200e", "x" * 2001])
def test_nothing_to_say_is_not_kept(as_coach: Client, open_link: CoachingLink, text: str) -> None:
    as_coach.post(address(open_link), {"text": text})
    assert not Note.objects.exists()


def test_a_long_thread_shows_the_newest_and_leads_to_the_rest(as_coach: Client, open_link: CoachingLink) -> None:
    for number in range(noting.SHOWN + 5):
        noting.write(open_link, open_link.athlete, f"Note {number:03}")
    page = as_coach.get(address(open_link)).text
    assert "Note 054" in page
    assert "Note 004" not in page
    earliest = noting.thread(open_link.coach, open_link)[0].pk
    earlier = as_coach.get(address(open_link, before=earliest)).text
    assert "Note 004" in earlier
    assert "Note 005" not in earlier
    assert as_coach.get(address(open_link, before="9" * 30)).status_code == 200


def test_reading_earlier_ones_does_not_unread_the_newest(as_coach: Client, open_link: CoachingLink) -> None:
    for number in range(noting.SHOWN + 2):
        noting.write(open_link, open_link.athlete, f"Note {number:03}")
    as_coach.get(address(open_link))
    open_link.refresh_from_db()
    newest = open_link.notes_read_by_coach_at
    as_coach.get(address(open_link, before=noting.thread(open_link.coach, open_link)[0].pk))
    open_link.refresh_from_db()
    assert open_link.notes_read_by_coach_at == newest is not None
    assert open_link.notes_read_by_athlete_at is None


def test_a_stranger_finds_no_thread(open_link: CoachingLink, stranger: User, other_coach: User) -> None:
    for person in (stranger, other_coach):
        client = Client()
        client.force_login(person)
        assert client.get(address(open_link)).status_code == 404
        assert client.post(address(open_link), {"text": "x"}).status_code == 404


def test_a_note_needs_the_forms_token(open_link: CoachingLink, coach: User) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(coach)
    assert client.post(address(open_link), {"text": "x"}).status_code == 403
    assert not Note.objects.exists()
