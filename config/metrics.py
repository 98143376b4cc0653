"""What Prometheus reads: the counts of all processes, and the state of the moment."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from django_prometheus.middleware import PrometheusAfterMiddleware
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, generate_latest
from prometheus_client.metrics_core import Metric

from config import bearer, multiprocess
from integrations.gauges import STATE

METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}


@login_not_required
@never_cache
@require_safe
@bearer.only_with("METRICS_TOKEN")
def metrics(request: HttpRequest) -> HttpResponse:
    return HttpResponse(exposition(), content_type=CONTENT_TYPE_LATEST)


def exposition() -> bytes:
    """Everything in Prometheus' text format."""
    registry = CollectorRegistry()
    registry.register(STATE)  # first: what it cannot read is counted below
    registry.register(_Files(Path(folder)) if (folder := settings.PROMETHEUS_MULTIPROC_DIR) else REGISTRY)
    return generate_latest(registry)


class _Files:
    """The counts of all processes that share a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def collect(self) -> Iterable[Metric]:
        return multiprocess.collect(self._folder)


class RequestMetrics(PrometheusAfterMiddleware):  # type: ignore[misc]
    """Requests by the name of their view. A method that a stranger made up is no label."""

    def label_metric(
        self, metric: Any, request: HttpRequest, response: HttpResponse | None = None, **labels: str
    ) -> Any:
        if labels.get("method", "GET") not in METHODS:
            labels["method"] = "other"
        return super().label_metric(metric, request, response, **labels)

    def process_exception(self, request: HttpRequest, exception: Exception) -> None:
        """Counts it; the time is taken with the answer that follows, where the library would take it twice."""
        self.label_metric(self.metrics.exceptions_by_type, request, type=type(exception).__name__).inc()
        view = self._get_view_name(request)
        self.label_metric(self.metrics.exceptions_by_view, request, view=view).inc()
