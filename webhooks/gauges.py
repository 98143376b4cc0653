"""How the in-box stands, read when somebody scrapes."""

from collections.abc import Iterator

from django.db.models import Count, Min
from prometheus_client.core import GaugeMetricFamily

from integrations.gauges import STATE, age_s, gauge
from webhooks.models import WebhookEvent

TOLD = (*WebhookEvent.OPEN, WebhookEvent.Status.DEAD)


def inbox() -> Iterator[GaugeMetricFamily]:
    """What is over is history and not counted."""
    rows = WebhookEvent.objects.filter(status__in=TOLD).order_by().values_list("status").annotate(n=Count("pk"))
    counted = dict(rows)
    found = gauge("webhook_events", "Stored webhooks that are not over, and those given up", "state")
    for status in TOLD:
        found.add_metric([status], counted.get(status, 0))
    yield found
    oldest = gauge("webhook_oldest_due_seconds", "For how long the oldest due webhook has waited for a worker")
    due = WebhookEvent.objects.due().order_by().aggregate(oldest=Min("next_attempt_at"))["oldest"]
    oldest.add_metric([], age_s(due))
    yield oldest


STATE.add("webhooks", inbox)
