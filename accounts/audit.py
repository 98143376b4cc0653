"""The audit log's only writer."""

from typing import Any

from django.db import models
from structlog.contextvars import get_contextvars

from accounts.models import AuditEntry, User


def record(
    action: str,
    subject: models.Model,
    *,
    actor: User | None = None,
    outcome: str = AuditEntry.Outcome.SUCCESS,
    level: str = AuditEntry.Level.NORMAL,
    **data: Any,
) -> AuditEntry:
    """Write one entry in the caller's transaction: what does not commit was not done.

    `action` is dotted ("connection.activated"); `data` is JSON-able, small and without secrets. Trace id and address
    come from the running request or task.
    """
    object_id = str(getattr(subject, "public_id", None) or subject.pk)
    return record_about(action, subject._meta.label_lower, object_id, actor=actor, outcome=outcome, level=level, **data)


def record_about(
    action: str,
    object_type: str,
    object_id: str,
    *,
    actor: User | None = None,
    outcome: str = AuditEntry.Outcome.SUCCESS,
    level: str = AuditEntry.Level.NORMAL,
    **data: Any,
) -> AuditEntry:
    """As `record`, for a row that is known by name only."""
    context = get_contextvars()
    return AuditEntry.objects.create(
        actor=actor,
        action=action,
        object_type=object_type,
        object_id=object_id,
        outcome=outcome,
        level=level,
        trace_id=str(context.get("trace_id", "")),
        ip=context.get("ip") or None,
        data=data,
    )
