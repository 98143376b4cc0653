"""What people are told: consumers of the outbox make the rows, a tick sends the mails.

Consumers are idempotent by the table's constraint: one row per event, recipient and channel. Each writes in the
language of the person it tells.
"""

from collections.abc import Callable
from datetime import datetime
from smtplib import SMTPException
from typing import Any

import structlog
from django.conf import settings
from django.db.models.functions import Now
from django.urls import reverse
from django.utils import dateformat, timezone
from django.utils.translation import gettext, gettext_noop, ngettext, override

from accounts.models import User
from coaching import mailing, preferences
from coaching.models import Channel, CoachingLink, Delivery, Invitation, Note, Notification, Scope, Share, ShareStatus
from coaching.plain import one_line
from integrations import bell, wording
from integrations.models import Connection, DomainEvent, SyncStream

log = structlog.get_logger(__name__)


def mark_read(user: User) -> int:
    """All that the person has in the app counts as read from now on."""
    return Notification.objects.unread(user).update(read_at=Now())


def mail_invitation(invitation: Invitation, token: str) -> bool:
    """Send it now; the token goes nowhere else. False: the mail did not leave."""
    coach = one_line(str(invitation.coach))
    context = {"coach": coach, "days": 14, "path": reverse("coaching:arrive", args=[token])}
    message = mailing.message(
        "invitation",
        gettext("%(coach)s invites you to %(site)s") % {"coach": coach, "site": settings.SITE_NAME},
        invitation.email,
        context,
    )
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
    with override(share.link.athlete.language):
        named = _named(share, share.link.coach)
        did = (
            gettext("%(person)s changed “%(workout)s” %(day)s.")
            if again
            else gettext("%(person)s shared “%(workout)s” %(day)s.")
        )
        ending = gettext(" It goes to your account by itself.") if accepted else ""
        _tell(
            event,
            share.link.athlete,
            "workout_shared",
            did % named + ending,
            reverse("coaching:offer", args=[share.public_id]),
            by_mail=not again and not accepted,
            subject=gettext("%(person)s shared a workout: %(workout)s") % named,
            coach=named["person"],
            workout=named["workout"],
            day=named["day"],
            message=share.message,
        )


def on_accepted(event: DomainEvent) -> None:
    _tell_coach(event, "share_accepted", gettext_noop("%(person)s accepted “%(workout)s” %(day)s."))


def on_declined(event: DomainEvent) -> None:
    """His reason stands on the page only: how somebody feels is nothing for a mail."""
    _tell_coach(event, "share_declined", gettext_noop("%(person)s declined “%(workout)s” %(day)s."))


def on_resumed(event: DomainEvent) -> None:
    words = gettext_noop("%(person)s takes back having declined “%(workout)s” %(day)s.")
    _tell_coach(event, "share_declined", words)


def on_withdrawn(event: DomainEvent) -> None:
    if share := _share(event):
        with override(share.link.athlete.language):
            words = gettext("%(person)s withdrew “%(workout)s” %(day)s.") % _named(share, share.link.coach)
            _tell(event, share.link.athlete, "workout_withdrawn", words, reverse("coaching:inbox"))


def on_moved(event: DomainEvent) -> None:
    """Whoever did not move it hears of it."""
    share = _share(event)
    if share is None or not share.stands:
        return
    by_coach = event.payload["by"] == share.link.coach_id
    mover, told = (share.link.coach, share.link.athlete) if by_coach else (share.link.athlete, share.link.coach)
    path = reverse("coaching:offer", args=[share.public_id]) if by_coach else _ledger(share)
    with override(told.language):
        words = gettext("%(person)s moved “%(workout)s”; it is now %(day)s.") % _named(share, mover)
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
        with override(told.language):
            words = gettext("%(person)s wrote you a note.") % {"person": one_line(str(author))}
            _tell(event, told, "note_written", words, path)


def on_failed(event: DomainEvent) -> None:
    """Coach and athlete both hear of it, with the reason in words."""
    related = ["share__link__athlete", "share__link__coach", "revision"]
    delivery = Delivery.objects.select_related(*related).filter(pk=event.subject_id).first()
    if delivery is None:
        return
    share, athlete = delivery.share, one_line(str(delivery.share.link.athlete))
    for person, whose, path in (
        (share.link.athlete, gettext_noop("your account"), reverse("coaching:offer", args=[share.public_id])),
        (share.link.coach, gettext_noop("%(athlete)s’s account"), _ledger(share)),
    ):
        with override(person.language):
            _tell_of_failure(event, person, delivery, gettext(whose) % {"athlete": athlete}, path)


def on_needs_login(event: DomainEvent) -> None:
    connection = Connection.objects.select_related("user", "provider").filter(pk=event.subject_id).first()
    if connection is None or connection.status != Connection.Status.NEEDS_REAUTH:
        return
    named, path = {"provider": connection.provider.name}, reverse("integrations:connections")
    with override(connection.user.language):
        words = gettext("%(provider)s asks for a new login. Until then nothing is sent or fetched.") % named
        subject = gettext("%(provider)s asks for a new login") % named
        _tell(event, connection.user, "reconnect_needed", words, path, subject=subject, provider=named["provider"])


def on_silence(event: DomainEvent) -> None:
    streams = SyncStream.objects.select_related("connection__user", "connection__provider")
    stream = streams.filter(pk=event.subject_id, connection__status=Connection.Status.ACTIVE).first()
    if stream is None:
        return
    person, days, usual = stream.connection.user, event.payload["days"], event.payload["usual"]
    with override(person.language):
        rhythm = ngettext("every day", "every %(n)s days", usual) % {"n": usual}
        named = {"provider": stream.connection.provider.name, "days": days, "rhythm": rhythm}
        words = gettext(
            "Nothing has come from %(provider)s for %(days)s days; otherwise something comes %(rhythm)s. "
            "If you trained, see whether your watch has sent it to %(provider)s, and whether it is listed there."
        )
        subject = gettext("Nothing from %(provider)s for %(days)s days") % named
        _tell(event, person, "silence", words % named, reverse("integrations:connections"), subject=subject)


def on_arrived(event: DomainEvent) -> None:
    """Once in a lifetime, however often an address is proved."""
    person = User.objects.filter(pk=event.subject_id, is_active=True).first()
    if person is None or Notification.objects.filter(recipient=person, template="welcome").exists():
        return
    named = {"site": settings.SITE_NAME}
    with override(person.language):
        words = gettext("Welcome to %(site)s. Connect your account first; the rest follows from there.") % named
        subject = gettext("Welcome to %(site)s") % named
        _tell(event, person, "welcome", words, reverse("coaching:home"), subject=subject)


def on_link_started(event: DomainEvent) -> None:
    if link := _link(event):
        path = reverse("coaching:athlete", args=[link.public_id])
        with override(link.coach.language):
            words = gettext("%(person)s trains with you now.") % {"person": one_line(str(link.athlete))}
            _tell(event, link.coach, "link_started", words, path)


def on_link_ended(event: DomainEvent) -> None:
    """The other side hears of it."""
    if link := _link(event):
        by_coach = event.payload.get("by") == link.coach_id
        gone, told = (link.coach, link.athlete) if by_coach else (link.athlete, link.coach)
        named = {"other": one_line(str(gone))}
        path = reverse("coaching:coaches" if by_coach else "coaching:athletes")
        with override(told.language):
            words = gettext("%(other)s and you no longer train together. Nothing more is sent.") % named
            subject = gettext("%(other)s ended the connection") % named
            _tell(event, told, "link_ended", words, path, subject=subject, other=named["other"])


CONSUMERS: dict[str, Callable[[DomainEvent], None]] = {
    "workout.shared": on_shared,
    "share.accepted": on_accepted,
    "share.declined": on_declined,
    "share.resumed": on_resumed,
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


def _tell_coach(event: DomainEvent, kind: str, words: str) -> None:
    if share := _share(event):
        with override(share.link.coach.language):
            _tell(event, share.link.coach, kind, gettext(words) % _named(share, share.link.athlete), _ledger(share))


def _tell_of_failure(event: DomainEvent, person: User, delivery: Delivery, whose: str, path: str) -> None:
    named = {"workout": one_line(delivery.revision.name), "whose": whose}
    words = gettext("“%(workout)s” did not reach %(whose)s.") % named
    subject = gettext("“%(workout)s” did not reach %(whose)s") % named
    reason = wording.told(delivery.error_detail)
    _tell(
        event,
        person,
        "delivery_failed",
        f"{words} {reason}",
        path,
        subject=subject,
        reason=reason,
        workout=named["workout"],
        whose=whose,
    )


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


def _named(share: Share, person: User) -> dict[str, str]:
    """What sentences about a share name, in the language that is active."""
    day = share.scheduled_for
    return {
        "person": one_line(str(person)),
        "workout": one_line(share.revision.name),
        "day": gettext("for %(day)s") % {"day": dateformat.format(day, gettext("l, j F"))}
        if day
        else gettext("for any day"),
    }
