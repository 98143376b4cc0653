"""Operations' pages as a person in front of them uses them: lists, rows, buttons, and the form of a provider."""

from typing import Any

from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse

from accounts.models import User
from integrations.models import (
    Provider,
)
from tests.conftest import make_user

CANARY = "canary-refresh-token-7f3a"


def lists(model: Any) -> str:
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")


def page(row: Any) -> str:
    return reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_change", args=[row.pk])


def run(client: Client, operation: str, *rows: Any, reason: str = "asked by the owner") -> Any:
    chosen = {"action": operation, "_selected_action": [row.pk for row in rows]}
    asked = client.post(lists(rows[0]), chosen)
    assert asked.status_code == 200, "a confirm page comes first"
    return client.post(lists(rows[0]), {**chosen, "confirmed": "1", "reason": reason}, follow=True)


def staff(*permissions: str) -> Client:
    user = make_user(f"staff{User.objects.count()}@example.org", "Stefan Staff", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    client = Client()
    client.force_login(user)
    return client


def provider_form(provider: Provider, **changes: Any) -> dict[str, Any]:
    return {
        "name": provider.name,
        "mode": provider.mode,
        "notice": "",
        "connect_enabled": "on",
        "sync_enabled": "on",
        "deliver_enabled": "on",
        "visible_to_coach": "on",
        "may_merge": "on",
        "base_urls": "{}",
        "limits": "{}",
        "scopes": "[]",
        "refresh_margin_s": "900",
        "reason": "trying it out",
        **changes,
    }
