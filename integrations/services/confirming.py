"""Whether a connection that a webhook called ended has ended: only the provider's own answer to a call decides."""

import structlog
from django.db import transaction

from accounts import audit
from accounts.models import AuditEntry
from integrations import credentials, errors
from integrations.client import client_for
from integrations.models import Connection

log = structlog.get_logger(__name__)


def confirm(connection_id: int) -> None:
    """Ask the provider with the connection's login. Safe to run twice; an outage leaves the doubt for the next tick."""
    connection = Connection.objects.doubted().filter(pk=connection_id).select_related("user", "provider").first()
    if connection is None:
        return
    try:
        client_for(connection, direction="sync").account()
    except errors.AuthenticationError as exc:
        credentials.lose(connection, exc.code)
        credentials.erase(connection)
        _settle(connection, "connection.end_confirmed")
    except errors.IntegrationError as exc:
        log.info("doubt_not_settled", connection=str(connection.public_id), error_code=exc.code)
        if not (exc.retryable or exc.halted):
            _settle(connection, "connection.end_not_confirmed")
    else:
        _settle(connection, "connection.end_refuted")


@transaction.atomic
def _settle(connection: Connection, action: str) -> None:
    """A doubt that was raised anew meanwhile stays."""
    if Connection.objects.filter(pk=connection.pk, doubted_at=connection.doubted_at).update(doubted_at=None):
        audit.record(action, connection, level=AuditEntry.Level.SECURITY)
