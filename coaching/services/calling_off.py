"""A session that the athlete does not do: declined with a reason, before its day or after, until he takes that back."""

from django.db import IntegrityError, transaction
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext

from accounts import audit
from accounts.models import User
from coaching import tasks
from coaching.models import DeclineReason, Delivery, Match, Share, ShareStatus
from coaching.plain import plain_text
from coaching.services import delivering, matching
from coaching.services.sharing import DECLINED
from coaching.weeks import today_of
from integrations import bell, errors, events

LONGEST_WORDS = 300


@transaction.atomic
def call_off(share: Share, *, by: User, reason: DeclineReason, words: str = "") -> None:
    """The athlete declines a planned session, also one that he accepted. Safe to run twice; the last reason counts.

    What is on its way is not sent. A copy leaves his account while its day is not over; a past one is his history.
    NotFoundError where it is not for `by` to answer any more, ValidationError for what is done.
    """
    text = plain_text(words, most=LONGEST_WORDS)
    if reason == DeclineReason.OTHER and not text:
        raise errors.ValidationError(gettext("Say in a few words what it was."), code="no_words")
    found = _held(share, by, ~Q(status=ShareStatus.WITHDRAWN))
    if Match.objects.filter(share=found, activity__isnull=False).exists():
        raise errors.ValidationError(gettext("It is done, so there is nothing to call off."), code="done")
    answer = {"decline_reason": reason, "decline_words": text}
    Share.objects.filter(pk=found.pk).update(status=ShareStatus.DECLINED, responded_at=Now(), **answer)
    if found.status != ShareStatus.DECLINED:
        _stop_copies(found)
        audit.record("share.declined", found, actor=by, reason=reason)
        events.publish("share.declined", found)


@transaction.atomic
def resume(share: Share, *, by: User) -> None:
    """He does it after all, or did: it stands as before he declined, and goes to the account again if its day comes.

    NotFoundError where nothing is declined, ConflictError when the coach shared it anew for that day.
    """
    found = _held(share, by, Q(status=ShareStatus.DECLINED))
    was_accepted = Delivery.objects.filter(share=found).exists()
    found.status = ShareStatus.ACCEPTED if was_accepted else ShareStatus.OFFERED
    found.decline_reason = found.decline_words = ""
    try:
        with transaction.atomic():
            found.save(update_fields=["status", "decline_reason", "decline_words"])
    except IntegrityError:
        words = gettext("Your coach has shared this workout anew for that day: answer that one.")
        raise errors.ConflictError(words, code="shared_anew") from None
    if was_accepted and _lies_ahead(found):
        delivering.begin([found])
    audit.record("share.resumed", found, actor=by)
    events.publish("share.resumed", found)


def _held(share: Share, by: User, which: Q) -> Share:
    """Nobody else decides on it, nor on what was done of it, until the commit."""
    matching.take_turn(share.link.athlete_id)
    mine = Share.objects.filter(
        which, pk=share.pk, link__athlete=by, link__status="active", scheduled_for__isnull=False
    )
    found = mine.select_related("link__athlete").select_for_update(of=("self",), no_key=True).first()
    if found is None:
        raise errors.NotFoundError(gettext("This workout is no longer shared."), code="share_gone")
    return found


def _stop_copies(share: Share) -> None:
    deliveries = Delivery.objects.filter(share=share)
    deliveries.cancel(*DECLINED)
    if _lies_ahead(share):
        deliveries.take_back(*DECLINED)
        bell.ring(tasks.tick_deliveries)


def _lies_ahead(share: Share) -> bool:
    return share.scheduled_for is not None and share.scheduled_for >= today_of(share.link.athlete)
