"""Mails as a real mail server receives them: what people wrote reaches it as text, never as a header or a page."""

import asyncio
import re
from collections.abc import Iterator
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from accounts.models import User
from coaching import mailing
from coaching.models import CoachingLink, Notification
from coaching.plain import one_line
from coaching.services import inviting, sharing
from integrations import events
from integrations.providers.garmin.translator import to_summary
from tests.coaching.world import TUESDAY, easy_run, make_workout

pytestmark = pytest.mark.django_db
SCRIPT = "<script>alert(1)</script>"
LONG = "long & " * 1429  # 10,003 letters
FORGED = f"Run\r\nBcc: all@example.org\r\n\r\n{SCRIPT}"


class Post:
    """Takes everything, except for whom it knows to be gone."""

    def __init__(self) -> None:
        self.received: list[tuple[list[str], EmailMessage]] = []
        self.gone: set[str] = set()

    async def handle_RCPT(self, _: SMTP, __: Session, envelope: Envelope, address: str, ___: list[str]) -> str:
        if address in self.gone:
            return "550 no such mailbox"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _: SMTP, __: Session, envelope: Envelope) -> str:
        content = envelope.content
        assert isinstance(content, bytes)
        message = message_from_bytes(content, policy=policy.default)
        assert isinstance(message, EmailMessage)
        self.received.append((envelope.rcpt_tos, message))
        return "250 taken"


class Server(Controller):
    def _trigger_server(self) -> None:
        """It calls itself once to see that it listens, by the port it was given: here any that is free."""
        assert isinstance(self.server, asyncio.Server)
        self.port = self.server.sockets[0].getsockname()[1]
        super()._trigger_server()  # type: ignore[no-untyped-call]


@pytest.fixture
def post(settings: Any) -> Iterator[Post]:
    """A mail server on a free loopback port, and Django's own SMTP backend pointed at it."""
    handler = Post()
    server = Server(handler, hostname="127.0.0.1", port=0)
    server.start()
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = server.hostname, server.port
    settings.EMAIL_USE_TLS = False
    yield handler
    server.stop()


def parts(message: EmailMessage) -> tuple[str, str]:
    """(plain text, HTML)."""
    plain, page = message.get_body(("plain",)), message.get_body(("html",))
    assert plain is not None
    assert page is not None
    return plain.get_content(), page.get_content()


def holds_to_the_rules(message: EmailMessage, to: str) -> None:
    """One recipient, one short line of subject, no header that nobody of us wrote, no line too long for the way."""
    assert [message["To"], message["Bcc"], message["Cc"]] == [to, None, None]
    ways_out = {"List-Unsubscribe", "List-Unsubscribe-Post"}
    assert set(message.keys()) - ways_out == {
        "Content-Type",
        "MIME-Version",
        "Subject",
        "From",
        "To",
        "Date",
        "Message-ID",
    }
    assert 0 < len(message["Subject"]) <= 120
    assert not re.search(r"[\x00-\x1f]", message["Subject"])
    assert message.get_content_type() == "multipart/alternative"
    assert all(len(line) <= 998 for line in message.as_bytes().splitlines())
    assert "<script" not in parts(message)[1]


def share(link: CoachingLink, name: str) -> None:
    workout = make_workout(link.coach, easy_run(name))
    assert workout.current is not None
    sharing.share_workout(workout.current, targets=[(link, TUESDAY)], by=link.coach, message=f"{SCRIPT}\n{LONG}")
    while events.dispatch_due():
        pass


def as_read(name: str) -> str:
    """What is left of a name at Garmin once the library has it."""
    return to_summary({"workoutId": 1, "workoutName": name}).name


@pytest.mark.parametrize("name", [SCRIPT, as_read(LONG), FORGED], ids=["script", "long", "headers"])
def test_a_share_notification_carries_a_hostile_name_as_text(post: Post, link: CoachingLink, name: str) -> None:
    share(link, name)
    assert mailing.send_due() == 1
    [(recipients, message)] = post.received
    assert recipients == [link.athlete.email]
    holds_to_the_rules(message, link.athlete.email)
    assert message["Subject"].startswith("Carla Coach shared a workout: ")
    plain, page = parts(message)
    shown = one_line(name)
    assert shown in plain
    assert shown.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;") in page
    assert SCRIPT in plain, "the coach's message is text there"
    assert "&lt;script&gt;alert(1)&lt;/script&gt;<br>" in page
    assert "&amp;" not in plain
    assert Notification.objects.get(channel="email").status == Notification.Status.SENT


def test_an_invitation_carries_a_hostile_coach_as_text(post: Post, coach: User) -> None:
    User.objects.filter(pk=coach.pk).update(display_name=f"Eve {SCRIPT}\r\nBcc: all@example.org"[:80])
    coach.refresh_from_db()
    invitation, token = inviting.invite(coach, "new@example.org")
    [(recipients, message)] = post.received
    assert recipients == ["new@example.org"]
    holds_to_the_rules(message, "new@example.org")
    plain, page = parts(message)
    assert f"Eve {SCRIPT} Bcc: all@example.org invites you." in plain
    assert "Eve &lt;script&gt;alert(1)&lt;/script&gt; Bcc: all@example.org" in page
    assert plain.count(f"/invitation/{token}/") == 1
    assert page.count(f'href="http://127.0.0.1:8010/invitation/{token}/"') == 1
    assert invitation.mailed_at is not None


def test_a_mailbox_that_is_gone_ends_the_mail_and_is_told_to_the_coach(post: Post, link: CoachingLink) -> None:
    post.gone = {link.athlete.email, "gone@example.org"}
    share(link, "Easy run")
    assert mailing.send_due() == 0
    row = Notification.objects.get(channel="email")
    assert (row.status, row.error_code) == (Notification.Status.FAILED, "address_refused")
    invitation, _ = inviting.invite(link.coach, "gone@example.org")
    assert invitation.mailed_at is None
    assert post.received == []
