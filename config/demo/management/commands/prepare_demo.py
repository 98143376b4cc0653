from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand

from config.demo import seeding


class Command(BaseCommand):
    help = "Bring the demo's database up to date and put its people in. `manage.py demo` runs it; safe to run twice."

    def handle(self, *_: Any, **__: Any) -> None:
        call_command("migrate", interactive=False, verbosity=0)
        call_command("sync_providers", verbosity=0)
        call_command("sync_schedules", verbosity=0)
        sandbox_url = f"http://127.0.0.1:{settings.SANDBOX_PORT}"
        seeding.seed(sandbox_url)
        seeding.take_webhooks(sandbox_url)
