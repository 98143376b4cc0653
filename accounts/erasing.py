"""The end of an account: at once for its owner, in the background for everything else, with a report."""

from datetime import timedelta
from typing import Any

from django.db import transaction
from django.utils import timezone

from accounts import audit, privacy
from accounts.models import AuditEntry, DataRequest, User

LONGEST_WAIT = timedelta(hours=20)  # for a provider that does not answer; all is gone within a day


def begin(user: User) -> None:
    """Nobody uses the account from now on; what must be told elsewhere is set going. Safe to run twice."""
    User.objects.filter(pk=user.pk).update(is_active=False)
    for part in reversed(privacy.parts()):
        part.begin(user)


def is_ready(request: DataRequest) -> bool:
    """Whether all that was begun has ended, or was waited for long enough."""
    if timezone.now() - request.created_at > LONGEST_WAIT:
        return True
    return all(part.is_ready(request.user) for part in privacy.parts())


@transaction.atomic
def erase(request: DataRequest) -> dict[str, Any]:
    """All parts in one transaction: nobody is half erased. Returns the report, which names nobody."""
    user = User.objects.select_for_update().get(pk=request.user_id)
    waited_for = [part.name for part in privacy.parts() if not part.is_ready(user)]
    counts: dict[str, dict[str, int]] = {}
    for part in reversed(privacy.parts()):
        counts[part.name] = {what: n for what, n in part.erase(user).items() if n}
    audit.record("user.erased", user, level=AuditEntry.Level.SECURITY, rows=counts, unfinished=waited_for)
    return {"rows": counts, "unfinished": waited_for}
