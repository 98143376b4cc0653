"""What people are told: consumers of the outbox make the rows, a tick sends the mails.

Consumers are idempotent by the table's constraint: one row per event, recipient and channel.
"""

from collections.abc import Callable
from smtplib import SMTPException, SMTPRecipientsRefused
from typing import Any

import structlog
from django.conf import settings
from django.core.mail import EmailMultiAlternatives, get_connection
from django.core.mail.backends.base import BaseEmailBackend
from django.db.models import F
from django.db.models.functions import Now
from django.template.loader import render_to_string
from django.urls import reverse

from accounts.models import User
from coaching.models import Channel, CoachingLink, Delivery, Invitation, Note, Notification, Scope, Share, ShareStatus
from coaching.plain import one_line
from integrations import bell, tracing
from integrations.models import Connection, DomainEvent
from integrations.timing import step, timing

log = structlog.get_logger(__name__)

SEND = bell.Named("coaching.tasks.tick_notifications")
BATCH = 20
LONGEST_SUBJECT = 120
NO_LEASE = {"lease_token": None, "lease_until": None}


def mark_read(user: User) -> int:
    """All that the person has in the app counts as read from now on."""
    return Notification.objects.unread(user).update(read_at=Now())


def mail_invitation(invitation: Invitation, token: str) -> bool:
    """Send it now; the token goes nowhere else. False: the mail did not leave."""
    coach = one_line(str(invitation.coach))
    context = {"coach": coach, "days": 14, "path": reverse("coaching:arrive", args=[token])}
    message = _message("invitation", f"{coach} invites you to {settings.SITE_NAME}", invitation.email, context)
    try:
        return bool(message.send())
    except (SMTPException, OSError) as exc:
        log.warning("invitation_not_mailed", invitation=str(invitation.public_id), reason=type(exc).__name__)
        return False


def send_due() -> int:
    """Send a batch of mails that are due; what a dead worker held is due again. Returns how many left."""
    lapsed = Notification.objects.lapsed().filter(status=Notification.Status.SENDING)
    lapsed.update(status=Notification.Status.PENDING, crashes=F("crashes") + 1, **NO_LEASE)
    batch = Notification.objects.select_related("recipient", "event").claim_batch(BATCH)
    connection = get_connection()
    sent = sum(_send(notification, connection) for notification in batch)
    connection.close()
    if len(batch) == BATCH:
        bell.ring(SEND)
    return sent


def on_shared(event: DomainEvent) -> None:
    share = _share(event)
    if share is None or not share.stands:
        return
    again, accepted = bool(event.payload.get("again")), share.status == ShareStatus.ACCEPTED
    coach, name, day = one_line(str(share.link.coach)), one_line(share.revision.name), _day(share)
    did = "changed" if again else "shared"
    ending = " It goes to your account by itself." if accepted else ""
    _tell(
        event,
        share.link.athlete,
        "workout_shared",
        f"{coach} {did} “{name}” {day}.{ending}",
        reverse("coaching:offer", args=[share.public_id]),
        mail=not again and not accepted,
        subject=f"{coach} shared a workout: {name}",
        coach=coach,
        workout=name,
        day=day,
        message=share.message,
    )


def on_accepted(event: DomainEvent) -> None:
    _tell_coach(event, "accepted")


def on_declined(event: DomainEvent) -> None:
    _tell_coach(event, "declined")


def on_withdrawn(event: DomainEvent) -> None:
    if share := _share(event):
        words = f"{one_line(str(share.link.coach))} withdrew “{one_line(share.revision.name)}” {_day(share)}."
        _tell(event, share.link.athlete, "workout_withdrawn", words, reverse("coaching:inbox"))


def on_moved(event: DomainEvent) -> None:
    """Whoever did not move it hears of it."""
    share = _share(event)
    if share is None or not share.stands:
        return
    by_coach = event.payload["by"] == share.link.coach_id
    mover, told = (share.link.coach, share.link.athlete) if by_coach else (share.link.athlete, share.link.coach)
    words = f"{one_line(str(mover))} moved “{one_line(share.revision.name)}”; it is now {_day(share)}."
    path = reverse("coaching:offer", args=[share.public_id]) if by_coach else _ledger(share)
    _tell(event, told, "share_moved", words, path)


def on_note(event: DomainEvent) -> None:
    """The other side hears that there is one; a coach only while he may read it."""
    note = Note.objects.select_related("link__coach", "link__athlete").filter(pk=event.subject_id).first()
    if note is None or note.link.status != CoachingLink.Status.ACTIVE:
        return
    by_coach = note.author_id == note.link.coach_id
    author, told = (note.link.coach, note.link.athlete) if by_coach else (note.link.athlete, note.link.coach)
    if by_coach or Scope.NOTES in note.link.scopes:
        path = reverse("coaching:notes", args=[note.link.public_id])
        _tell(event, told, "note_written", f"{one_line(str(author))} wrote you a note.", path)


def on_failed(event: DomainEvent) -> None:
    """Coach and athlete both hear of it, with the reason in words."""
    related = ["share__link__athlete", "share__link__coach", "revision"]
    delivery = Delivery.objects.select_related(*related).filter(pk=event.subject_id).first()
    if delivery is None:
        return
    share, name = delivery.share, one_line(delivery.revision.name)
    for person, whose, path in (
        (share.link.athlete, "your account", reverse("coaching:offer", args=[share.public_id])),
        (share.link.coach, f"{one_line(str(share.link.athlete))}’s account", _ledger(share)),
    ):
        _tell(
            event,
            person,
            "delivery_failed",
            f"“{name}” did not reach {whose}. {delivery.error_detail}",
            path,
            mail=True,
            subject=f"“{name}” did not reach {whose}",
            workout=name,
            whose=whose,
            reason=delivery.error_detail,
        )


def on_needs_login(event: DomainEvent) -> None:
    connection = Connection.objects.select_related("user", "provider").filter(pk=event.subject_id).first()
    if connection is None or connection.status != Connection.Status.NEEDS_REAUTH:
        return
    provider = connection.provider.name
    _tell(
        event,
        connection.user,
        "reconnect_needed",
        f"{provider} asks for a new login. Until then nothing is sent or fetched.",
        reverse("integrations:connections"),
        mail=True,
        subject=f"{provider} asks for a new login",
        provider=provider,
    )


def on_link_started(event: DomainEvent) -> None:
    if link := _link(event):
        path = reverse("coaching:athlete", args=[link.public_id])
        _tell(event, link.coach, "link_started", f"{one_line(str(link.athlete))} trains with you now.", path)


def on_link_ended(event: DomainEvent) -> None:
    """The other side hears of it."""
    if link := _link(event):
        by_coach = event.payload.get("by") == link.coach_id
        gone, told = (link.coach, link.athlete) if by_coach else (link.athlete, link.coach)
        other = one_line(str(gone))
        path = reverse("coaching:coaches" if by_coach else "coaching:athletes")
        words = f"{other} and you no longer train together. Nothing more is sent."
        _tell(event, told, "link_ended", words, path, mail=True, subject=f"{other} ended the connection", other=other)


CONSUMERS: dict[str, Callable[[DomainEvent], None]] = {
    "workout.shared": on_shared,
    "share.accepted": on_accepted,
    "share.declined": on_declined,
    "share.withdrawn": on_withdrawn,
    "share.moved": on_moved,
    "note.written": on_note,
    "delivery.failed": on_failed,
    "connection.needs_reauth": on_needs_login,
    "link.started": on_link_started,
    "link.ended": on_link_ended,
}


def _tell_coach(event: DomainEvent, did: str) -> None:
    if share := _share(event):
        words = f"{one_line(str(share.link.athlete))} {did} “{one_line(share.revision.name)}” {_day(share)}."
        _tell(event, share.link.coach, f"share_{did}", words, _ledger(share))


def _tell(
    event: DomainEvent, person: User, template: str, text: str, path: str, *, mail: bool = False, **context: Any
) -> None:
    shown = {"text": text, "path": path} | context
    row = {"event": event, "recipient": person, "template": template, "context": shown}
    in_app = Notification(channel=Channel.IN_APP, status=Notification.Status.SENT, **row)
    rows = [in_app, Notification(channel=Channel.EMAIL, **row)] if mail else [in_app]
    Notification.objects.bulk_create(rows, ignore_conflicts=True)
    if mail:
        bell.ring(SEND)


def _send(notification: Notification, connection: BaseEmailBackend) -> bool:
    """One mail. A server that is away costs a wait, a refused address ends it; what it tells of stands anyway."""
    person, context = notification.recipient, notification.context
    if not person.is_active or person.erased_at:
        notification.settle(status=Notification.Status.FAILED, error_code="suppressed")
        return False
    if not notification.extend():
        return False
    message = _message(notification.template, context.get("subject", context["text"]), person.email, context)
    message.connection = connection
    with tracing.trace(notification.event.trace_id):
        try:
            message.send()
        except SMTPRecipientsRefused as exc:
            _after_refusal(notification, exc)
        except (SMTPException, OSError) as exc:
            _try_later(notification, type(exc).__name__)
        else:
            return notification.settle(status=Notification.Status.SENT, sent_at=Now(), error_code="")
    return False


def _after_refusal(notification: Notification, exc: SMTPRecipientsRefused) -> None:
    codes = [code for code, _ in exc.recipients.values()]
    if codes and all(code >= 500 for code in codes):
        notification.settle(status=Notification.Status.FAILED, error_code="address_refused")
    else:
        _try_later(notification, "address_refused")


def _try_later(notification: Notification, code: str) -> None:
    schedule = timing().notification_retry_s
    if notification.attempts > len(schedule):
        notification.settle(status=Notification.Status.FAILED, error_code=code[:40])
    else:
        due = Now() + step(schedule, notification.attempts)
        notification.settle(status=Notification.Status.PENDING, next_attempt_at=due, error_code=code[:40])


def _message(template: str, subject: str, to: str, context: dict[str, Any]) -> EmailMultiAlternatives:
    """A mail in plain text and HTML. The subject is one line whatever people named things."""
    full = context | {"url": settings.SITE_URL.rstrip("/") + context["path"], "site_name": settings.SITE_NAME}
    text = render_to_string(f"email/{template}.txt", full)
    message = EmailMultiAlternatives(one_line(subject, most=LONGEST_SUBJECT), text, to=[to])
    message.attach_alternative(render_to_string(f"email/{template}.html", full), "text/html")
    return message


def _share(event: DomainEvent) -> Share | None:
    related = ["revision", "link__coach", "link__athlete"]
    return Share.objects.select_related(*related).filter(pk=event.subject_id).first()


def _link(event: DomainEvent) -> CoachingLink | None:
    return CoachingLink.objects.select_related("coach", "athlete").filter(pk=event.subject_id).first()


def _ledger(share: Share) -> str:
    return reverse("coaching:delivery", args=[share.public_id])


def _day(share: Share) -> str:
    day = share.scheduled_for
    return f"for {day:%A}, {day.day} {day:%B}" if day else "for any day"
