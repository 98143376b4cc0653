"""How the kinds of stream are read: what part a run looks at, how its pages come, how one item is asked for."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any, Protocol

from django.utils import timezone

from integrations.client import Page, ProviderClient
from integrations.models import Connection, Resource, SyncJob, SyncStream
from integrations.registry import spec_for

type Known = Callable[[Sequence[str]], Mapping[str, str]]

OVERLAP = timedelta(days=7)  # watches are emptied late, so what is new to the provider may be days old
REREAD = timedelta(days=30)
REREAD_EVERY = timedelta(days=7)
NIGHT = time(3)
NIGHT_S = 7_200
Mode = SyncJob.Mode


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run reads: the local days from `since` on, all of them where it is None."""

    mode: str
    since: date | None = None


class Reader(Protocol):
    def plan(self, stream: SyncStream) -> Plan: ...

    def pages(self, client: ProviderClient, job: SyncJob, known: Known) -> Iterator[Page[Any]]: ...

    def has(self, client: ProviderClient, external_id: str) -> bool:
        """Ask the provider for one item that its listing lacked."""
        ...


class Library:
    """Workouts: the whole listing each time; what is known is not read in full."""

    def plan(self, stream: SyncStream) -> Plan:  # noqa: ARG002 - the protocol's
        return Plan(Mode.FULL)

    def pages(self, client: ProviderClient, job: SyncJob, known: Known) -> Iterator[Page[Any]]:  # noqa: ARG002
        return client.workouts(known)

    def has(self, client: ProviderClient, external_id: str) -> bool:
        return client.has_workout(external_id)


class History:
    """Activities: what began lately, with an overlap; once a week a month of it anew, or what is to be repaired."""

    def plan(self, stream: SyncStream) -> Plan:
        today = timezone.now().date()
        through, month = day_of(stream.cursor, "through") or today - REREAD, today - REREAD
        repair = day_of(stream.cursor, "repair_from")
        held = day_of(stream.cursor, "held_from") if stream.sweep_approved_n else None
        asked = [day for day in (repair, held) if day is not None]
        if asked or stream.last_full_at is None or stream.last_full_at < timezone.now() - REREAD_EVERY:
            return Plan(Mode.FULL, listed_since(stream, min(through, month, *asked)))
        overlap = timedelta(seconds=stream.overlap_s) or OVERLAP
        return Plan(Mode.INCREMENTAL, listed_since(stream, min(through, today) - overlap))

    def pages(self, client: ProviderClient, job: SyncJob, known: Known) -> Iterator[Page[Any]]:  # noqa: ARG002
        """None at all where the provider is asked to send a part of the history instead."""
        if job.since and job.until and client.request_history(job.since, job.until):
            return iter(())
        return client.activities(job.since, job.until)

    def has(self, client: ProviderClient, external_id: str) -> bool:
        return client.has_activity(external_id)


READERS: Mapping[str, Reader] = {Resource.WORKOUTS: Library(), Resource.ACTIVITIES: History()}


def day_of(cursor: Mapping[str, Any], key: str) -> date | None:
    """A day that an earlier run left in the cursor."""
    return date.fromisoformat(cursor[key]) if cursor.get(key) else None


def allowed_since(stream: SyncStream, since: date) -> date:
    """Not earlier than the provider's terms let us keep anything."""
    return _at_most(stream.connection.provider.cache_days, since)


def listed_since(stream: SyncStream, since: date) -> date:
    """Not earlier than that, nor than the provider's listing goes back."""
    return _at_most(spec_for(stream.connection.provider.slug).listed_days, allowed_since(stream, since))


def _at_most(days: int | None, since: date) -> date:
    return since if days is None else max(since, timezone.now().date() - timedelta(days=days))


def next_night(connection: Connection) -> datetime:
    """After three o'clock of the owner's next night; each connection has its own minute of two hours."""
    zone, now = connection.user.zone, timezone.now()
    own = timedelta(seconds=connection.pk * 97 % NIGHT_S)
    night = datetime.combine(now.astimezone(zone).date(), NIGHT, zone) + own
    return night if night > now else night + timedelta(days=1)
