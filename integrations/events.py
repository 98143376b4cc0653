"""The outbox: what happened is written with it, consumers hear of it afterwards, at least once and in batches."""

from collections.abc import Callable
from typing import Any

from django.db import models

from integrations import tracing
from integrations.models import Connection, DomainEvent

type Handler = Callable[[DomainEvent], None]

_handlers: dict[str, list[Handler]] = {}


def publish(kind: str, subject: models.Model, *, connection: Connection | None = None, **payload: Any) -> DomainEvent:
    """Write an event in the caller's transaction. `payload` is JSON-able: ids and words, no secrets."""
    return DomainEvent.objects.create(
        type=kind,
        source=subject._meta.app_label,
        subject_type=subject._meta.label_lower,
        subject_id=str(subject.pk),
        connection=connection,
        payload=payload,
        trace_id=tracing.current_trace_id(),
    )


def subscribe(kind: str, handler: Handler) -> None:
    """Called from `AppConfig.ready()`. A handler is idempotent; it runs in the transaction that ends the event."""
    _handlers.setdefault(kind, []).append(handler)


def handlers(kind: str) -> list[Handler]:
    return _handlers.get(kind, [])
