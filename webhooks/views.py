"""The door for providers. One view; it answers with fixed words and tells nobody why a signature is wrong."""

import json
from collections.abc import Mapping

import structlog
from django.contrib.auth.decorators import login_not_required
from django.db import DatabaseError, InterfaceError
from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt
from psycopg_pool import PoolTimeout

from accounts.addresses import client_address
from integrations import errors, registry, vault
from integrations.signatures import InvalidSignature
from webhooks import endpoints, metrics, outage
from webhooks.endpoints import Endpoint
from webhooks.reading import Unreadable, body_of, headers_of
from webhooks.services import receiving

log = structlog.get_logger(__name__)

RETRY_AFTER_S = "30"
DATABASE_AWAY = (DatabaseError, InterfaceError, PoolTimeout)
UNAUTHORIZED = b'{"error":"unauthorized"}'


@csrf_exempt
@login_not_required
def receive(request: HttpRequest, slug: str, token: str) -> HttpResponse:
    """Stored and committed before it is answered 200."""
    if request.method not in ("POST", "GET"):
        return _refusal(405, "method_not_allowed", Allow="POST")
    try:
        with outage.watched():
            # A handshake comes at once after its secret was made, and seldom: it does not go by what is remembered.
            endpoint = endpoints.find(slug, token, anew=request.method == "GET")
            if endpoint is None:
                return _refusal(404, "not_found")
            return _take(request, endpoint) if request.method == "POST" else _shake_hands(request, endpoint)
    except (*DATABASE_AWAY, outage.Away) as exc:
        log.error("webhook_without_database", provider=slug, error=type(exc).__name__)
    except vault.VaultUnavailable:
        log.error("webhook_without_vault", provider=slug)
    except receiving.NoSecret:
        pass  # it has been told, with the endpoint
    metrics.RECEIVED.labels(slug if slug in registry.specs() else "none", "unavailable").inc()
    return _refusal(503, "unavailable", **{"Retry-After": RETRY_AFTER_S})


def _take(request: HttpRequest, endpoint: Endpoint) -> HttpResponse:
    try:
        body = body_of(request, endpoint.most_bytes)
        receipt = receiving.receive(endpoint, headers_of(request), body, remote_ip=client_address(request))
    except Unreadable as exc:
        metrics.RECEIVED.labels(endpoint.slug, "oversize" if exc.status == 413 else "malformed").inc()
        return _refusal(exc.status, exc.code)
    except receiving.Unauthorized:
        return _answer(401, UNAUTHORIZED)
    except receiving.Malformed as exc:
        metrics.RECEIVED.labels(endpoint.slug, "malformed").inc()
        return _refusal(400, exc.code)
    return _answer(200, b'{"status":"%b","id":"%b"}' % (receipt.status.encode(), str(receipt.public_id).encode()))


def _shake_hands(request: HttpRequest, endpoint: Endpoint) -> HttpResponse:
    """A GET by which some providers check an address before they use it."""
    query = {name: request.GET.getlist(name) for name in request.GET}
    try:
        said = endpoint.part.handshake(query, list(endpoint.secrets.values()))
    except InvalidSignature as exc:
        metrics.REJECTED.labels(endpoint.slug, exc.reason).inc()
        return _refusal(403, "forbidden")
    except errors.DataError:
        return _refusal(400, "bad_request")
    if said is None:
        return _refusal(405, "method_not_allowed", Allow="POST")
    return _answer(200, json.dumps(dict(said)).encode())


def _refusal(status: int, code: str, **headers: str) -> HttpResponse:
    return _answer(status, json.dumps({"error": code}, separators=(",", ":")).encode(), headers)


def _answer(status: int, body: bytes, headers: Mapping[str, str] | None = None) -> HttpResponse:
    said = {"X-Content-Type-Options": "nosniff", "Cache-Control": "no-store", "Content-Length": str(len(body))}
    return HttpResponse(body, status=status, content_type="application/json", headers={**said, **(headers or {})})
