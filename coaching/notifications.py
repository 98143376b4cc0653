"""What people are told: consumers of the outbox make the rows, a tick sends the mails.

Consumers are idempotent by the table's constraint: one row per event, recipient and channel.
"""

from collections.abc import Callable
from datetime import datetime
from smtplib import SMTPException
from typing import Any

import structlog
from django.conf import settings
from django.db.models.functions import Now
from django.urls import reverse
from django.utils import timezone

from accounts.models import User
from coaching import mailing, preferences
from coaching.models import Channel, CoachingLink, Delivery, Invitation, Note, Notification, Scope, Share, ShareStatus
from coaching.plain import one_line
from integrations import bell
from integrations.models import Connection, DomainEvent, SyncStream

log = structlog.get_logger(__name__)


def mark_read(user: User) -> int:
    """All that the person has in the app counts as read from now on."""
    return Notification.objects.unread(user).update(read_at=Now())


def mail_invitation(invitation: Invitation, token: str) -> bool:
    """Send it now; the token goes nowhere else. False: the mail did not leave."""
    coach = one_line(str(invitation.coach))
    context = {"coach": coach, "days": 14, "path": reverse("coaching:arrive", args=[token])}
    message = mailing.message("invitation", f"{coach} invites you to {settings.SITE_NAME}", invitation.email, context)
    try:
        return bool(message.send())
    except (SMTPException, OSError) as exc:
        log.warning("invitation_not_mailed", invitation=str(invitation.public_id), reason=type(exc).__name__)
        return False


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
        by_mail=not again and not accepted,
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
        subject=f"{provider} asks for a new login",
        provider=provider,
    )


def on_silence(event: DomainEvent) -> None:
    streams = SyncStream.objects.select_related("connection__user", "connection__provider")
    stream = streams.filter(pk=event.subject_id, connection__status=Connection.Status.ACTIVE).first()
    if stream is None:
        return
    provider, days, usual = stream.connection.provider.name, event.payload["days"], event.payload["usual"]
    rhythm = "every day" if usual == 1 else f"every {usual} days"
    words = (
        f"Nothing has come from {provider} for {days} days; otherwise something comes {rhythm}. If you trained, see "
        f"whether your watch has sent it to {provider}, and whether it is listed there."
    )
    path, subject = reverse("integrations:connections"), f"Nothing from {provider} for {days} days"
    _tell(event, stream.connection.user, "silence", words, path, subject=subject)


def on_arrived(event: DomainEvent) -> None:
    """Once in a lifetime, however often an address is proved."""
    person = User.objects.filter(pk=event.subject_id, is_active=True).first()
    if person is None or Notification.objects.filter(recipient=person, template="welcome").exists():
        return
    words = f"Welcome to {settings.SITE_NAME}. Connect your account first; the rest follows from there."
    _tell(event, person, "welcome", words, reverse("coaching:home"), subject=f"Welcome to {settings.SITE_NAME}")


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
        _tell(event, told, "link_ended", words, path, subject=f"{other} ended the connection", other=other)


CONSUMERS: dict[str, Callable[[DomainEvent], None]] = {
    "workout.shared": on_shared,
    "share.accepted": on_accepted,
    "share.declined": on_declined,
    "share.withdrawn": on_withdrawn,
    "share.moved": on_moved,
    "note.written": on_note,
    "delivery.failed": on_failed,
    "connection.needs_reauth": on_needs_login,
    "activities.silent": on_silence,
    "person.arrived": on_arrived,
    "link.started": on_link_started,
    "link.ended": on_link_ended,
}


def _tell_coach(event: DomainEvent, did: str) -> None:
    if share := _share(event):
        words = f"{one_line(str(share.link.athlete))} {did} “{one_line(share.revision.name)}” {_day(share)}."
        _tell(event, share.link.coach, f"share_{did}", words, _ledger(share))


def _tell(
    event: DomainEvent, person: User, kind: str, text: str, path: str, *, by_mail: bool = True, **context: Any
) -> None:
    """On the channels the person chose; `by_mail` False: not worth one in this case, whatever was chosen."""
    shown = {"text": text, "path": path} | context
    row = {"event": event, "recipient": person, "template": kind, "context": shown}
    channels = preferences.channels_for(person, kind) & (frozenset(Channel) if by_mail else {Channel.IN_APP})
    now = timezone.now()
    rows = [Notification(channel=channel, **row, **_state(person, channel, now)) for channel in sorted(channels)]
    Notification.objects.bulk_create(rows, ignore_conflicts=True)
    if Channel.EMAIL in channels:
        bell.ring(mailing.SEND)


def _state(person: User, channel: str, now: datetime) -> dict[str, Any]:
    if channel == Channel.IN_APP:
        return {"status": Notification.Status.SENT}
    return {"next_attempt_at": preferences.due_at(person, channel, now)}


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
