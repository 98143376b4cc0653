"""`manage.py vault_rotate`: everything that is sealed under the ring's first key. Prints counts only."""

import sys
import time
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from integrations import sealed, vault
from integrations.models import VaultRotation
from integrations.services import rotating

LINE_EVERY_S = 1.0


class Command(BaseCommand):
    help = "Seal everything anew with the first key of the ring. Stop it and start it again: it goes on where it was."

    def add_arguments(self, parser: ArgumentParser) -> None:
        what = parser.add_mutually_exclusive_group(required=True)
        what.add_argument("--to", metavar="KEY", help="The id of the ring's first key.")
        what.add_argument("--check", action="store_true", help="Only look; exit 1 while another key is still needed.")
        parser.add_argument("--batch", type=int, default=rotating.BATCH, metavar="ROWS")
        parser.add_argument("--pause", type=float, default=0.0, metavar="SECONDS", help="Rest after each batch.")

    def handle(self, *_: Any, **options: Any) -> None:
        if options["check"]:
            self._check()
            return
        if options["batch"] < 1 or options["pause"] < 0:
            raise CommandError("A batch has one row at least, and a pause is not negative.")
        try:
            rotation = rotating.start(options["to"], by=None, rings=False)
        except rotating.RotationRefused as exc:
            raise CommandError(str(exc)) from None
        self._follow(rotation, size=options["batch"], pause_s=options["pause"])
        self._conclude(rotation)

    def _follow(self, rotation: VaultRotation, *, size: int, pause_s: float) -> None:
        """Work on it, or watch whoever does; a silent one is replaced when its lease ends."""
        self._told_at = 0.0
        while rotation.is_active:
            rotating.run(rotation.pk, size=size, pause_s=pause_s, told=self._tell)
            rotating.put_back_lapsed()
            rotation.refresh_from_db()
            if rotation.is_active:
                self._tell(rotation)
                time.sleep(LINE_EVERY_S)
                rotation.refresh_from_db()

    def _tell(self, rotation: VaultRotation) -> None:
        now = time.monotonic()
        if now - self._told_at < LINE_EVERY_S:
            return
        self._told_at = now
        words = f"{rotation.done_n:,} of {rotation.total_n:,} sealed anew, {rotation.failed_n:,} did not open"
        self.stdout.write(f"{words}. {rotation.error_detail}".rstrip())

    def _conclude(self, rotation: VaultRotation) -> None:
        if rotation.status == VaultRotation.Status.STOPPED:
            raise CommandError(f"Stopped after {rotation.done_n:,}. {rotation.error_detail}".rstrip())
        self.stdout.write(f"Done: {rotation.done_n:,} sealed anew with {rotation.target}.")
        if rotation.failed_n:
            raise CommandError(f"{rotation.failed_n:,} did not open and are as they were ({rotation.error_detail}).")

    def _check(self) -> None:
        """How many rows each key holds; only rows of the first one are good."""
        primary, others = vault.keyring().primary, 0
        for column in sealed.columns():
            for kid, number in sorted(column.count_by_key().items()):
                self.stdout.write(f"{kid:16} {number:9,} {column.words}")
                others += number if kid != primary else 0
        if others:
            self.stderr.write(f"{others:,} rows need another key than {primary}.")
            sys.exit(1)
        self.stdout.write(f"Nothing needs another key than {primary}.")
