"""State as operations watch it, read when somebody scrapes: it stays right whichever process dies.

Each app adds what it can tell from its own `gauges` module. A part that breaks is left out and counted.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from threading import Lock

import structlog
from django.db import InterfaceError, OperationalError
from django.db.models import Count, Exists, Min, OuterRef
from django.utils import timezone
from prometheus_client.core import GaugeMetricFamily
from psycopg_pool import PoolTimeout

from integrations import events, gateways, metrics, sealed
from integrations.models import Connection, Provider, SyncJob, SyncStream, Tick
from integrations.resilience.admission import CLOSED, HALF_OPEN, OPEN, CircuitSnapshot

log = structlog.get_logger(__name__)

CACHED_S = 15.0
AWAY = (OperationalError, InterfaceError, PoolTimeout)
STATES = {CLOSED: 0, HALF_OPEN: 1, OPEN: 2}

type Part = Callable[[], Iterable[GaugeMetricFamily]]


class StateCollector:
    """Asks each part at most every 15 seconds, however many scrape. Never raises."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._parts: dict[str, Part] = {}
        self._clock = clock
        self._lock = Lock()
        self._told: list[GaugeMetricFamily] = []
        self._good_until = float("-inf")

    def add(self, name: str, part: Part) -> None:
        """Called once a part, when its module is loaded."""
        self._parts[name] = part

    def collect(self) -> list[GaugeMetricFamily]:
        with self._lock:
            if self._clock() >= self._good_until:
                self._told = list(self._read())
                self._good_until = self._clock() + CACHED_S
            return self._told

    def forget(self) -> None:
        """The next scrape reads anew."""
        self._good_until = float("-inf")

    def _read(self) -> Iterator[GaugeMetricFamily]:
        is_away = False
        for name, part in self._parts.items():
            if is_away:  # the others would each wait for the same database
                metrics.COLLECTOR_ERRORS.labels(name).inc()
                continue
            try:
                yield from list(part())
            except AWAY as exc:
                is_away = True
                metrics.COLLECTOR_ERRORS.labels(name).inc()
                log.warning("gauges_without_database", part=name, error=type(exc).__name__)
            except Exception:  # one part's mistake must not hide what the others tell
                metrics.COLLECTOR_ERRORS.labels(name).inc()
                log.exception("gauge_failed", part=name)


def gauge(name: str, words: str, *labels: str) -> GaugeMetricFamily:
    """An empty one: `add_metric(label values, value)` fills it."""
    return GaugeMetricFamily(name, words, labels=labels)


def age_s(moment: datetime | None) -> float:
    """Seconds since then; 0 for nothing and for what is still to come."""
    return max(0.0, (timezone.now() - moment).total_seconds()) if moment else 0.0


def connections() -> Iterator[GaugeMetricFamily]:
    """Those that have ended are history and not counted."""
    found = gauge("connections", "Connected accounts by state", "provider", "status")
    rows = Connection.objects.live().order_by().values_list("provider_id", "status").annotate(n=Count("*"))
    counted = {(provider_id, status): number for provider_id, status, number in rows}
    for provider_id, slug in Provider.objects.order_by("slug").values_list("pk", "slug"):
        for status in Connection.LIVE:
            found.add_metric([slug, status], counted.get((provider_id, status), 0))
    yield found


def syncs() -> Iterator[GaugeMetricFamily]:
    open_jobs = gauge("sync_jobs_open", "Runs that are not over", "status")
    counted = dict(SyncJob.objects.active().order_by().values_list("status").annotate(n=Count("pk")))
    for status in SyncJob.ACTIVE:
        open_jobs.add_metric([status], counted.get(status, 0))
    yield open_jobs
    queued = SyncJob.objects.active().filter(stream=OuterRef("pk"))
    stream = SyncStream.objects.due().filter(~Exists(queued)).aggregate(oldest=Min("next_run_at"))["oldest"]
    job = SyncJob.objects.unheard().order_by().aggregate(oldest=Min("next_attempt_at"))["oldest"]
    oldest = gauge("sync_oldest_due_seconds", "For how long the oldest due sync has waited for a worker")
    oldest.add_metric([], max(age_s(stream), age_s(job)))
    yield oldest


def outbox() -> Iterator[GaugeMetricFamily]:
    standing = events.backlog()
    for name, words, value in (
        ("outbox_pending", "Events still to be handed on", standing.pending),
        ("outbox_dead", "Events given up, for an operator to replay or drop", standing.dead),
        ("outbox_oldest_seconds", "For how long the oldest event has waited", standing.oldest_s),
    ):
        found = gauge(name, words)
        found.add_metric([], value)
        yield found


def ticks() -> Iterator[GaugeMetricFamily]:
    found = gauge("beat_last_tick_seconds", "Since periodic work last did its round", "tick")
    for name, last_at in Tick.objects.order_by("name").values_list("name", "last_at"):
        found.add_metric([name], age_s(last_at))
    yield found


def keys() -> Iterator[GaugeMetricFamily]:
    """Of what is sealed for minutes only, nothing is told."""
    numbers: Counter[str] = Counter()
    for column in sealed.columns():
        if column.key_id_field:  # an index; opening a whole table of envelopes would take long
            numbers.update(dict(column.rows().order_by().values_list(column.key_id_field).annotate(n=Count("pk"))))
        elif column.is_lasting:
            numbers.update(column.count_by_key())
    found = gauge("vault_rows", "Rows sealed with each key of the ring", "key")
    for key_id, number in sorted(numbers.items()):
        found.add_metric([key_id], number)
    yield found


def circuits() -> Iterator[GaugeMetricFamily]:
    """While Redis is away nothing is known of the others' circuits and buckets, and so nothing is told of them."""
    state = gauge("integration_circuit_state", "0 closed, 1 half open, 2 open", "provider", "group")
    remaining = gauge("integration_rate_limit_remaining", "Tokens left in a bucket", "provider", "bucket")
    limit = gauge("integration_rate_limit_limit", "Tokens a bucket holds when it is full", "provider", "bucket")
    is_up = gauge("integration_shared_state_up", "1 while Redis answers")
    up = True
    for provider in Provider.objects.order_by("slug"):
        standing = gateways.standing(provider)
        up = up and standing.shared
        if not standing.shared:
            continue
        groups: dict[str, CircuitSnapshot] = {"api": standing.circuit, "login": standing.login}
        for group, circuit in groups.items():
            state.add_metric([provider.slug, group], STATES[circuit.state])
        for bucket in standing.buckets:
            remaining.add_metric([provider.slug, bucket.key], bucket.remaining)
            limit.add_metric([provider.slug, bucket.key], bucket.limit)
    is_up.add_metric([], up)
    yield from (state, remaining, limit, is_up)


STATE = StateCollector()
STATE.add("connections", connections)
STATE.add("syncs", syncs)
STATE.add("outbox", outbox)
STATE.add("ticks", ticks)
STATE.add("keys", keys)
STATE.add("circuits", circuits)
