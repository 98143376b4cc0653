"""How each person wants to be told: by kind and channel, and when not."""

from collections.abc import Mapping
from datetime import UTC, datetime, time, timedelta

from django.db import transaction
from django.utils import timezone

from accounts.models import User
from coaching.models import Channel, NotificationChoice, NotificationTimes
from coaching.notice_kinds import KINDS, Kind

type Choices = Mapping[str, frozenset[str]]  # channels by kind


def kinds_for(user: User) -> dict[str, Kind]:
    """Coaches are athletes, too, often enough: they see all."""
    return {code: kind for code, kind in KINDS.items() if kind.is_chosen and (user.is_coach or kind.for_athletes)}


def choices_of(user: User) -> Choices:
    """What the person chose, and the defaults of all he never touched."""
    chosen = {row.kind: frozenset(row.channels) for row in NotificationChoice.objects.filter(user=user)}
    return {code: chosen.get(code, _defaults(kind)) for code, kind in KINDS.items()}


def channels_for(user: User, kind: str) -> frozenset[str]:
    row = NotificationChoice.objects.filter(user=user, kind=kind).first()
    return frozenset(row.channels) if row else _defaults(KINDS[kind])


@transaction.atomic
def choose(user: User, choices: Choices) -> None:
    """Rows for what differs from the defaults; the rest follows them."""
    NotificationChoice.objects.filter(user=user, kind__in=choices).delete()
    differ = {kind: channels for kind, channels in choices.items() if channels != _defaults(KINDS[kind])}
    rows = [NotificationChoice(user=user, kind=kind, channels=sorted(channels)) for kind, channels in differ.items()]
    NotificationChoice.objects.bulk_create(rows)


def stop_mail(user: User, kind: str) -> None:
    """No mail of this kind any more, in digests neither. Safe to run twice."""
    choose(user, {kind: channels_for(user, kind) - {Channel.EMAIL, Channel.DIGEST}})


def due_at(user: User, channel: str, now: datetime) -> datetime:
    """When a message may leave: a digest at its hour, a mail at once or when the quiet hours are over."""
    times = NotificationTimes.objects.filter(user=user).first() or NotificationTimes()
    if channel == Channel.DIGEST:
        return _next(user, times.digest_at, now)
    if times.quiet_from is None or times.quiet_to is None:
        return now
    local = timezone.localtime(now, user.zone).time()
    return _next(user, times.quiet_to, now) if _is_within(local, times.quiet_from, times.quiet_to) else now


def _defaults(kind: Kind) -> frozenset[str]:
    chosen = {Channel.EMAIL: kind.by_mail, Channel.DIGEST: kind.in_digest, Channel.IN_APP: True}
    return frozenset(str(channel) for channel, holds in chosen.items() if holds)


def _is_within(at: time, start: time, end: time) -> bool:
    """Also over midnight; the same hour twice is never."""
    return start <= at < end if start <= end else at >= start or at < end


def _next(user: User, at: time, now: datetime) -> datetime:
    """The next time the person's clock shows `at`."""
    today = timezone.localtime(now, user.zone).date()
    found = datetime.combine(today, at, tzinfo=user.zone)
    if found <= now:
        found = datetime.combine(today + timedelta(days=1), at, tzinfo=user.zone)
    return found.astimezone(UTC)
