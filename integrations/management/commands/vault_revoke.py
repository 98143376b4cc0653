"""`manage.py vault_revoke`: after a compromise nobody goes on with a login that others may have."""

from argparse import ArgumentParser
from collections import Counter
from datetime import UTC, datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils.dateparse import parse_date, parse_datetime

from integrations.models import Provider
from integrations.services import revoking


class Command(BaseCommand):
    help = "End logins at a provider, erase them here, and ask their owners to log in again. There is no way back."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--provider", required=True, metavar="SLUG")
        parser.add_argument(
            "--since", metavar="TIME", help="Only logins that came or were renewed since then (UTC); without it all."
        )
        parser.add_argument("--reason", default="compromise", help="For the audit log. No secrets.")
        parser.add_argument("--yes", action="store_true", help="Do not ask.")

    def handle(self, *_: Any, **options: Any) -> None:
        provider = Provider.objects.filter(slug=options["provider"]).first()
        if provider is None:
            raise CommandError(f"There is no provider {options['provider']}.")
        since = _moment(options["since"]) if options["since"] else None
        number = revoking.affected(provider, since).count()
        if not number:
            self.stdout.write("No login is affected.")
            return
        if not options["yes"]:
            self._ask(provider, number)
        ended = Counter(revoking.revoke(provider, since, reason=options["reason"]))
        told = ", ".join(f"{count:,} {outcome}" for outcome, count in sorted(ended.items()))
        self.stdout.write(f"Erased {ended.total():,} logins ({told}). Their owners are asked to log in again.")

    def _ask(self, provider: Provider, number: int) -> None:
        self.stdout.write(f"{number:,} people have to log in to {provider} again. Type the provider's slug to go on:")
        if input().strip() != provider.slug:
            raise CommandError("Nothing was changed.")


def _moment(text: str) -> datetime:
    """Read "2026-11-21" or "2026-11-21T08:30", in UTC unless it says otherwise."""
    try:
        moment, day = parse_datetime(text), parse_date(text)
    except ValueError:
        moment, day = None, None
    if moment is None and day is not None:
        moment = datetime(day.year, day.month, day.day, tzinfo=UTC)
    if moment is None:
        raise CommandError("Write the time as 2026-11-21 or 2026-11-21T08:30.")
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
