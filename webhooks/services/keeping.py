"""What becomes of old rows: the body goes first, the row later, and a secret when its last day is over."""

from collections.abc import Callable

from django.db import transaction

from webhooks.models import AppliedObject, WebhookEvent
from webhooks.services import securing

BATCH = 5_000
MOST_BATCHES = 20  # a round


def tidy() -> int:
    """Returns how many rows changed or went; the next round does the rest. Safe to run twice."""
    return securing.end_lapsed() + _in_batches(_delete) + _in_batches(_blank) + _in_batches(_forget)


def _in_batches(step: Callable[[], int]) -> int:
    changed = 0
    for _ in range(MOST_BATCHES):
        changed += (batch := step())
        if batch < BATCH:
            break
    return changed


@transaction.atomic
def _blank() -> int:
    """Locked first: an event that is being replayed keeps its body."""
    rows = WebhookEvent.objects.bodies_to_blank().order_by("received_at").select_for_update(skip_locked=True)
    ids = list(rows.values_list("pk", flat=True)[:BATCH])
    return WebhookEvent.objects.filter(pk__in=ids).update(body=None, headers={}, remote_ip=None)


@transaction.atomic
def _delete() -> int:
    rows = WebhookEvent.objects.rows_to_delete().order_by("received_at").select_for_update(skip_locked=True)
    ids = list(rows.values_list("pk", flat=True)[:BATCH])
    WebhookEvent.objects.filter(pk__in=ids).delete()
    return len(ids)


@transaction.atomic
def _forget() -> int:
    """Tombstones outlive every event they could be needed for."""
    ids = list(AppliedObject.objects.outlived().order_by("updated_at").values_list("pk", flat=True)[:BATCH])
    return AppliedObject.objects.outlived().filter(pk__in=ids).delete()[0]
