"""Mails: each leaves once, late rather than never, in plain text and HTML, with a way to stop its kind."""

from collections.abc import Sequence
from smtplib import SMTPException, SMTPRecipientsRefused
from typing import Any

from django.conf import settings
from django.core import signing
from django.core.mail import EmailMultiAlternatives, get_connection
from django.core.mail.backends.base import BaseEmailBackend
from django.db.models import F
from django.db.models.functions import Now
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.translation import gettext, override

from accounts.models import User
from coaching.models import Channel, Notification
from coaching.notice_kinds import KINDS
from coaching.plain import one_line
from integrations import bell, tracing
from integrations.models.leases import LeasedQuerySet
from integrations.timing import step, timing

SEND = bell.Named("coaching.tasks.tick_notifications")
BATCH = 20
MOST_IN_DIGEST = 100
LONGEST_SUBJECT = 120
NO_LEASE = {"lease_token": None, "lease_until": None}
SALT = "coaching.unsubscribe"


def send_due() -> int:
    """Send a batch of what is due; what a dead worker held is due again. Returns how many mails left."""
    lapsed = Notification.objects.lapsed().filter(status=Notification.Status.SENDING)
    lapsed.update(status=Notification.Status.PENDING, crashes=F("crashes") + 1, **NO_LEASE)
    batch = _with_all().filter(channel=Channel.EMAIL).claim_batch(BATCH)
    connection = get_connection()
    sent = sum(_send([notification], connection) for notification in batch)
    sent += sum(_send(rows, connection) for rows in _digests())
    connection.close()
    if len(batch) == BATCH:
        bell.ring(SEND)
    return sent


def message(template: str, subject: str, to: str, context: dict[str, Any]) -> EmailMultiAlternatives:
    """A mail in plain text and HTML. The subject is one line whatever people named things."""
    url = settings.SITE_URL.rstrip("/") + context["path"]
    full = {"stop_url": ""} | context | {"url": url, "site_name": settings.SITE_NAME}
    text = render_to_string(f"email/{template}.txt", full)
    mail = EmailMultiAlternatives(one_line(subject, most=LONGEST_SUBJECT), text, to=[to])
    mail.attach_alternative(render_to_string(f"email/{template}.html", full), "text/html")
    return mail


def unsubscribe_path(person: User, kind: str) -> str:
    """Where this kind of mail is stopped, without a login; it opens nothing else."""
    token = signing.dumps([str(person.public_id), kind], salt=SALT, compress=True)
    return reverse("coaching:unsubscribe", args=[token])


def read_unsubscribe(token: str) -> tuple[str, str] | None:
    """(person's public id, kind); None for what we did not sign."""
    try:
        person, kind = signing.loads(token, salt=SALT)
    except (signing.BadSignature, ValueError):
        return None
    return (person, kind) if kind in KINDS else None


def _with_all() -> LeasedQuerySet[Notification]:
    return Notification.objects.select_related("recipient", "event")


def _digests() -> list[list[Notification]]:
    """What is due in digests, by person; each person's all at once."""
    due = Notification.objects.filter(channel=Channel.DIGEST).due()
    people = list(due.order_by("recipient_id").values_list("recipient_id", flat=True).distinct()[:BATCH])
    waiting = (_with_all().filter(channel=Channel.DIGEST, recipient_id=pk) for pk in people)
    claimed = [rows.claim_batch(MOST_IN_DIGEST) for rows in waiting]
    return [rows for rows in claimed if rows]


def _send(rows: Sequence[Notification], connection: BaseEmailBackend) -> bool:
    """One mail of one notification, or of a digest's many.

    A server that is away costs a wait, a refused address ends it; what it tells of stands anyway.
    """
    person = rows[0].recipient
    if not person.is_active or person.erased_at:
        return _settle(rows, status=Notification.Status.FAILED, error_code="suppressed") and False
    if not all([row.extend() for row in rows]):  # each of them, also after one is lost
        return False
    with override(person.language), tracing.trace(rows[0].event.trace_id):
        mail = _written(rows, person)
        mail.connection = connection
        try:
            mail.send()
        except SMTPRecipientsRefused as exc:
            _after_refusal(rows, exc)
        except (SMTPException, OSError) as exc:
            _try_later(rows, type(exc).__name__)
        else:
            return _settle(rows, status=Notification.Status.SENT, sent_at=Now(), error_code="")
    return False


def _written(rows: Sequence[Notification], person: User) -> EmailMultiAlternatives:
    first = rows[0]
    stop = unsubscribe_path(person, first.template)
    if first.channel == Channel.DIGEST:
        context = {"rows": [row.context for row in rows], "path": reverse("coaching:notifications")}
        return message(
            "digest",
            gettext("%(site)s: %(n)s news") % {"site": settings.SITE_NAME, "n": len(rows)},
            person.email,
            context,
        )
    site = settings.SITE_URL.rstrip("/")
    template = first.template if KINDS[first.template].has_mail else "notice"
    subject = first.context.get("subject", first.context["text"])
    mail = message(template, subject, person.email, first.context | {"stop_url": site + stop})
    mail.extra_headers["List-Unsubscribe"] = f"<{site}{stop}>"
    mail.extra_headers["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    return mail


def _after_refusal(rows: Sequence[Notification], exc: SMTPRecipientsRefused) -> None:
    codes = [code for code, _ in exc.recipients.values()]
    if codes and all(code >= 500 for code in codes):
        _settle(rows, status=Notification.Status.FAILED, error_code="address_refused")
    else:
        _try_later(rows, "address_refused")


def _try_later(rows: Sequence[Notification], code: str) -> None:
    schedule = timing().notification_retry_s
    for row in rows:
        if row.attempts > len(schedule):
            row.settle(status=Notification.Status.FAILED, error_code=code[:40])
        else:
            due = Now() + step(schedule, row.attempts)
            row.settle(status=Notification.Status.PENDING, next_attempt_at=due, error_code=code[:40])


def _settle(rows: Sequence[Notification], **fields: Any) -> bool:
    return all([row.settle(**fields) for row in rows])
