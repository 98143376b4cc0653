"""Who is told what, once; mails that leave late rather than never, and carry nothing but text."""

import smtplib
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.core import mail
from django.core.mail.backends.locmem import EmailBackend
from django.utils import timezone

from accounts.models import User
from accounts.signals import arrived
from coaching import mailing, notifications, receivers, tasks
from coaching.models import Channel, CoachingLink, Delivery, DeliveryStatus, Notification, Share
from coaching.services import delivering, inviting, sharing
from integrations import credentials, events
from integrations.models import Connection, DomainEvent, Provider
from tests.coaching.world import TUESDAY, accepted, easy_run, in_parallel, make_workout, offer, revise

pytestmark = pytest.mark.django_db
HOSTILE = "<script>alert(1)</script>\r\nBcc: all@example.org \u202egnp.exe"


@pytest.fixture
def connection(athlete: User, garmin_provider: Provider) -> Connection:
    return Connection.objects.create(
        user=athlete, provider=garmin_provider, status="active", external_account_id="1", delivers=True
    )


def dispatch() -> None:
    while events.dispatch_due():
        pass
    assert not DomainEvent.objects.exclude(status="done").exists()


def told(user: User, channel: str = Channel.IN_APP) -> list[str]:
    rows = Notification.objects.filter(recipient=user, channel=channel).order_by("pk")
    return [row.context["text"] for row in rows]


def test_a_shared_workout_is_told_in_the_app_and_by_mail(link: CoachingLink) -> None:
    offer(link)
    dispatch()
    words = "Carla Coach shared “Easy run” for Tuesday, 1 December."
    assert told(link.athlete) == told(link.athlete, Channel.EMAIL) == [words]
    assert told(link.coach) == []
    assert mailing.send_due() == 1
    (message,) = mail.outbox
    assert message.to == [link.athlete.email]
    assert message.subject == "Carla Coach shared a workout: Easy run"
    share = Share.objects.get()
    assert isinstance(message, mail.EmailMultiAlternatives)
    for part in (message.body, str(message.alternatives[0])):
        assert f"/inbox/{share.public_id}/" in part
        assert "Tuesday, 1 December" in part
    assert mailing.send_due() == 0


def test_consumers_tell_once_however_often_they_run(link: CoachingLink) -> None:
    offer(link)
    event = DomainEvent.objects.get(type="workout.shared")
    for _ in range(3):
        notifications.on_shared(event)
    assert Notification.objects.count() == 2


def test_who_imports_by_himself_or_has_it_already_gets_no_mail(link: CoachingLink, connection: Connection) -> None:
    CoachingLink.objects.update(auto_import=True)
    share = offer(link)
    sharing.share_workout(revise(share.workout, easy_run("Longer")), targets=[(link, TUESDAY)], by=link.coach)
    dispatch()
    first, second = told(link.athlete)
    assert first.endswith("It goes to your account by itself.")
    assert "changed “Longer”" in second
    assert told(link.athlete, Channel.EMAIL) == []


def test_answers_reach_the_coach_in_the_app_only(link: CoachingLink, connection: Connection) -> None:
    accepted(link)
    sharing.decline(offer(link, easy_run("Hills")), by=link.athlete)
    sharing.withdraw(offer(link, easy_run("Track")), by=link.coach)
    dispatch()
    assert told(link.coach) == [
        "Ada Athlete accepted “Easy run” for Tuesday, 1 December.",
        "Ada Athlete declined “Hills” for Tuesday, 1 December.",
    ]
    assert told(link.coach, Channel.EMAIL) == []
    assert told(link.athlete)[-1] == "Carla Coach withdrew “Track” for Tuesday, 1 December."


def test_a_failed_delivery_is_told_to_both_with_its_reason(link: CoachingLink, connection: Connection) -> None:
    delivery = accepted(link)
    Delivery.objects.update(
        status=DeliveryStatus.FAILED, error_code="unsupported", error_detail="Step 2: no such target."
    )
    events.publish("delivery.failed", delivery, code="unsupported")
    dispatch()
    assert told(link.athlete, Channel.EMAIL) == ["“Easy run” did not reach your account. Step 2: no such target."]
    assert told(link.coach, Channel.EMAIL) == [
        "“Easy run” did not reach Ada Athlete’s account. Step 2: no such target."
    ]
    Notification.objects.exclude(template="delivery_failed").delete()
    assert mailing.send_due() == 2
    assert all("Step 2: no such target." in message.body for message in mail.outbox)


def test_a_login_that_is_over_is_told_once(connection: Connection, athlete: User) -> None:
    credentials.lose(connection, "invalid_grant")
    credentials.lose(connection, "invalid_grant")
    dispatch()
    assert len(told(athlete, Channel.EMAIL)) == 1
    mailing.send_due()
    assert mail.outbox[0].subject == "Garmin Connect asks for a new login"


@pytest.mark.parametrize("side", ["coach", "athlete"])
def test_an_ended_link_is_told_to_the_other_side(link: CoachingLink, side: str) -> None:
    inviting.end_link(link, by=getattr(link, side))
    dispatch()
    other = link.athlete if side == "coach" else link.coach
    assert told(getattr(link, side)) == []
    (words,) = told(other, Channel.EMAIL)
    assert words.startswith(str(getattr(link, side)))


def test_a_connection_that_works_again_sets_deliveries_off(link: CoachingLink, connection: Connection) -> None:
    assert receivers.resume_deliveries in events.handlers("connection.activated")
    connection.move("needs_reauth", only_from=["active"])
    delivery = accepted(link)
    assert delivery.status == DeliveryStatus.BLOCKED
    connection.move("active", only_from=["needs_reauth"])
    events.publish("connection.activated", connection, connection=connection)
    dispatch()
    delivery.refresh_from_db()
    assert (delivery.status, delivery.error_detail) == (DeliveryStatus.PENDING, "")
    connection.move("disconnected", only_from=["active"])
    events.publish("connection.disconnected", connection, connection=connection, purge=False)
    dispatch()
    delivery.refresh_from_db()
    assert (delivery.status, delivery.error_code) == (DeliveryStatus.CANCELLED, delivering.DISCONNECTED[0])


@pytest.mark.parametrize("name", [HOSTILE, "x" * 255])
def test_names_are_text_everywhere(link: CoachingLink, name: str) -> None:
    workout = make_workout(link.coach, easy_run(name))
    assert workout.current is not None
    sharing.share_workout(workout.current, targets=[(link, TUESDAY)], by=link.coach, message="<i>hi</i>\nthere")
    dispatch()
    mailing.send_due()
    (message,) = mail.outbox
    assert len(message.subject) <= 120
    assert "\n" not in message.subject
    assert "\u202e" not in message.subject
    assert message.recipients() == [link.athlete.email]
    assert "Bcc" not in message.message()
    assert isinstance(message, mail.EmailMultiAlternatives)
    html = str(message.alternatives[0][0])
    assert "<script" not in html
    assert "<i>" not in html
    assert "&lt;i&gt;hi&lt;/i&gt;<br>there" in html
    assert "<i>hi</i>\nthere" in message.body


class Failing(EmailBackend):
    """A mail server that does as the test says."""

    error: Exception | None = None
    meanwhile: Callable[[], object] | None = None

    def send_messages(self, messages: Any) -> int:
        if Failing.error:
            raise Failing.error
        if Failing.meanwhile:
            Failing.meanwhile()
        return super().send_messages(messages)


@pytest.fixture
def smtp(settings: Any) -> Callable[[Exception | None], None]:
    settings.EMAIL_BACKEND = f"{__name__}.Failing"

    def fails_with(error: Exception | None) -> None:
        Failing.error = error

    fails_with(None)
    Failing.meanwhile = None
    return fails_with


def mail_row(link: CoachingLink) -> Notification:
    offer(link)
    dispatch()
    return Notification.objects.get(channel=Channel.EMAIL)


def send_again(row: Notification) -> Notification:
    Notification.objects.filter(pk=row.pk).update(next_attempt_at=timezone.now())
    mailing.send_due()
    row.refresh_from_db()
    return row


@pytest.mark.parametrize("error", [ConnectionRefusedError(), smtplib.SMTPDataError(451, b"later"), TimeoutError()])
def test_a_mail_server_that_is_away_costs_time_and_nothing_else(
    link: CoachingLink, smtp: Callable[[Exception | None], None], error: Exception
) -> None:
    row = mail_row(link)
    smtp(error)
    for least in (24, 240, 1440, 5760, 23040):
        send_again(row)
        assert row.status == Notification.Status.PENDING
        left = (row.next_attempt_at - timezone.now()).total_seconds()
        assert least - 1 <= left <= least * 1.5
    assert Share.objects.get().status == "offered"
    smtp(None)
    assert send_again(row).status == Notification.Status.SENT
    assert len(mail.outbox) == 1


def test_after_six_tries_a_mail_has_failed(link: CoachingLink, smtp: Callable[[Exception | None], None]) -> None:
    row = mail_row(link)
    smtp(ConnectionRefusedError())
    for _ in range(6):
        send_again(row)
    assert (row.status, row.error_code) == (Notification.Status.FAILED, "ConnectionRefusedError")


def test_a_refused_address_ends_it(link: CoachingLink, smtp: Callable[[Exception | None], None]) -> None:
    row = mail_row(link)
    smtp(smtplib.SMTPRecipientsRefused({link.athlete.email: (450, b"busy")}))
    assert send_again(row).status == Notification.Status.PENDING
    smtp(smtplib.SMTPRecipientsRefused({link.athlete.email: (550, b"no such user")}))
    assert send_again(row).status == Notification.Status.FAILED


def test_who_left_gets_no_mail(link: CoachingLink) -> None:
    row = mail_row(link)
    User.objects.filter(pk=link.athlete_id).update(is_active=False)
    assert (send_again(row).status, row.error_code) == (Notification.Status.FAILED, "suppressed")
    assert mail.outbox == []


def test_a_mail_that_a_dead_worker_held_leaves_later(link: CoachingLink) -> None:
    row = mail_row(link)
    assert Notification.objects.claim(row.pk)
    assert mailing.send_due() == 0
    Notification.objects.filter(pk=row.pk).update(lease_until=timezone.now() - timedelta(seconds=1))
    mailing.send_due()
    assert send_again(row).status == Notification.Status.SENT


def test_a_slow_sender_leaves_what_others_have_taken_over(
    link: CoachingLink, smtp: Callable[[Exception | None], None]
) -> None:
    mail_row(link)
    offer(link, easy_run("Hills"))
    dispatch()
    Failing.meanwhile = lambda: Notification.objects.filter(status="sending").update(lease_token=uuid4())
    assert mailing.send_due() == 0
    assert len(mail.outbox) == 1


@pytest.mark.django_db(transaction=True)
def test_parallel_senders_send_each_mail_once(link: CoachingLink) -> None:
    for number in range(30):
        offer(link, easy_run(f"Run {number}"))
    dispatch()
    in_parallel(6, mailing.send_due)
    while mailing.send_due():
        pass
    assert len({message.subject for message in mail.outbox}) == len(mail.outbox) == 30


def test_reading_is_ones_own(link: CoachingLink, stranger: User) -> None:
    offer(link)
    dispatch()
    assert notifications.mark_read(stranger) == 0
    assert notifications.mark_read(link.athlete) == 1
    assert not Notification.objects.unread(link.athlete).exists()


def test_the_bell_knows_the_task_by_its_right_name() -> None:
    assert mailing.SEND.name == tasks.tick_notifications.name


def test_who_joins_is_welcomed_once(athlete: User) -> None:
    """However often an address is proved."""
    for _ in range(2):
        arrived.send(sender=User, user=athlete)
        dispatch()
    assert told(athlete) == [
        "Welcome to Transformation Coaching. Connect your account first; the rest follows from there."
    ]
    assert mailing.send_due() == 1
    (message,) = mail.outbox
    assert message.subject == "Welcome to Transformation Coaching"
    assert "Three steps" in message.body
