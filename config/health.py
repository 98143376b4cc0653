"""Health pages for load balancers and container health checks. They say which part, never why."""

from threading import Event

import redis
import structlog
from celery import current_app
from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from kombu.exceptions import OperationalError
from psycopg_pool import PoolTimeout

log = structlog.get_logger(__name__)
TIMEOUT_S = 1
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
    """200 when pages can be served. Redis away is told and still ready: pages work without it, only slower."""
    parts = {"database": _database(), "cache": _cache(), "broker": _broker()}
    is_ready = parts["database"] == "ok"
    status = "ok" if all(state == "ok" for state in parts.values()) else "degraded" if is_ready else "unavailable"
    return JsonResponse({"status": status, **parts}, status=200 if is_ready else 503)


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


def _away(part: str, exc: Exception) -> str:
    log.warning("away", part=part, error=type(exc).__name__)
    return "away"
