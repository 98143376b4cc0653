"""Whether a connection has ended, or changed, as a webhook says: only the provider's own answer to a call decides."""

import structlog
from django.db import transaction

from accounts import audit
from accounts.models import AuditEntry
from integrations import credentials, errors
from integrations.client import client_for
from integrations.models import Connection
from integrations.records import AccountRecord

log = structlog.get_logger(__name__)


def confirm(connection_id: int) -> None:
    """Ask the provider with the connection's login. Safe to run twice; an outage leaves the doubt for the next tick."""
    connection = Connection.objects.doubted().filter(pk=connection_id).select_related("user", "provider").first()
    if connection is None:
        return
    try:
        account = client_for(connection, direction="sync").account()
    except errors.AuthenticationError as exc:
        credentials.lose(connection, exc.code)
        credentials.erase(connection)
        _settle(connection, "connection.end_confirmed")
    except errors.IntegrationError as exc:
        log.info("doubt_not_settled", connection=str(connection.public_id), error_code=exc.code)
        if not (exc.retryable or exc.halted):
            _settle(connection, "connection.end_not_confirmed")
    else:
        _note_permissions(connection, account)
        _settle(connection, "connection.end_refuted")


@transaction.atomic
def _note_permissions(connection: Connection, account: AccountRecord) -> None:
    """What the person allows now, where the provider tells it beside the account."""
    allowed, before = account.permissions, set(connection.scopes)
    if allowed is None or set(allowed) == before:
        return
    if Connection.objects.filter(pk=connection.pk, scopes=connection.scopes).update(scopes=list(allowed)):
        given, taken = sorted(set(allowed) - before), sorted(before - set(allowed))
        audit.record("connection.permissions_changed", connection, given=given, taken_back=taken)


@transaction.atomic
def _settle(connection: Connection, action: str) -> None:
    """A doubt that was raised anew meanwhile stays."""
    if Connection.objects.filter(pk=connection.pk, doubted_at=connection.doubted_at).update(doubted_at=None):
        audit.record(action, connection, level=AuditEntry.Level.SECURITY)
