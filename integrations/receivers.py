"""What follows a migration."""

from typing import Any

from django.apps import AppConfig
from django.db import connections
from django.db.models.signals import post_migrate
from django.dispatch import receiver

from integrations.models import Provider
from integrations.services import provisioning


@receiver(post_migrate, dispatch_uid="integrations.provider_rows")
def add_provider_rows(sender: AppConfig, using: str, **_: Any) -> None:
    """Nothing happens while the table is not there: a migration may also go backwards."""
    if sender.name != "integrations" or using != "default":
        return
    if Provider._meta.db_table in connections[using].introspection.table_names():
        provisioning.sync_providers()
