"""The mails that the demo would have sent: Django's file backend wrote them, this reads them."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from email import message_from_bytes, policy
from email.message import EmailMessage
from email.utils import parsedate_to_datetime
from pathlib import Path

DIVIDER = b"\n" + b"-" * 79 + b"\n"
MOST_FILES = 100


@dataclass(frozen=True, slots=True)
class Mail:
    at: datetime | None
    to: str
    subject: str
    text: str


def newest(folder: Path, limit: int = 50) -> list[Mail]:
    """The newest mails first; an empty list when none was sent."""
    files = sorted(folder.glob("*.log"), key=lambda file: file.stat().st_mtime_ns, reverse=True)[:MOST_FILES]
    return [mail for file in files for mail in reversed(list(_read(file)))][:limit]


def _read(file: Path) -> Iterator[Mail]:
    """One file holds what one connection sent."""
    for part in file.read_bytes().split(DIVIDER):
        if part.strip():
            message = message_from_bytes(part.lstrip(), policy=policy.default)
            yield Mail(_date(message), str(message["To"] or ""), str(message["Subject"] or ""), _text(message))


def _date(message: EmailMessage) -> datetime | None:
    try:
        return parsedate_to_datetime(str(message["Date"]))
    except ValueError:
        return None


def _text(message: EmailMessage) -> str:
    body = message.get_body(("plain",))
    return str(body.get_content()) if body else ""
