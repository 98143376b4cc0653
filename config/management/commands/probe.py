import socket
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import requests
from celery import current_app
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone
from django_celery_beat.models import PeriodicTask
from kombu.exceptions import OperationalError

TIMEOUT_S = 5
BEAT_SILENCE = timedelta(minutes=10)  # beat writes down what it did every three minutes


class Command(BaseCommand):
    help = "Ask the process in this container whether it is well; the exit code answers. For health checks."
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("part", choices=["web", "worker", "beat"])
        parser.add_argument("--port", type=int, default=8000, help="of the web server")

    def handle(self, *_: Any, part: str, port: int, **__: Any) -> None:
        probes = {"web": lambda: _web(port), "worker": _worker, "beat": _beat}
        if complaint := probes[part]():
            raise CommandError(complaint)
        self.stdout.write("ok")


def _web(port: int) -> str:
    """Through the front door, under the site's own name: others are refused."""
    host = urlsplit(settings.SITE_URL).hostname or ""
    try:
        answer = requests.get(f"http://127.0.0.1:{port}/health/ready", headers={"Host": host}, timeout=TIMEOUT_S)
    except requests.RequestException:
        return "the web server does not answer"
    return "" if answer.ok else answer.text[:200]


def _worker() -> str:
    name = f"celery@{socket.gethostname()}"
    try:
        with current_app.connection_for_write(settings.CELERY_BROKER_URL) as broker:
            broker.ensure_connection(max_retries=1, timeout=TIMEOUT_S)
            answers = current_app.control.ping(destination=[name], timeout=TIMEOUT_S, connection=broker)
    except OperationalError:
        return "the broker is away"
    return "" if answers else f"{name} does not answer"


def _beat() -> str:
    latest = PeriodicTask.objects.filter(enabled=True).order_by("-last_run_at").exclude(last_run_at=None).first()
    if latest is None or not latest.last_run_at or latest.last_run_at < timezone.now() - BEAT_SILENCE:
        return "beat has started nothing for ten minutes"
    return ""
