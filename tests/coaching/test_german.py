"""Each is spoken to in his own language: pages to the viewer, news and mails to whom they tell."""

from datetime import date

import pytest
from django.core import mail
from django.test import Client
from django.utils.translation import override

from accounts.models import User
from coaching import mailing, words
from coaching.models import CoachingLink, Notification
from integrations import events
from integrations.records import (
    End,
    EndKind,
    Intensity,
    RepeatStep,
    Segment,
    Sport,
    Target,
    TargetKind,
    WorkoutRecord,
    WorkoutStep,
)
from tests.coaching.world import offer

pytestmark = pytest.mark.django_db


def speaks(user: User, language: str) -> None:
    User.objects.filter(pk=user.pk).update(language=language)


def test_pages_speak_the_viewers_language(link: CoachingLink, as_coach: Client, as_athlete: Client) -> None:
    speaks(link.athlete, "de")
    german, english = as_athlete.get("/inbox/").text, as_coach.get("/").text
    assert '<html lang="de"' in german
    assert "Workouts von deinem Trainer." in german
    assert '<html lang="en"' in english


def test_days_stand_in_german_order(link: CoachingLink, as_athlete: Client) -> None:
    speaks(link.athlete, "de")
    share = offer(link, on=date(2026, 12, 1))
    assert "Dienstag, 1. Dezember 2026" in as_athlete.get(f"/inbox/{share.public_id}/").text


def test_news_and_mails_are_written_for_whom_they_tell(link: CoachingLink) -> None:
    speaks(link.athlete, "de")
    offer(link)
    with override("en"):  # the worker's own
        while events.dispatch_due():
            pass
    row = Notification.objects.filter(recipient=link.athlete, channel="in_app").get()
    assert row.context["text"] == "Carla Coach hat „Easy run“ geteilt, für Dienstag, 1. Dezember."
    assert mailing.send_due() == 1
    (message,) = mail.outbox
    assert message.subject == "Carla Coach hat ein Workout geteilt: Easy run"
    assert isinstance(message, mail.EmailMultiAlternatives)
    assert "hat dieses Workout mit dir geteilt, für Dienstag, 1. Dezember." in message.body
    assert '<html lang="de">' in str(message.alternatives[0])


def test_steps_are_read_in_german() -> None:
    work = WorkoutStep(
        end=End(kind=EndKind.DISTANCE, value=1500), target=Target(kind=TargetKind.HEART_RATE, low=140, high=150)
    )
    rest = WorkoutStep(intensity=Intensity.REST, end=End(kind=EndKind.LAP_BUTTON))
    segment = Segment(sport=Sport.CYCLING, steps=(RepeatStep(count=4, steps=(work, rest)),))
    record = WorkoutRecord(name="Vier", sport=Sport.CYCLING, segments=(segment,))
    with override("de"):
        told = words.in_one_line(record, "metric")
    assert told == "4 × 1,5 km bei 140–150 bpm, dann Pause bis du die Rundentaste drückst"
    assert words.in_one_line(record, "metric") == "4 × 1.5 km at 140–150 bpm, then rest until you press lap"
