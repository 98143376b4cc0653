"""What the operations home tells about providers, connections and the engine, in a fixed number of queries."""

from collections import defaultdict
from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from django.db.models import Count, Max, Min, Q, QuerySet
from django.db.models.functions import Now
from django.utils import timezone

from accounts.operations import Panel, add_panel
from integrations.admin import events
from integrations.admin.health import panel as health_panel
from integrations.models import (
    Connection,
    Credential,
    DomainEvent,
    LoginCooldown,
    Provider,
    SyncJob,
    SyncStream,
    Tick,
    VaultKey,
)
from integrations.models.leases import Leased

LATE_AFTER = timedelta(minutes=3)
STALE_TICK_AFTER = timedelta(minutes=15)
RECENT = timedelta(days=1)
DIRECTIONS = {"connect_enabled": "connecting", "sync_enabled": "syncs", "deliver_enabled": "deliveries"}


def providers() -> dict[str, Any]:
    """Each provider with its connections by state and what went wrong lately."""
    live = Connection.objects.live()
    states = _counted(live.values_list("provider_id", "status"))
    failed_runs = SyncJob.objects.filter(status=SyncJob.Status.FAILED, finished_at__gt=Now() - timedelta(hours=1))
    failed = _counted(failed_runs.values_list("stream__connection__provider_id", "error_code"))
    failing = live.filter(credential__refresh_failures__gt=0)
    renewals = _counted(failing.values_list("provider_id", "credential__kind"))
    cooling = _counted(LoginCooldown.objects.filter(until__gt=Now()).values_list("provider_id", "reason"))
    last_ok = dict(live.values_list("provider_id").annotate(last=Max("last_ok_at")))
    return {
        "providers": [
            {
                "row": provider,
                "off": [words for field, words in DIRECTIONS.items() if not getattr(provider, field)],
                "states": [(key, words, states[provider.pk].get(key, 0)) for key, words in _live_states()],
                "last_ok_at": last_ok.get(provider.pk),
                "failed": sorted(failed[provider.pk].items()),
                "cooling": sum(cooling[provider.pk].values()),
                "renewals": sum(renewals[provider.pk].values()),
            }
            for provider in Provider.objects.all()
        ]
    }


def backlogs() -> dict[str, Any]:
    return {
        "backlogs": [
            backlog("Syncs", SyncJob.objects.all(), over=SyncJob.Status.FAILED),
            backlog("Events", DomainEvent.objects.all(), over=DomainEvent.Status.DEAD),
        ],
        "held": SyncStream.objects.filter(sweep_held_n__isnull=False).count(),
    }


def heartbeats() -> dict[str, Any]:
    """When each kind of periodic work last did its round; beat is silent when none did for a while."""
    now = timezone.now()
    ticks = list(Tick.objects.order_by("name"))
    newest = max((tick.last_at for tick in ticks), default=None)
    return {
        "ticks": [(tick, now - tick.last_at > STALE_TICK_AFTER) for tick in ticks],
        "silent": newest is None or now - newest > LATE_AFTER,
    }


def keys() -> dict[str, Any]:
    """Which keys seal how many logins."""
    used = dict(Credential.objects.values_list("key_id").annotate(n=Count("pk")))
    return {"keys": [(key, used.get(key.kid, 0)) for key in VaultKey.objects.order_by("-pk")]}


def backlog(title: str, rows: "QuerySet[Any]", *, over: str) -> dict[str, Any]:
    """One kind of leased work: what is due, how long the oldest has waited, and what ended badly within a day."""
    model: type[Leased] = rows.model
    due = Q(status__in=model.DUE, next_attempt_at__lte=Now(), lease_token=None)
    numbers = rows.filter(status__in=[*model.DUE, model.WORKING, over]).aggregate(
        due=Count("pk", filter=due),
        oldest=Min("next_attempt_at", filter=due),
        working=Count("pk", filter=Q(lease_until__gte=Now())),
        lapsed=Count("pk", filter=Q(lease_until__lt=Now())),
        failed=Count("pk", filter=Q(status=over, created_at__gt=Now() - RECENT)),
    )
    late = numbers["oldest"] is not None and timezone.now() - numbers["oldest"] > LATE_AFTER
    url_name = f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist"
    return {"title": title, "url_name": url_name, "over": over, "late": late, **numbers}


def _live_states() -> list[tuple[str, str]]:
    return [(key, str(words)) for key, words in Connection.Status.choices if key != Connection.Status.DISCONNECTED]


def _counted(pairs: "QuerySet[Any, Any]") -> defaultdict[int, dict[str, int]]:
    """Of (provider, word) pairs, how often each word stands beside each provider; counted by the database."""
    counted: defaultdict[int, dict[str, int]] = defaultdict(dict)
    rows: Iterable[tuple[int, str, int]] = pairs.order_by().annotate(n=Count("pk"))
    for provider_id, word, number in rows:
        counted[provider_id][word] = number
    return counted


add_panel(Panel("Providers", "admin/panels/providers.html", "integrations.view_provider", providers))
add_panel(Panel("Health", "admin/panels/health.html", "integrations.view_provider", health_panel))
add_panel(Panel("Syncs and events", "admin/panels/backlogs.html", "integrations.view_syncjob", backlogs))
add_panel(Panel("Outbox", "admin/panels/outbox.html", "integrations.view_domainevent", events.outbox))
add_panel(Panel("Periodic work", "admin/panels/heartbeats.html", "integrations.view_tick", heartbeats))
add_panel(Panel("Keys", "admin/panels/keys.html", "integrations.view_vaultkey", keys))
