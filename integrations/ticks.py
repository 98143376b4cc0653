"""Heartbeats of periodic work: readiness and the admin see from them when each tick last did its round."""

import time
from collections.abc import Callable

from django.db.models.functions import Now

from integrations import metrics
from integrations.models import Tick


def record(name: str, work: Callable[[], int]) -> int:
    """Do one round of `work`; note when, how long, and how many it says it moved. A round that raises notes nothing."""
    started = time.monotonic()
    count = work()
    took_s = time.monotonic() - started
    tick = Tick(name=name, last_at=Now(), last_seconds=took_s, last_count=count)
    fields = ["last_at", "last_seconds", "last_count"]
    Tick.objects.bulk_create([tick], update_conflicts=True, unique_fields=["name"], update_fields=fields)
    metrics.TICK_SECONDS.labels(name).observe(took_s)
    return count
