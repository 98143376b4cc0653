"""Health pages for load balancers and container health checks. They say which part, never why."""

from datetime import timedelta
from threading import Event

import redis
import structlog
from celery import current_app
from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.db.models import Max
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from kombu.exceptions import OperationalError
from psycopg_pool import PoolTimeout

from config import bearer
from integrations import encryption, vault
from integrations import health as provider_health
from integrations.encryption import VaultError
from integrations.models import Tick, VaultKey

log = structlog.get_logger(__name__)
TIMEOUT_S = 1
BEAT_SILENCE = timedelta(minutes=3)
CANARY, CANARY_PLACE = b"canary", ("config.health", "ready", "canary", "nobody")
_migrated = Event()


@login_not_required
@never_cache
@require_safe
def live(request: HttpRequest) -> HttpResponse:
    """The process answers; it asks nobody."""
    return JsonResponse({"status": "ok"})


@login_not_required
@never_cache
@require_safe
def ready(request: HttpRequest) -> HttpResponse:
    """200 when pages can be served and secrets opened. Redis away, or beat silent, is told and still ready.

    Pages work without both, only slower; and to take a web process out of service would bring back neither.
    """
    parts = {"database": _database()}
    is_there = parts["database"] == "ok"
    parts |= {"keys": _keys() if is_there else "unknown", "cache": _cache(), "broker": _broker()}
    parts["beat"] = _beat() if is_there else "unknown"
    is_ready = is_there and parts["keys"] == "ok"
    status = "ok" if set(parts.values()) == {"ok"} else "degraded" if is_ready else "unavailable"
    return JsonResponse({"status": status, **parts}, status=200 if is_ready else 503)


@login_not_required
@never_cache
@require_safe
@bearer.only_with("HEALTH_TOKEN")
def providers(request: HttpRequest) -> HttpResponse:
    """How each provider is. 200 whatever it tells: we are well."""
    try:
        found = [provider_health.as_json(each) for each in provider_health.of_all()]
    except (DatabaseError, PoolTimeout) as exc:
        return JsonResponse({"status": "unavailable", "database": _away("database", exc)}, status=503)
    worst = {each["status"] for each in found}
    status = provider_health.OPERATIONAL if worst <= {provider_health.OPERATIONAL} else provider_health.DEGRADED
    return JsonResponse({"status": status, "as_of": timezone.now().isoformat(timespec="seconds"), "providers": found})


def _database() -> str:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        return "ok" if _is_migrated() else "not migrated"
    except (DatabaseError, PoolTimeout) as exc:
        return _away("database", exc)


def _is_migrated() -> bool:
    """Asked until it is true: a running process does not lose a migration."""
    if not _migrated.is_set():
        executor = MigrationExecutor(connection)
        if not executor.migration_plan(executor.loader.graph.leaf_nodes()):
            _migrated.set()
    return _migrated.is_set()


def _cache() -> str:
    address = settings.REDIS_URL
    try:
        with redis.Redis.from_url(address, socket_timeout=TIMEOUT_S, socket_connect_timeout=TIMEOUT_S) as client:
            client.ping()
    except redis.RedisError as exc:
        return _away("cache", exc)
    return "ok"


def _broker() -> str:
    try:
        with current_app.connection_for_read(settings.CELERY_BROKER_URL) as broker:
            broker.ensure_connection(max_retries=1, timeout=TIMEOUT_S)
    except OperationalError as exc:
        return _away("broker", exc)
    return "ok"


def _keys() -> str:
    """A canary goes in and out of the vault; and the first key is the one that has sealed under its name before."""
    try:
        ring = vault.keyring()
        sealed = encryption.seal(CANARY, keyring=ring, context=CANARY_PLACE)
        is_whole = encryption.open_sealed(sealed, keyring=ring, context=CANARY_PLACE).reveal() == CANARY
    except (vault.VaultUnavailable, VaultError) as exc:
        log.warning("keys_broken", error=type(exc).__name__)
        return "broken"
    known = VaultKey.objects.filter(kid=ring.primary).values_list("check_value", flat=True).first()
    return "ok" if is_whole and known in (None, ring.check_value(ring.primary)) else "broken"


def _beat() -> str:
    """Silent when no periodic work was done for minutes: is beat running, and a worker with its queue?"""
    newest = Tick.objects.aggregate(newest=Max("last_at"))["newest"]
    return "ok" if newest and timezone.now() - newest < BEAT_SILENCE else "silent"


def _away(part: str, exc: Exception) -> str:
    log.warning("away", part=part, error=type(exc).__name__)
    return "away"
