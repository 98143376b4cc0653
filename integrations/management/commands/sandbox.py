"""`manage.py sandbox`: all providers' stand-ins on one loopback port."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from integrations.sandbox.server import RunningSandbox


class Command(BaseCommand):
    help = "Serve the providers' sandboxes on a loopback port until interrupted."
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--port", type=int, default=settings.SANDBOX_PORT)
        parser.add_argument("--file", type=Path, help="Where accounts, workouts and ids live between starts.")

    def handle(self, *_: Any, **options: Any) -> None:
        if not settings.SANDBOX_ENABLED:
            raise CommandError("The sandbox is switched off (SANDBOX_ENABLED).")
        running = RunningSandbox(options["file"], options["port"])
        self.stdout.write(f"Sandbox at {running.url}/")
        try:
            running.server.serve_forever()
        except KeyboardInterrupt:
            self.stdout.write("Sandbox stopped.")
        finally:
            running.server.server_close()
