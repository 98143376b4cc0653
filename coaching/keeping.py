"""How long rows of coaching are kept. Plans and activities stay until their owner deletes them, or his account."""

from datetime import timedelta

from django.db.models import Q, QuerySet
from django.db.models.functions import Now

from accounts import retention
from accounts.retention import Rule
from coaching.models import ActivityDetail, Invitation, Notification, Upload
from coaching.services import clearing, uploading

NOTICES, INVITATIONS = timedelta(days=180), timedelta(days=400)


def _old_notices() -> QuerySet[Notification]:
    return Notification.objects.filter(created_at__lt=Now() - NOTICES, status__in=["sent", "failed"])


def _old_invitations() -> QuerySet[Invitation]:
    """A reported one stays: it is why this coach cannot write to this address."""
    closed = ~Q(accepted_at=None) | ~Q(declined_at=None) | ~Q(revoked_at=None) | Q(expires_at__lt=Now())
    return Invitation.objects.filter(closed, created_at__lt=Now() - INVITATIONS, reported_at=None)


def _lapsed_details() -> QuerySet[ActivityDetail]:
    return ActivityDetail.objects.filter(expires_at__lt=Now())


def _old_uploads() -> QuerySet[Upload]:
    return Upload.objects.settled().filter(finished_at__lt=Now() - uploading.KEPT)


retention.register(
    Rule("Notices", f"{NOTICES.days} days", retention.in_batches(_old_notices)),
    Rule("Invitations, closed", f"{INVITATIONS.days} days", retention.in_batches(_old_invitations)),
    Rule("Details of activities", "as long as the provider's terms allow", retention.in_batches(_lapsed_details)),
    Rule("Uploads, read or refused", f"{uploading.KEPT.days} days", retention.in_batches(_old_uploads)),
    Rule("Files that no row names", "an hour", clearing.clear_strays),
    Rule("Activities", "until their owner deletes his account; some providers allow days only"),
)
