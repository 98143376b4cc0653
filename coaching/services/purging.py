"""Activities that we may not keep: past the days that a provider allows, or of an account that was taken back."""

from collections import defaultdict
from datetime import date, timedelta

import structlog
from django.db import transaction
from django.db.models import QuerySet
from django.db.models.functions import Now

from accounts import audit
from coaching import activity_sink, policies
from coaching.models import Activity
from integrations.models import Connection, DomainEvent, Provider

log = structlog.get_logger(__name__)

BATCH = 1_000
ACTION = "activities.purged"


def purge_expired() -> int:
    """Delete what is past its provider's days, and report it provider by provider. Safe in parallel."""
    providers = {provider.slug: provider for provider in Provider.objects.all()}
    return sum(_purge(providers[slug], days) for slug, days in policies.standing().kept_days.items())


@transaction.atomic
def purge_account(connection: Connection) -> int:
    """Delete all that came from an account. Safe to run twice."""
    rows = Activity.objects.filter(connection=connection)
    removed = 0
    while batch := _delete(rows):
        removed += batch
    return removed


def on_disconnected(event: DomainEvent) -> None:
    """Where the person wants it, and where the provider's terms end with his yes."""
    connection = event.connection
    if connection is None or connection.status != Connection.Status.DISCONNECTED:
        return
    if event.payload.get("purge") or connection.provider.slug in policies.standing().kept_days:
        purge_account(connection)


def _purge(provider: Provider, days: int) -> int:
    expired = Activity.objects.filter(source=provider.slug, started_at__lt=Now() - timedelta(days=days))
    removed = 0
    while batch := _delete_apart(expired):
        removed += batch
    log.info("activities_purged", provider=provider.slug, removed=removed, days=days)
    audit.record(ACTION, provider, removed=removed, days=days)
    return removed


@transaction.atomic
def _delete_apart(rows: QuerySet[Activity]) -> int:
    return _delete(rows)


def _delete(rows: QuerySet[Activity]) -> int:
    """A batch, with the totals of its days; what hangs on the rows goes with them."""
    locked = rows.order_by("external_id").select_for_update(of=("self",))
    batch = list(locked.values_list("pk", "athlete_id", "day")[:BATCH])
    Activity.objects.filter(pk__in=[pk for pk, _, _ in batch]).delete()
    touched: defaultdict[int, set[date]] = defaultdict(set)
    for _, athlete_id, day in batch:
        touched[athlete_id].add(day)
    for athlete_id in sorted(touched):
        activity_sink.announce(athlete_id, [], touched[athlete_id])
    return len(batch)
