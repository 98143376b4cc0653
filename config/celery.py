"""The Celery app: `celery -A config`. The trace id travels in the task's headers."""

import os
from typing import Any

from celery import Celery, signals
from structlog.contextvars import bind_contextvars, clear_contextvars

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from config.startup import require_safety
from integrations import tracing

app = Celery("config")
app.set_default()  # for every thread of the process: a web server's threads would else ring another broker's bell
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks(lambda: settings.INSTALLED_APPS)

HEADER = "trace_id"


@signals.setup_logging.connect  # the first thing that worker and beat do
def _stop_when_unsafe(**_: Any) -> None:
    try:
        require_safety()
    except ImproperlyConfigured as exc:
        raise SystemExit(str(exc)) from None  # a signal swallows every other exception


@signals.setup_logging.connect
def _keep_our_logging(**_: Any) -> None:
    """Connected so that Celery leaves logging alone: settings have set it up."""


@signals.before_task_publish.connect
def _send_trace(headers: dict[str, Any] | None = None, **_: Any) -> None:
    if headers is not None:
        headers.setdefault(HEADER, tracing.current_trace_id() or tracing.new_trace_id())


@signals.task_prerun.connect
def _take_trace(task: Any = None, **_: Any) -> None:
    clear_contextvars()
    bind_contextvars(trace_id=getattr(task.request, HEADER, None) or tracing.new_trace_id(), task=task.name)


@signals.task_postrun.connect
def _drop_trace(**_: Any) -> None:
    clear_contextvars()
