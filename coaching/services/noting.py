"""The talk between an athlete and a coach, in general and about one planned workout."""

from collections.abc import Sequence

from django.db import transaction
from django.db.models import Count, F, OuterRef, Q, Subquery
from django.db.models.functions import Coalesce
from django.utils.translation import gettext

from accounts.models import User
from coaching.models import CoachingLink, Note, Scope, Share
from coaching.plain import plain_text
from integrations import errors, events

LONGEST = 2000
SHOWN = 50


def thread(viewer: User, link: CoachingLink, *, share: Share | None = None, before: int | None = None) -> list[Note]:
    """The newest notes that `viewer` may read, oldest of them first; about one workout where `share` is given.

    `before` is the id of the earliest note shown already.
    """
    notes = Note.objects.visible_to(viewer).filter(link=link).select_related("author", "share__revision")
    if share is not None:
        notes = notes.filter(share=share)
    if before is not None:
        notes = notes.filter(pk__lt=before)
    return list(notes.order_by("-pk")[:SHOWN])[::-1]


@transaction.atomic
def write(link: CoachingLink, author: User, text: str, *, share: Share | None = None) -> Note:
    """NotFoundError unless the two train together now; ValidationError for nothing to say."""
    held = CoachingLink.objects.for_user(author).active().filter(pk=link.pk).select_for_update(no_key=True).first()
    if held is None or (share is not None and share.link_id != held.pk):
        raise errors.NotFoundError(gettext("You no longer train together."), code="link_ended")
    words = plain_text(text, most=LONGEST)
    if not words:
        raise errors.ValidationError(gettext("Write something first."), code="empty_note")
    note = Note.objects.create(link=held, share=share, author=author, text=words)
    events.publish("note.written", note, by=author.pk)
    return note


def mark_read(link: CoachingLink, reader: User, notes: Sequence[Note]) -> bool:
    """What `reader` was just shown counts as read; writes only where something new was among it."""
    field = "notes_read_by_coach_at" if reader.pk == link.coach_id else "notes_read_by_athlete_at"
    since = getattr(link, field)
    theirs = [note.created_at for note in notes if note.author_id != reader.pk]
    if not theirs or (since and max(theirs) <= since):
        return False
    return bool(CoachingLink.objects.filter(pk=link.pk).update(**{field: max(theirs)}))


def unread_by_coach() -> Coalesce:
    """For links: how many notes of the athlete the coach has not been shown, of those that he may read."""
    unread = Note.objects.filter(link=OuterRef("pk"), author=OuterRef("athlete"))
    unread = unread.filter(link__scopes__contains=[Scope.NOTES])
    unread = unread.filter(Q(link__notes_read_by_coach_at=None) | Q(created_at__gt=F("link__notes_read_by_coach_at")))
    counted = unread.order_by().values("link").annotate(n=Count("pk")).values("n")
    return Coalesce(Subquery(counted), 0)
