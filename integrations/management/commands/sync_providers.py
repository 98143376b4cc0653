from typing import Any

from django.core.management.base import BaseCommand

from integrations.services import provisioning


class Command(BaseCommand):
    help = "Make the missing provider rows, switched off. Safe to run twice; migrate runs it, too."

    def handle(self, *_: Any, **__: Any) -> None:
        made = provisioning.sync_providers()
        self.stdout.write(f"Made: {', '.join(made)}." if made else "Nothing to do: every provider has its row.")
