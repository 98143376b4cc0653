from typing import Any

from django.core.management.base import BaseCommand

from config import schedules


class Command(BaseCommand):
    help = "Create the periodic tasks that are missing; those that exist keep what operations set."

    def handle(self, *_: Any, **__: Any) -> None:
        for name in schedules.create_missing():
            self.stdout.write(f"created: {name}")
