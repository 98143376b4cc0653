"""What a delivery did at the provider, one row a step, for those who ask what happened."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from django.utils import timezone

from coaching.models import Delivery, DeliveryAttempt
from integrations import errors


@dataclass
class Noted:
    """The running step; `outcome` may be said better than by success alone."""

    outcome: str = "success"


@contextmanager
def attempting(delivery: Delivery, step: str) -> Iterator[Noted]:
    """Note the step and how it ended. Writing the note never spoils the step."""
    noted, started_at, started = Noted(), timezone.now(), time.monotonic()
    error: errors.IntegrationError | None = None
    try:
        yield noted
    except errors.IntegrationError as exc:
        error, noted.outcome = exc, "failed"
        raise
    finally:
        attempt = DeliveryAttempt(
            delivery=delivery,
            number=delivery.attempts_made.count() + 1,
            step=step,
            started_at=started_at,
            seconds=time.monotonic() - started,
            outcome=noted.outcome,
            http_status=error.status if error else None,
            error_code=error.code[:40] if error else "",
        )
        DeliveryAttempt.objects.bulk_create([attempt], ignore_conflicts=True)
