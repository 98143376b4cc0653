"""`manage.py sandbox`: all providers' stand-ins on one loopback port."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from integrations.sandbox import ForeignFile, RunningSandbox

INBOX = f"{settings.SITE_URL.rstrip('/')}/{settings.ADMIN_PATH}webhooks/webhookevent/?q="


class Command(BaseCommand):
    help = "Serve the providers' sandboxes on a loopback port until interrupted."
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--port", type=int, default=settings.SANDBOX_PORT)
        parser.add_argument("--file", type=Path, help="Where accounts, workouts and ids live between starts.")

    def handle(self, *_: Any, **options: Any) -> None:
        if not settings.SANDBOX_ENABLED:
            raise CommandError("The sandbox is switched off (SANDBOX_ENABLED).")
        try:
            running = RunningSandbox(options["file"], options["port"], INBOX)
        except ForeignFile as exc:
            raise CommandError(str(exc)) from exc
        except OSError as exc:
            raise CommandError(f"The sandbox cannot start on port {options['port']}: {exc.strerror}") from exc
        self.stdout.write(f"Sandbox at {running.url}/")
        try:
            running.server.serve_forever()
        except KeyboardInterrupt:
            self.stdout.write("Sandbox stopped.")
        finally:
            running.server.server_close()
