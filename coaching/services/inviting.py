"""How a coach and an athlete come together, on which terms, and how it ends."""

import secrets
from collections.abc import Iterable
from datetime import timedelta
from hashlib import sha256

from django.db import IntegrityError, transaction
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.translation import gettext, gettext_noop

from accounts import audit
from accounts.models import AuditEntry, User
from coaching import notifications
from coaching.models import CoachingLink, ConsentEntry, Delivery, Invitation, Scope, Share, ShareStatus
from integrations import errors, events

VALID = timedelta(days=14)
DAY = timedelta(days=1)
MOST_A_DAY = 50  # mails of one coach, sent again included
TOKEN_BYTES = 24
LONGEST_TOKEN = 200
SENT = "invitation.sent"
ENDED = ("link_ended", gettext_noop("You no longer train together, so nothing more is sent."))


def invite(coach: User, email: str) -> tuple[Invitation, str]:
    """Invite by mail. The token is known here and in the mail only; inviting again makes a new one.

    The invitation stands even if the mail does not leave (`mailed_at` is then empty). ValidationError for oneself, for
    who trains with the coach already and for who does not want it; ThrottledError past the day's limit.
    """
    address, token = email.strip().lower(), secrets.token_urlsafe(TOKEN_BYTES)
    _refuse_pointless(coach, address)
    with transaction.atomic():
        _keep_to_the_limit(coach)
        invitation = _open_invitation(coach, address)
        _arm(invitation, token)
        _note_sent(invitation)
    _mail(invitation, token)
    return invitation, token


def resend(invitation: Invitation, by: User) -> str:
    """A new token, mailed; the old one no longer works. NotFoundError when it was accepted or revoked meanwhile."""
    token = secrets.token_urlsafe(TOKEN_BYTES)
    try:
        with transaction.atomic():
            _keep_to_the_limit(by)
            again = Invitation.objects.filter(pk=invitation.pk, coach=by, accepted_at=None, revoked_at=None)
            if not again.filter(reported_at=None).update(declined_at=None):
                raise errors.NotFoundError(gettext("This invitation is no longer open."), code="invitation_closed")
            _arm(invitation, token)
            _note_sent(invitation)
    except IntegrityError:
        words = gettext("There is another open invitation for this address.")
        raise errors.ConflictError(words, code="invited_already") from None
    _mail(invitation, token)
    return token


@transaction.atomic
def revoke(invitation: Invitation, by: User) -> bool:
    """The link no longer works. Safe to run twice."""
    open_one = Invitation.objects.filter(pk=invitation.pk, coach=by, accepted_at=None, revoked_at=None)
    revoked = open_one.update(revoked_at=Now())
    if revoked:
        audit.record("invitation.revoked", invitation, actor=by)
    return bool(revoked)


def find(token: str) -> Invitation | None:
    """The open invitation of a token; unknown, used, expired and revoked ones are alike."""
    if not 0 < len(token) <= LONGEST_TOKEN:
        return None
    return Invitation.objects.open().filter(token_hash=_hashed(token)).select_related("coach").first()


@transaction.atomic
def accept(
    invitation: Invitation, athlete: User, *, scopes: Iterable[str] = (), auto_import: bool = False
) -> CoachingLink:
    """Become the coach's athlete on these terms. Single use, also under parallel clicks.

    NotFoundError when it is no longer open, ValidationError for one's own.
    """
    if invitation.coach_id == athlete.pk:
        raise errors.ValidationError(
            gettext("This is your own invitation. Send the link to your athlete."), code="own_invitation"
        )
    if not Invitation.objects.open().filter(pk=invitation.pk).update(accepted_at=Now()):
        raise errors.NotFoundError(
            gettext("This invitation is no longer valid. Ask for a new one."), code="invitation_closed"
        )
    link, _ = CoachingLink.objects.active().get_or_create(coach_id=invitation.coach_id, athlete=athlete)
    CoachingLink.objects.filter(pk=link.pk).update(scopes=_known(scopes), auto_import=auto_import)
    Invitation.objects.filter(pk=invitation.pk).update(link=link)
    link.refresh_from_db()
    _note_consent(link, ConsentEntry.What.GIVEN, athlete)
    audit.record("link.started", link, actor=athlete, scopes=link.scopes, auto_import=auto_import)
    events.publish("link.started", link)
    return link


@transaction.atomic
def decline(invitation: Invitation) -> bool:
    """Whoever holds the link may say no; the coach sees it. Safe to run twice."""
    declined = Invitation.objects.open().filter(pk=invitation.pk).update(declined_at=Now())
    if declined:
        audit.record("invitation.declined", invitation)
    return bool(declined)


@transaction.atomic
def report(invitation: Invitation) -> bool:
    """Unwanted: declined, and this coach cannot write to this address again."""
    reported = Invitation.objects.open().filter(pk=invitation.pk).update(declined_at=Now(), reported_at=Now())
    if reported:
        audit.record("invitation.reported", invitation, level=AuditEntry.Level.SECURITY)
    return bool(reported)


@transaction.atomic
def end_link(link: CoachingLink, by: User) -> bool:
    """Either side ends it, at once: open offers are withdrawn and queued deliveries cancelled. Safe to run twice."""
    mine = CoachingLink.objects.for_user(by).active().filter(pk=link.pk)
    if not mine.update(status=CoachingLink.Status.ENDED, ended_at=Now()):
        return False
    shares = Share.objects.filter(link=link)
    shares.filter(status=ShareStatus.OFFERED).update(status=ShareStatus.WITHDRAWN, responded_at=Now())
    Delivery.objects.filter(share__in=shares).cancel(*ENDED)
    ConsentEntry.objects.create(link=link, what=ConsentEntry.What.ENDED, by=by)
    audit.record("link.ended", link, actor=by)
    events.publish("link.ended", link, by=by.pk)
    return True


@transaction.atomic
def update_scopes(link: CoachingLink, by: User, *, scopes: Iterable[str], auto_import: bool) -> bool:
    """The athlete's consent, and nobody else's to give. It holds from now on, for what is shared from now on."""
    own = CoachingLink.objects.active().filter(pk=link.pk, athlete=by)
    changed = own.update(scopes=_known(scopes), auto_import=auto_import)
    if changed:
        link.refresh_from_db(fields=["scopes", "auto_import"])
        _note_consent(link, ConsentEntry.What.CHANGED, by)
        audit.record("link.consent", link, actor=by, scopes=_known(scopes), auto_import=auto_import)
    return bool(changed)


def _note_consent(link: CoachingLink, what: str, by: User) -> None:
    ConsentEntry.objects.create(link=link, what=what, scopes=link.scopes, auto_import=link.auto_import, by=by)


def _hashed(token: str) -> str:
    return sha256(token.encode(errors="replace")).hexdigest()


def _known(scopes: Iterable[str]) -> list[str]:
    """Planning is always part of it; what we do not know is no consent."""
    chosen = {Scope.PLAN.value, *scopes}
    return [scope for scope in Scope.values if scope in chosen]


def _refuse_pointless(coach: User, address: str) -> None:
    if address == coach.email.lower():
        raise errors.ValidationError(gettext("You cannot invite yourself."), code="own_address")
    if CoachingLink.objects.active_for_coach(coach).filter(athlete__email__iexact=address).exists():
        raise errors.ValidationError(gettext("You train this athlete already."), code="linked_already")
    if Invitation.objects.filter(coach=coach, email__iexact=address).exclude(reported_at=None).exists():
        raise errors.ValidationError(gettext("This person does not want to be invited again."), code="unwanted")


def _open_invitation(coach: User, address: str) -> Invitation:
    """The standing one, expired or not, or a new one; the caller holds the coach's row."""
    standing = Invitation.objects.filter(
        coach=coach, email__iexact=address, accepted_at=None, revoked_at=None, declined_at=None
    )
    return standing.select_for_update().first() or Invitation(coach=coach, email=address)


def _arm(invitation: Invitation, token: str) -> None:
    """A new token, valid from now; any earlier one no longer works."""
    invitation.token_hash = _hashed(token)
    invitation.expires_at = timezone.now() + VALID
    invitation.declined_at = None
    invitation.mailed_at = None
    fields = None if invitation.pk is None else ["token_hash", "expires_at", "declined_at", "mailed_at"]
    invitation.save(update_fields=fields)


def _keep_to_the_limit(coach: User) -> None:
    """One coach's invitations count one after the other, however many posts run at once."""
    User.objects.select_for_update(no_key=True).get(pk=coach.pk)
    sent = AuditEntry.objects.filter(actor=coach, action=SENT, at__gt=Now() - DAY)
    if sent.count() < MOST_A_DAY:
        return
    wait = (sent.order_by("at").values_list("at", flat=True)[0] + DAY - timezone.now()).total_seconds()
    words = gettext("You have sent %(most)s invitations within a day, which is the limit. Go on tomorrow.") % {
        "most": MOST_A_DAY
    }
    raise errors.ThrottledError(words, code="invitation_limit", retry_after=max(wait, 60))


def _note_sent(invitation: Invitation) -> None:
    audit.record(SENT, invitation, actor=invitation.coach)
    events.publish(SENT, invitation)


def _mail(invitation: Invitation, token: str) -> None:
    """After the commit and at once: the token is nowhere to send it from later."""
    if notifications.mail_invitation(invitation, token):
        Invitation.objects.filter(pk=invitation.pk).update(mailed_at=Now())
        invitation.refresh_from_db(fields=["mailed_at"])
