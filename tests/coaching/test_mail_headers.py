"""P20: whatever somebody calls himself, a mail has the headers that we gave it, and it leaves."""

import pytest
from django.core import mail

from accounts.models import User
from coaching.services import inviting

TO = "new@example.org"
NAMES = [
    f"Eve{end}{header}"
    for end in ("\n", "\r", "\r\n", "\r\n ", "\n\t", "\u2028", "\x85", "\x0b", "\x00\r\n", "%0d%0a")
    for header in ("Bcc: all@example.org", "Subject: other\r\n\r\n<b>body</b>")
]
OURS = {
    "Content-Type", "MIME-Version", "Subject", "From", "To", "Date", "Message-ID", "Reply-To", "List-Unsubscribe",
    "List-Unsubscribe-Post", "Auto-Submitted", "Content-Transfer-Encoding", "X-Auto-Response-Suppress",
}  # fmt: skip


@pytest.mark.parametrize("name", NAMES, ids=range(len(NAMES)))
def test_a_name_adds_no_header_and_the_invitation_stands(coach: User, name: str) -> None:
    coach.display_name = name.replace("\x00", "")  # which no column takes
    coach.save()
    invitation, token = inviting.invite(coach, TO)
    assert inviting.find(token) == invitation
    (message,) = mail.outbox
    sent = message.message()
    assert set(sent.keys()) <= OURS
    assert len(sent.get_all("Subject", [])) == len(sent.get_all("To", [])) == 1
    assert message.recipients() == [TO]
    assert sent["To"] == TO
    subject = str(sent["Subject"])
    assert len(subject.splitlines()) == 1
    assert "Eve" in subject
