"""What follows a migration, and what a person's choice sets off."""

from typing import Any

from django.apps import AppConfig
from django.db import connections
from django.db.models.signals import post_migrate
from django.dispatch import receiver

from accounts.models import User
from accounts.signals import coaching_started
from integrations import events
from integrations.models import DomainEvent, FeatureFlag, Provider
from integrations.services import provisioning, scheduling


@receiver(post_migrate, dispatch_uid="integrations.provider_rows")
def add_provider_rows(sender: AppConfig, using: str, **_: Any) -> None:
    """Nothing happens while a table is not there: a migration may also go backwards."""
    if sender.name != "integrations" or using != "default":
        return
    needed = {Provider._meta.db_table, FeatureFlag._meta.db_table}
    if needed <= set(connections[using].introspection.table_names()):
        provisioning.sync_providers()


@receiver(coaching_started, dispatch_uid="integrations.coach_streams")
def add_coach_streams(user: User, **_: Any) -> None:
    scheduling.start_coaching(user)


def ask_again(_: DomainEvent) -> None:
    """A flag was turned: who waits to be let in is looked at again."""
    scheduling.ask_again()


events.subscribe("flag.changed", ask_again)
