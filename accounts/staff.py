"""The three groups operations people are put in: look, operate, and set secrets."""

from django.contrib.auth.models import Group, Permission
from django.db.models import Q

VIEW, OPERATE, SECRETS = "Operations: view", "Operations: operate", "Operations: secrets"
OURS = Q(content_type__app_label__in=["accounts", "integrations", "webhooks", "coaching"])
SCHEDULES = Q(content_type__app_label="django_celery_beat")
PEOPLE = Q(content_type__app_label="accounts", content_type__model="user")
LOGINS = Q(content_type__app_label="accounts", content_type__model="loginapplication")

GROUPS = {
    VIEW: (OURS | SCHEDULES) & Q(codename__startswith="view_"),
    OPERATE: ((OURS | SCHEDULES) & Q(codename__startswith="change_") & ~PEOPLE & ~LOGINS)
    | Q(codename="add_maintenancewindow"),
    SECRETS: (PEOPLE & Q(codename="change_user"))
    | Q(codename__in=["set_provider_secrets", "set_webhook_secrets", "rotate_keys", "set_login_secrets"]),
}


def sync_groups() -> None:
    """Make the groups and give them what new models bring; what operations added by hand stays. Safe to run twice."""
    for name, wanted in GROUPS.items():
        group, _ = Group.objects.get_or_create(name=name)
        group.permissions.add(*Permission.objects.filter(wanted))
