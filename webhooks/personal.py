"""This app's part of what is known of a person: what providers told us about his accounts."""

from collections.abc import Iterator, Mapping

from django.utils.translation import gettext_noop

from accounts import privacy, retention
from accounts.models import User
from accounts.retention import Rule
from webhooks.models import WebhookEvent

EVENT = ["public_id", "endpoint__provider__slug", "event_type", "received_at", "occurred_at", "status"]


def _export(user: User) -> Iterator[privacy.Rows]:
    events = WebhookEvent.objects.filter(connection__user=user).order_by("pk")
    yield privacy.Rows("events.json", events.values(*EVENT).iterator())


def _erase(user: User) -> Mapping[str, int]:
    """The rows stay as numbers: that something came and what became of it, not what it said."""
    events = WebhookEvent.objects.filter(connection__user=user)
    gone = events.update(body=None, headers={}, remote_ip=None, connection=None, ordering_key="")
    return {gettext_noop("bodies"): gone}


privacy.register(privacy.Part("webhooks", _export, _erase))
retention.register(Rule("Webhooks", "bodies 30 days (dead ones 90), rows 90 days (dead ones 180)"))
