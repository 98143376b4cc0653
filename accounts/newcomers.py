"""Accounts that nobody has come to: signed up for with an address that was never proven."""

from allauth.account.models import EmailAddress
from django.db import transaction
from django.db.models import Exists, OuterRef

from accounts import audit
from accounts.models import AuditEntry, User


def make_way(email: str) -> bool:
    """Remove who signed up with this address and never proved it, so that its owner finds it free.

    Nobody was ever logged in there, so nothing is lost but what a stranger may have prepared.
    """
    addresses = EmailAddress.objects.filter(user=OuterRef("pk"))
    unproven = User.objects.filter(
        Exists(addresses), ~Exists(addresses.filter(verified=True)),
        email__iexact=email, last_login=None, is_staff=False, is_superuser=False,
    )  # fmt: skip
    with transaction.atomic():
        found = unproven.select_for_update().first()
        if found is None:
            return False
        audit.record("user.gave_way", found, level=AuditEntry.Level.SECURITY, reason="the address was never proven")
        found.delete()
    return True
