"""Invitations as both sides see them: whether the mail left, and the way out for who does not know the coach."""

import smtplib
from typing import Any

import pytest
from django.core.mail.backends.locmem import EmailBackend
from django.test import Client
from django.urls import reverse

from accounts.models import AuditEntry, User
from coaching.models import CoachingLink, Invitation
from coaching.services import inviting

pytestmark = pytest.mark.django_db
EMAIL = "new@example.org"


class _Down(EmailBackend):
    def send_messages(self, messages: Any) -> int:
        raise smtplib.SMTPServerDisconnected("gone")


def invite(client: Client) -> str:
    return client.post(reverse("coaching:invite"), {"email": EMAIL}).text


def test_the_roster_says_that_the_mail_left(as_coach: Client) -> None:
    assert f"The invitation was mailed to {EMAIL}." in invite(as_coach)
    assert "mailed now" in as_coach.get(reverse("coaching:invite")).text


def test_the_roster_says_that_the_mail_did_not_leave_and_what_to_do(as_coach: Client, settings: Any) -> None:
    settings.EMAIL_BACKEND = f"{__name__}._Down"
    text = invite(as_coach)
    assert f"The mail to {EMAIL} did not leave." in text
    assert "was mailed" not in text
    assert "/invitation/" in text, "the link can be given by hand"
    assert "not mailed" in as_coach.get(reverse("coaching:invite")).text
    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
    again = as_coach.post(reverse("coaching:resend", args=[Invitation.objects.get().public_id])).text
    assert f"The invitation was mailed to {EMAIL}." in again


def test_past_the_days_limit_of_invitations_the_answer_says_when(
    as_coach: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inviting, "MOST_A_DAY", 1)
    invite(as_coach)
    answer = as_coach.post(reverse("coaching:invite"), {"email": "another@example.org"})
    assert (answer.status_code, int(answer["Retry-After"]) > 80_000) == (429, True)
    assert "which is the limit" in answer.text


@pytest.mark.parametrize("signed_in", [True, False])
def test_who_does_not_know_the_coach_reports_it_and_is_left_alone(
    coach: User, as_coach: Client, athlete: User, signed_in: bool
) -> None:
    _, token = inviting.invite(coach, EMAIL)
    visitor = Client()
    if signed_in:
        visitor.force_login(athlete)
    page = visitor.get(reverse("coaching:arrive", args=[token]), follow=True)
    assert "I do not know this person" in page.text
    report = reverse("coaching:report_invitation")
    assert f'action="{report}"' in page.text
    assert "Reported" in visitor.post(report).text
    assert AuditEntry.objects.get(action="invitation.reported").level == AuditEntry.Level.SECURITY
    assert visitor.get(reverse("coaching:arrive", args=[token])).status_code == 404
    assert "does not want to be invited again" in invite(as_coach)
    roster = as_coach.get(reverse("coaching:invite")).text
    assert "you cannot invite this address again" in roster
    assert "Send again" not in roster
    assert not CoachingLink.objects.exists()


def test_a_report_without_an_invitation_changes_nothing(coach: User) -> None:
    invitation, _ = inviting.invite(coach, EMAIL)
    answer = Client().post(reverse("coaching:report_invitation"))
    assert "Reported" not in answer.text
    invitation.refresh_from_db()
    assert invitation.reported_at is None
    assert Client().get(reverse("coaching:report_invitation")).status_code == 405


def test_nobody_reports_an_own_invitation_by_accident(as_coach: Client, coach: User) -> None:
    _, token = inviting.invite(coach, EMAIL)
    page = as_coach.get(reverse("coaching:arrive", args=[token]), follow=True)
    assert "This is your own invitation." in page.text
    assert "I do not know this person" not in page.text
