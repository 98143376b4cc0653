"""What a provider's own word leads to: items stored that came whole, streams due soon, doubts that a call settles.

A webhook disconnects nobody and deletes nothing: it is a hint about what to look at.
"""

from dataclasses import dataclass
from enum import StrEnum
from functools import partial

from django.db import transaction
from django.db.models import F
from django.db.models.functions import Least, Now

from accounts import audit
from accounts.models import AuditEntry
from integrations import bell, errors, registry, sinks
from integrations.client import require_own
from integrations.models import Connection, Provider, SyncStream
from integrations.records import ActivityRecord, EventKind, ProviderEvent
from integrations.timing import seconds, timing

DOUBTS = (EventKind.DEAUTHORIZED, EventKind.PERMISSIONS_CHANGED)
ACTIVITIES = "activities"  # the one resource of which providers send whole items
TAKING = (Connection.Status.ACTIVE, Connection.Status.NEEDS_REAUTH)  # the person's yes stands, whatever our login does


class Verdict(StrEnum):
    APPLIED = "applied"
    UNUSED = "unused"  # known, and of no use to anybody here
    UNKNOWN_ACCOUNT = "unknown_account"
    BAD_ITEM = "bad_item"  # it came whole, and could not be read or is somebody else's


@dataclass(frozen=True, slots=True)
class Effect:
    """What came of an event, and whose it was; `words` say what is wrong with a bad item."""

    verdict: Verdict
    connection: Connection | None = None
    words: str = ""


def apply(event: ProviderEvent, provider: Provider) -> Effect:
    """Act on one event inside the caller's transaction, without any call. Safe to run twice."""
    if event.kind == EventKind.UNKNOWN:
        return Effect(Verdict.UNUSED)
    account = Connection.objects.live().filter(provider=provider, external_account_id=event.account_id)
    connection = account.select_related("provider").first() if event.account_id else None
    if connection is None:
        return Effect(Verdict.UNKNOWN_ACCOUNT)
    if event.is_whole and event.kind == EventKind.RESOURCE_CHANGED and event.resource == ACTIVITIES:
        return _take(connection, event)
    acted = _doubt(connection, event) if event.kind in DOUBTS else _nudge(connection, event)
    return Effect(Verdict.APPLIED if acted else Verdict.UNUSED, connection)


def _take(connection: Connection, event: ProviderEvent) -> Effect:
    """Store the item on the way that a sync's items go. A bad one is set aside: its neighbours suffer nothing."""
    if connection.status not in TAKING or not sinks.takes(event.resource):
        return Effect(Verdict.UNUSED, connection)
    try:
        record = _read_activity(connection, event)
    except errors.DataError as exc:
        return Effect(Verdict.BAD_ITEM, connection, exc.message)
    if sinks.get(event.resource).upsert(connection, [record]).created:
        transaction.on_commit(partial(_note_new, connection.pk, event.resource))
    return Effect(Verdict.APPLIED, connection)


def _note_new(connection_id: int, resource: str) -> None:
    """By itself: a run holds the stream's row while it waits for what this transaction wrote."""
    SyncStream.objects.filter(connection=connection_id, resource=resource).update(last_new_item_at=Now())


def _read_activity(connection: Connection, event: ProviderEvent) -> ActivityRecord:
    slug = connection.provider.slug
    record = registry.translator(slug).to_activity(dict(event.data))
    record = registry.validator(slug).validate_activity(record)
    require_own(connection, record.account_id, record.external_id)
    return record


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
