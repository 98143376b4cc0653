import os
import sys
import webbrowser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from config.demo import people, story
from config.embedded.servers import ServerError
from config.embedded.supervisor import Demo, DemoError

HIGHEST_PORT = 65534


class Command(BaseCommand):
    help = "Run the whole product on this machine, with people and a sandbox in the place of Garmin. Ctrl-C stops it."
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--port", type=int, default=8010, help="of the pages; the sandbox takes the next one")
        parser.add_argument("--reset", action="store_true", help="forget what is there: data, keys, mails, sandbox")
        parser.add_argument("--no-browser", action="store_true", help="do not open the page")
        parser.add_argument("--check", action="store_true", help="try the running demo on --port, step by step")

    def handle(self, *_: Any, port: int, reset: bool, no_browser: bool, check: bool, **__: Any) -> None:
        if not 1 <= port <= HIGHEST_PORT:
            raise CommandError(f"--port must be between 1 and {HIGHEST_PORT}.")
        if check:
            sys.exit(0 if story.tell(f"http://127.0.0.1:{port}", say=self._say) else 1)
        sandbox_port = int(os.environ.get("SANDBOX_PORT", port + 1))
        demo = Demo(settings.BASE_DIR, settings.RUN_DIR, port, sandbox_port, say=self._say)
        try:
            demo.run(reset=reset, when_ready=lambda: self._announce(demo, browse=not no_browser))
        except (DemoError, ServerError) as exc:
            raise CommandError(str(exc)) from None
        self._say("Stopped.")

    def _announce(self, demo: Demo, *, browse: bool) -> None:
        logins = "\n".join(f"    {person.email:<22}{person.part}" for person in people.PEOPLE)
        self._say(
            f"\n  Open     {demo.url}/demo/   one-click logins\n"
            f"  Mails    {demo.url}/demo/mail/\n"
            f"  Sandbox  http://127.0.0.1:{demo.sandbox_port}/   codes, calendars, faults\n\n"
            f"  Logins, all with the password {people.PASSWORD}:\n{logins}\n"
            f"  Garmin accounts: {people.COACH.sandbox_email}, athlete1@ .. athlete6@sandbox.example, "
            f"password {people.SANDBOX_PASSWORD}\n\nCtrl-C stops everything."
        )
        if browse and (sys.platform == "darwin" or os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
            webbrowser.open(f"{demo.url}/demo/")

    def _say(self, words: str) -> None:
        self.stdout.write(words)
        self.stdout.flush()
