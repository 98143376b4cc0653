"""What follows a migration in the whole."""

from typing import Any

from django.apps import AppConfig
from django.contrib.auth.models import Group
from django.db import connections
from django.db.models.signals import post_migrate
from django.dispatch import receiver
from django_celery_beat.models import PeriodicTask

from accounts import staff
from config import schedules


@receiver(post_migrate, dispatch_uid="config.schedules")
def add_schedules(sender: AppConfig, using: str, **_: Any) -> None:
    """Nothing happens while the table is not there: a migration may also go backwards."""
    if sender.name != "django_celery_beat" or using != "default":
        return
    if PeriodicTask._meta.db_table in connections[using].introspection.table_names():
        schedules.create_missing()


@receiver(post_migrate, dispatch_uid="config.staff_groups")
def add_staff_groups(sender: AppConfig, using: str, **_: Any) -> None:
    """After the last of our apps with models, when every permission is there."""
    if sender.name != "coaching" or using != "default":
        return
    if Group._meta.db_table in connections[using].introspection.table_names():
        staff.sync_groups()
