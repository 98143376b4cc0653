"""Calendar feeds: an address that calendars read without a login. Only the hash of its token is kept."""

import hashlib
import secrets
from datetime import date, timedelta

from django.db import transaction
from django.db.models import Q
from django.db.models.functions import Now
from django.utils import timezone

from accounts import audit
from accounts.models import User
from coaching.models import CalendarFeed, CoachingLink, Share
from coaching.models.share import ShareQuerySet

TOKEN_BYTES = 16
TOKEN_LETTERS = 22  # of so many bytes in base 64
PAST, AHEAD = timedelta(days=90), timedelta(days=370)
MOST_EVENTS = 2_000
SEEN_EVERY = timedelta(hours=1)


@transaction.atomic
def renew(user: User) -> str:
    """A new token, told this once; the address before it ends at once."""
    token = secrets.token_urlsafe(TOKEN_BYTES)
    fresh = {"token_hash": _hash(token), "created_at": timezone.now(), "last_read_at": None}
    feed, _ = CalendarFeed.objects.update_or_create(user=user, defaults=fresh)
    audit.record("calendar_feed.renewed", feed, actor=user)
    return token


@transaction.atomic
def revoke(user: User) -> None:
    for feed in CalendarFeed.objects.filter(user=user):
        audit.record("calendar_feed.revoked", feed, actor=user)
        feed.delete()


def feed_of(token: str) -> CalendarFeed | None:
    """The feed that this token opens; None for any other text, and for who is no longer with us."""
    if len(token) != TOKEN_LETTERS or not token.isascii():
        return None
    feeds = CalendarFeed.objects.filter(token_hash=_hash(token), user__is_active=True)
    return feeds.select_related("user").first()


def note_read(feed: CalendarFeed) -> None:
    """Calendars ask every few minutes; once an hour is remembered."""
    stale = Q(last_read_at=None) | Q(last_read_at__lt=Now() - SEEN_EVERY)
    CalendarFeed.objects.filter(stale, pk=feed.pk).update(last_read_at=Now())


def own_plan(user: User) -> ShareQuerySet:
    return _planned(Share.objects.for_athlete(user), timezone.localdate(timezone=user.zone))


def roster_plan(coach: User) -> ShareQuerySet:
    return _planned(Share.objects.for_coach(coach), timezone.localdate(timezone=coach.zone))


def _planned(shares: ShareQuerySet, today: date) -> ShareQuerySet:
    """What stands between people who train together now, in days around today."""
    days = (today - PAST, today + AHEAD)
    standing = shares.standing().filter(link__status=CoachingLink.Status.ACTIVE, scheduled_for__range=days)
    related = standing.select_related("revision", "link__athlete")
    return related.order_by("scheduled_for", "pk")[:MOST_EVENTS]


def _hash(token: str) -> str:
    """The token is random and long: nobody guesses it from its hash."""
    return hashlib.sha256(token.encode()).hexdigest()
