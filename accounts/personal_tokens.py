"""Keys that a person makes for scripts: shown once, kept as a hash, ended at any time."""

import secrets
from collections.abc import Iterable
from datetime import timedelta

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.translation import gettext

from accounts import audit
from accounts.models import AccessToken, AuditEntry, TokenScope, User
from accounts.rest.callers import MARK, hashed

MOST = 20
LONGEST_DAYS = 365
BYTES = 32


@transaction.atomic
def make(user: User, *, name: str, scopes: Iterable[str], days: int) -> tuple[AccessToken, str]:
    """The row and the token itself, which is known here only. ValidationError when there are too many."""
    User.objects.select_for_update(no_key=True).get(pk=user.pk)  # two posts at once count together
    if AccessToken.objects.for_user(user).usable().count() >= MOST:
        words = gettext("You have %(most)s tokens, which is the limit. Revoke one first.") % {"most": MOST}
        raise ValidationError(words, code="too_many_tokens")
    token = MARK + secrets.token_urlsafe(BYTES)
    chosen = set(scopes)
    made = AccessToken.objects.create(
        user=user,
        name=name,
        token_hash=hashed(token),
        hint=token[-4:],
        scopes=[scope for scope in TokenScope.values if scope in chosen],
        expires_at=timezone.now() + timedelta(days=max(1, min(days, LONGEST_DAYS))),
    )
    made.refresh_from_db(fields=["created_at"])
    audit.record("token.created", made, actor=user, level=AuditEntry.Level.SECURITY, name=name, scopes=made.scopes)
    return made, token


@transaction.atomic
def revoke(token: AccessToken, *, by: User) -> bool:
    """Safe to run twice."""
    revoked = AccessToken.objects.filter(pk=token.pk, user=by, revoked_at=None).update(revoked_at=Now())
    if revoked:
        audit.record("token.revoked", token, actor=by, level=AuditEntry.Level.SECURITY)
    return bool(revoked)
