"""How deliveries stand, read when somebody scrapes."""

from collections.abc import Iterator

from django.db.models import Count, Min, Q
from django.db.models.functions import Now
from prometheus_client.core import GaugeMetricFamily

from coaching.models import Delivery, DeliveryStatus
from integrations.gauges import STATE, age_s, gauge

WAITING = (DeliveryStatus.BLOCKED, DeliveryStatus.PENDING, DeliveryStatus.SENDING)


def deliveries() -> Iterator[GaugeMetricFamily]:
    due = Q(status__in=Delivery.DUE, next_attempt_at__lte=Now(), lease_token=None)
    rows = Delivery.objects.open().order_by().values_list("status")
    counted = rows.annotate(n=Count("pk"), oldest=Min("next_attempt_at", filter=due))
    found = {status: (number, oldest) for status, number, oldest in counted}
    waiting = gauge("deliveries_waiting", "Deliveries that are not over, those in doubt apart", "status")
    for status in WAITING:
        waiting.add_metric([status], found.get(status, (0, None))[0])
    yield waiting
    uncertain = gauge("delivery_uncertain", "Deliveries of which nobody knows whether they arrived")
    uncertain.add_metric([], found.get(DeliveryStatus.UNCERTAIN, (0, None))[0])
    yield uncertain
    oldest = gauge("delivery_oldest_due_seconds", "For how long the oldest due delivery has waited for a worker")
    oldest.add_metric([], max((age_s(moment) for _, moment in found.values()), default=0.0))
    yield oldest


STATE.add("deliveries", deliveries)
