import secrets
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.utils import timezone

from integrations import encryption


class Command(BaseCommand):
    help = "Print a new key for CREDENTIAL_KEYS: put it last, and in front once every process has read it."
    requires_system_checks = []  # the checks ask for the very key that is made here

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("action", choices=["new"])

    def handle(self, *_: Any, **__: Any) -> None:
        kid = f"k{timezone.now():%y%m%d}-{secrets.token_hex(3)}"
        self.stdout.write(encryption.new_key(kid))
