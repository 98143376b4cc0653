"""What a provider's own word leads to: streams that are due soon, and doubts that a call settles. Never more.

A webhook disconnects nobody and deletes nothing: it is a hint about what to look at.
"""

from dataclasses import dataclass
from enum import StrEnum

from django.db.models import F
from django.db.models.functions import Least, Now

from accounts import audit
from accounts.models import AuditEntry
from integrations import bell
from integrations.models import Connection, Provider, SyncStream
from integrations.records import EventKind, ProviderEvent
from integrations.timing import seconds, timing

DOUBTS = (EventKind.DEAUTHORIZED, EventKind.PERMISSIONS_CHANGED)


class Verdict(StrEnum):
    APPLIED = "applied"
    UNUSED = "unused"  # known, and of no use to anybody here
    UNKNOWN_ACCOUNT = "unknown_account"


@dataclass(frozen=True, slots=True)
class Effect:
    """What came of an event, and whose it was."""

    verdict: Verdict
    connection: Connection | None = None


def apply(event: ProviderEvent, provider: Provider) -> Effect:
    """Act on one event inside the caller's transaction, without any call. Safe to run twice."""
    if event.kind == EventKind.UNKNOWN:
        return Effect(Verdict.UNUSED)
    account = Connection.objects.live().filter(provider=provider, external_account_id=event.account_id)
    connection = account.first() if event.account_id else None
    if connection is None:
        return Effect(Verdict.UNKNOWN_ACCOUNT)
    acted = _doubt(connection, event) if event.kind in DOUBTS else _nudge(connection, event)
    return Effect(Verdict.APPLIED if acted else Verdict.UNUSED, connection)


def _nudge(connection: Connection, event: ProviderEvent) -> bool:
    """The stream runs soon, and once however many ask for it."""
    streams = SyncStream.objects.filter(connection=connection, resource=event.resource, enabled=True)
    soon = Now() + seconds(timing().webhook_nudge_s)
    return bool(streams.update(next_run_at=Least(F("next_run_at"), soon)))


def _doubt(connection: Connection, event: ProviderEvent) -> bool:
    """Have a worker ask the provider. One that is paused or waits for a login has nothing to lose."""
    if not Connection.objects.active().filter(pk=connection.pk).update(doubted_at=Now()):
        return False
    audit.record("connection.doubted", connection, level=AuditEntry.Level.SECURITY, kind=str(event.kind), by="webhook")
    bell.ring(bell.CONFIRM_CONNECTION, connection.pk)
    return True
