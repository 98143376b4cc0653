"""Invitations are single-use secrets; ending a link takes effect at once."""

import logging
import smtplib
from datetime import timedelta
from hashlib import sha256
from typing import Any

import pytest
from django.core import mail
from django.core.mail.backends.locmem import EmailBackend
from django.db import connection as database
from django.utils import timezone

from accounts.models import AuditEntry, User
from coaching.models import CoachingLink, Delivery, DeliveryStatus, Invitation, Scope, Share, ShareStatus
from coaching.services import inviting, sharing
from integrations import errors
from integrations.models import DomainEvent, Provider
from tests.coaching.world import accepted, in_parallel, offer

EMAIL = "new@example.org"


@pytest.mark.django_db
def test_the_token_is_in_the_mail_and_nowhere_else(coach: User, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        invitation, token = inviting.invite(coach, "  New@Example.org ")
    assert len(token) >= 32
    assert invitation.email == EMAIL
    assert invitation.token_hash == sha256(token.encode()).hexdigest()
    assert invitation.mailed_at is not None
    (message,) = mail.outbox
    assert message.to == [EMAIL]
    assert token in message.body
    assert isinstance(message, mail.EmailMultiAlternatives)
    assert token in str(message.alternatives[0])
    assert token not in message.subject + caplog.text
    with database.cursor() as cursor:
        for table in database.introspection.table_names(cursor):
            cursor.execute(f'SELECT count(*) FROM "{table}" AS t WHERE t::text LIKE %s', [f"%{token}%"])
            assert cursor.fetchone() == (0,), table
    assert inviting.find(token) == invitation
    assert timedelta(days=13) < invitation.expires_at - timezone.now() <= timedelta(days=14)


@pytest.mark.django_db
def test_unknown_used_expired_and_revoked_tokens_look_alike(coach: User, athlete: User, stranger: User) -> None:
    assert inviting.find("") is None
    assert inviting.find("x" * 5000) is None
    assert inviting.find("\udcff\x00") is None
    used, used_token = inviting.invite(coach, "a@example.org")
    inviting.accept(used, athlete)
    expired, expired_token = inviting.invite(coach, "b@example.org")
    Invitation.objects.filter(pk=expired.pk).update(expires_at=timezone.now() - timedelta(seconds=1))
    revoked, revoked_token = inviting.invite(coach, "c@example.org")
    assert inviting.revoke(revoked, by=coach)
    declined, declined_token = inviting.invite(coach, "d@example.org")
    assert inviting.decline(declined)
    for token in (used_token, expired_token, revoked_token, declined_token):
        assert inviting.find(token) is None
    for invitation in (used, expired, revoked, declined):
        with pytest.raises(errors.NotFoundError):
            inviting.accept(invitation, stranger)
    assert not CoachingLink.objects.filter(athlete=stranger).exists()


@pytest.mark.django_db
def test_accepting_makes_the_link_on_the_athletes_terms(coach: User, athlete: User) -> None:
    invitation, _ = inviting.invite(coach, athlete.email)
    link = inviting.accept(invitation, athlete, scopes=["heart_rate", "everything"], auto_import=True)
    assert (link.coach, link.athlete, link.auto_import) == (coach, athlete, True)
    assert link.scopes == [Scope.PLAN, Scope.HEART_RATE]
    invitation.refresh_from_db()
    assert invitation.link == link
    assert DomainEvent.objects.filter(type="link.started", subject_id=link.pk).exists()
    assert inviting.update_scopes(link, by=athlete, scopes=[], auto_import=False)
    assert not inviting.update_scopes(link, by=coach, scopes=Scope.values, auto_import=True)
    link.refresh_from_db()
    assert (link.scopes, link.auto_import) == ([Scope.PLAN], False)


@pytest.mark.django_db(transaction=True)
def test_of_many_parallel_clicks_one_person_gets_the_link(coach: User) -> None:
    invitation, _ = inviting.invite(coach, EMAIL)
    people = [User.objects.create_user(f"p{n}@example.org") for n in range(10)]
    waiting = iter(people * 2)

    def click() -> bool:
        try:
            inviting.accept(invitation, next(waiting))
        except errors.NotFoundError:
            return False
        return True

    assert sum(in_parallel(20, click)) == 1
    assert CoachingLink.objects.count() == 1


@pytest.mark.django_db
def test_pointless_invitations_are_refused_with_words(coach: User, link: CoachingLink) -> None:
    for email in (coach.email.upper(), link.athlete.email):
        with pytest.raises(errors.ValidationError, match=r"yourself|already"):
            inviting.invite(coach, email)
    invitation, _ = inviting.invite(coach, EMAIL)
    with pytest.raises(errors.ValidationError, match="own"):
        inviting.accept(invitation, coach)
    assert inviting.report(invitation)
    with pytest.raises(errors.ValidationError, match="not want"):
        inviting.invite(coach, EMAIL)
    with pytest.raises(errors.NotFoundError):
        inviting.resend(invitation, by=coach)
    assert AuditEntry.objects.get(action="invitation.reported").level == "security"
    assert len(mail.outbox) == 1


@pytest.mark.django_db
def test_inviting_again_and_resending_replace_the_token(coach: User, other_coach: User) -> None:
    first, token = inviting.invite(coach, EMAIL)
    again, second = inviting.invite(coach, EMAIL)
    assert first.pk == again.pk
    third = inviting.resend(again, by=coach)
    assert [inviting.find(t) is None for t in (token, second, third)] == [True, True, False]
    inviting.invite(other_coach, EMAIL)
    with pytest.raises(errors.NotFoundError):
        inviting.resend(again, by=other_coach)
    assert not inviting.revoke(again, by=other_coach)
    assert inviting.revoke(again, by=coach)
    with pytest.raises(errors.NotFoundError):
        inviting.resend(again, by=coach)


@pytest.mark.django_db
def test_a_declined_one_can_be_sent_again_unless_another_is_open(coach: User) -> None:
    declined, _ = inviting.invite(coach, EMAIL)
    inviting.decline(declined)
    token = inviting.resend(declined, by=coach)
    assert inviting.find(token) is not None
    inviting.decline(declined)
    inviting.invite(coach, EMAIL)
    with pytest.raises(errors.ConflictError):
        inviting.resend(declined, by=coach)


@pytest.mark.django_db(transaction=True)
def test_fifty_mails_a_day_whatever_the_way(coach: User, other_coach: User) -> None:
    invitation, _ = inviting.invite(coach, "n0@example.org")
    for number in range(1, 45):
        inviting.invite(coach, f"n{number}@example.org")
    numbers = iter(range(100, 200))

    def more() -> bool:
        try:
            inviting.invite(coach, f"n{next(numbers)}@example.org")
        except errors.ThrottledError:
            return False
        return True

    assert sum(in_parallel(12, more)) == 5
    with pytest.raises(errors.ThrottledError, match="50") as refusal:
        inviting.resend(invitation, by=coach)
    assert refusal.value.retry_after is not None
    assert refusal.value.retry_after > 80_000
    assert len(mail.outbox) == 50
    inviting.invite(other_coach, EMAIL)


class _Down(EmailBackend):
    def send_messages(self, messages: Any) -> int:
        raise smtplib.SMTPServerDisconnected("gone")


@pytest.mark.django_db
def test_an_invitation_stands_though_the_mail_server_is_down(coach: User, settings: Any) -> None:
    settings.EMAIL_BACKEND = f"{__name__}._Down"
    invitation, token = inviting.invite(coach, EMAIL)
    assert invitation.mailed_at is None
    assert inviting.find(token) == invitation


@pytest.mark.django_db
def test_a_coach_cannot_write_headers(coach: User) -> None:
    coach.display_name = "Eve\r\nBcc: all@example.org\u202e"
    coach.save()
    inviting.invite(coach, EMAIL)
    message = mail.outbox[0]
    assert "\n" not in message.subject
    assert "\u202e" not in message.subject
    assert message.recipients() == [EMAIL]
    assert "Bcc" not in message.message()


@pytest.mark.django_db
@pytest.mark.parametrize("side", ["coach", "athlete"])
def test_ending_a_link_ends_all_that_is_open(link: CoachingLink, garmin_provider: Provider, side: str) -> None:
    open_offer, waiting = offer(link), accepted(link)
    assert not inviting.end_link(link, by=User.objects.create_user("nobody@example.org"))
    person = getattr(link, side)
    assert inviting.end_link(link, by=person)
    assert not inviting.end_link(link, by=person)
    open_offer.refresh_from_db()
    waiting.refresh_from_db()
    link.refresh_from_db()
    assert link.status == CoachingLink.Status.ENDED
    assert open_offer.status == ShareStatus.WITHDRAWN
    assert waiting.status == DeliveryStatus.CANCELLED
    assert sharing.accept(open_offer, by=link.athlete) is None
    assert sharing.share_workout(open_offer.revision, targets=[(link, None)], by=link.coach) == 0
    assert DomainEvent.objects.get(type="link.ended").payload == {"by": person.pk}
    assert Share.objects.inbox(link.athlete).count() == 0
    assert not Delivery.objects.open().exists()
