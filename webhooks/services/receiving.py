"""From the bytes of a request to a row: verify, read, dedupe, one INSERT. Nothing here touches the network."""

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import NoReturn
from uuid import UUID

import structlog

from integrations import bell, errors, signatures, tracing
from integrations.records import EventKind, ProviderEvent
from integrations.signatures import InvalidSignature
from webhooks import metrics, strict_json, tasks
from webhooks.endpoints import Endpoint
from webhooks.managers import Arrival
from webhooks.models import WebhookEvent
from webhooks.services.keys import object_key

log = structlog.get_logger(__name__)

MOST_EVENTS = 1_000
LONGEST_KEY = 128
LONGEST_TYPE = 80
LONGEST_HEADER = 255
KEPT_HEADERS = (  # what helps to understand a request later; never a signature or a token
    "content-type",
    "user-agent",
    "webhook-id",
    "webhook-timestamp",
    "svix-id",
    "svix-timestamp",
    "x-github-event",
    "x-github-delivery",
)


class Unauthorized(Exception):
    """Not proven to come from the provider. All reasons are answered alike."""


class Malformed(Exception):
    """Proven, and yet not to be read: `code` is told to the sender. Nothing is stored."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class NoSecret(Exception):
    """Nobody has set a secret, so nothing can be proven."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """What the sender is told. `status` is "accepted", "duplicate" or "ignored"."""

    status: str
    public_id: UUID


def receive(endpoint: Endpoint, headers: Mapping[str, str], body: bytes, *, remote_ip: str) -> Receipt:
    """Store one request; it is committed when this returns. Safe to run twice: the second one is a duplicate.

    Raises NoSecret, Unauthorized, Malformed, or the database's errors.
    """
    secret_id = _verify(endpoint, headers, body, remote_ip)
    payload, is_repeating = _read(body)
    _check_owner(endpoint, headers, payload, body, remote_ip)
    events = _parse(endpoint, payload)
    stored = WebhookEvent.objects.store(
        Arrival(
            endpoint_id=endpoint.pk,
            secret_id=secret_id,
            dedupe_key=_dedupe_key(endpoint, headers, payload, body),
            event_type=_type_of(events),
            ordering_key=_object_of(events) if endpoint.is_strict else "",
            occurred_at=max((event.happened_at for event in events if event.happened_at), default=None),
            headers=json.dumps(kept_headers(headers)),
            body=body,
            has_duplicate_keys=is_repeating,
            remote_ip=remote_ip or None,
            trace_id=tracing.current_trace_id(),
            reason="unknown_type" if _is_unused(events) else "",
        )
    )
    status = "duplicate" if not stored.is_new else "ignored" if _is_unused(events) else "accepted"
    metrics.RECEIVED.labels(endpoint.slug, status if stored.is_same_body else "conflict").inc()
    if status == "accepted":
        bell.wake(tasks.process_events)
    return Receipt(status, stored.public_id)


def kept_headers(headers: Mapping[str, str]) -> dict[str, str]:
    return {name: headers[name][:LONGEST_HEADER] for name in KEPT_HEADERS if name in headers}


def _verify(endpoint: Endpoint, headers: Mapping[str, str], body: bytes, remote_ip: str) -> int | None:
    """The id of the secret that signed; None where the scheme has none."""
    try:
        if endpoint.must_be_signed:
            ours = {0: endpoint.client_secret} if endpoint.client_secret else {}
            _signer(endpoint, endpoint.client_scheme, ours, headers, body)
        if endpoint.is_unsigned:
            return None
        return _signer(endpoint, endpoint.part.SCHEME, endpoint.secrets, headers, body)
    except InvalidSignature as exc:
        reject(endpoint, exc.reason, body, remote_ip)


def _signer(
    endpoint: Endpoint, scheme: str, secrets: Mapping[int, str], headers: Mapping[str, str], body: bytes
) -> int:
    """Whose secret it was. Every live one is tried to the end. Raises NoSecret, InvalidSignature."""
    if not secrets:
        log.error("webhook_without_secret", provider=endpoint.slug, endpoint=endpoint.pk)
        raise NoSecret
    now, signers, reason = int(time.time()), [], ""
    for secret_id, secret in secrets.items():
        try:
            signatures.verify(
                scheme, secrets=[secret], headers=headers, body=body, now=now, tolerance_s=endpoint.tolerance_s,
                options=endpoint.part.OPTIONS,
            )  # fmt: skip
            signers.append(secret_id)
        except InvalidSignature as exc:
            reason = exc.reason
    if not signers:
        raise InvalidSignature(reason)
    return signers[0]


def reject(endpoint: Endpoint, reason: str, body: bytes, remote_ip: str) -> NoReturn:
    """Nothing of the body is kept but its hash and length. Raises Unauthorized."""
    metrics.REJECTED.labels(endpoint.slug, reason).inc()
    metrics.RECEIVED.labels(endpoint.slug, "rejected").inc()
    digest = sha256(body).hexdigest()
    log.warning(
        "webhook_rejected", provider=endpoint.slug, reason=reason, sha256=digest, length=len(body), remote=remote_ip
    )
    raise Unauthorized


def _read(body: bytes) -> tuple[object, bool]:
    try:
        payload, is_repeating = strict_json.loads(body)
    except strict_json.InvalidJSON:
        raise Malformed("invalid_json") from None
    if not isinstance(payload, dict | list):
        raise Malformed("bad_schema")
    return payload, is_repeating


def _check_owner(endpoint: Endpoint, headers: Mapping[str, str], payload: object, body: bytes, remote_ip: str) -> None:
    try:
        is_ours = endpoint.part.accepts(headers, payload, endpoint.client_id, endpoint.registration)
    except errors.DataError:
        raise Malformed("bad_schema") from None
    if not is_ours:
        reject(endpoint, "not_ours", body, remote_ip)


def _parse(endpoint: Endpoint, payload: object) -> list[ProviderEvent]:
    """Empty for a shape we do not know: it is genuine, so it is kept, and the worker says what is wrong with it."""
    try:
        events = endpoint.part.parse(payload)
    except errors.DataError:
        return []
    if len(events) > MOST_EVENTS:
        raise Malformed("too_many_events")
    return events


def _dedupe_key(endpoint: Endpoint, headers: Mapping[str, str], payload: object, body: bytes) -> str:
    key = endpoint.part.identify(headers, payload)
    if 0 < len(key) <= LONGEST_KEY:
        return key
    return sha256(key.encode() or body).hexdigest()


def _type_of(events: list[ProviderEvent]) -> str:
    """The provider's word, where all events of the body share it."""
    names = {event.name or str(event.kind) for event in events}
    return names.pop()[:LONGEST_TYPE] if len(names) == 1 else "several" if names else ""


def _object_of(events: list[ProviderEvent]) -> str:
    """What must be done in order; a body about several objects stands in no line."""
    keys = {object_key(event) for event in events}
    return keys.pop() if len(keys) == 1 else ""


def _is_unused(events: list[ProviderEvent]) -> bool:
    return bool(events) and all(event.kind == EventKind.UNKNOWN for event in events)
