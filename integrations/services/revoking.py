"""After a compromise: end logins at the provider where it lets us, erase them here, have people log in again."""

from collections.abc import Iterator
from datetime import datetime

import structlog
from django.db import transaction
from django.db.models import Q, QuerySet
from django.db.models.functions import Coalesce

from accounts import audit
from accounts.models import AuditEntry
from integrations import credentials, errors, logins
from integrations.models import Connection, Credential, Provider
from integrations.spec import RevokingLogin

log = structlog.get_logger(__name__)

REASON = "revoked_by_us"
REVOKED, NOT_REACHED, NO_WAY = "revoked there", "not revoked there", "cannot be revoked there"
CONNECTED_ANEW = "connected anew, so left there"


def affected(provider: Provider, since: datetime | None) -> "QuerySet[Credential]":
    """Logins whose secrets came at or after `since`, by login or renewal; without it all."""
    rows = Credential.objects.filter(connection__provider=provider).select_related("connection__provider")
    if since is None:
        return rows.order_by("pk")
    return rows.alias(came_at=Coalesce("refreshed_at", "issued_at")).filter(Q(came_at__gte=since)).order_by("pk")


def revoke(provider: Provider, since: datetime | None, *, reason: str) -> Iterator[str]:
    """End each affected login; yields what became of it at the provider. Safe to run twice: what is erased is gone."""
    for credential in affected(provider, since).iterator(chunk_size=500):
        outcome = _tell_provider(credential)
        _erase(credential, outcome=outcome, reason=reason)
        yield outcome


def say_goodbye(connection_id: int) -> None:
    """End the login of a disconnected account at the provider, as well as it goes, and erase it here.

    Safe to run twice: one run has it. The provider is not told when the account is connected anew by now: to many, one
    login revoked is all of them.
    """
    ended = Credential.objects.filter(connection_id=connection_id, connection__status=Connection.Status.DISCONNECTED)
    credential = ended.select_related("connection__provider").first()
    if credential is None or not credentials.hold(credential):
        return
    connection = credential.connection
    again = Connection.objects.live().filter(
        provider=connection.provider, external_account_id=connection.external_account_id
    )
    outcome = CONNECTED_ANEW if again.exists() else _tell_provider(credential)
    with transaction.atomic():
        credentials.erase(connection)
        audit.record("connection.login_ended", connection, at_provider=outcome)


def _tell_provider(credential: Credential) -> str:
    """As well as it goes: whether or not the provider hears of it, nobody here uses the login any more."""
    connection = credential.connection
    try:
        login = logins.login_for(connection.provider)
        if not isinstance(login, RevokingLogin):
            return NO_WAY
        login.revoke(credentials.present(connection).secrets)
    except errors.IntegrationError as exc:
        log.info("revocation_failed", connection=str(connection.public_id), error_code=exc.code)
        return NOT_REACHED
    return REVOKED


@transaction.atomic
def _erase(credential: Credential, *, outcome: str, reason: str) -> None:
    connection = credential.connection
    credentials.lose(connection, REASON, paused=True)
    credentials.erase(connection)
    audit.record(
        "connection.credentials_revoked",
        connection,
        level=AuditEntry.Level.SECURITY,
        provider=connection.provider.slug,
        outcome_there=outcome,
        reason=reason,
        by="operations",
    )
