"""What the operations home tells about the in-box."""

from datetime import timedelta
from typing import Any

from django.db.models import Count, Min, Q
from django.db.models.functions import Now
from django.utils import timezone

from accounts.operations import Panel, add_panel
from integrations import registry
from integrations.spec import UNSIGNED, Capability
from integrations.timing import timing
from webhooks.models import WebhookEndpoint, WebhookEvent
from webhooks.services import operating

MOST_CAUSES = 8


def inbox() -> dict[str, Any]:
    """How it stands; when something is dead, since when, and by cause."""
    waits = Q(status__in=WebhookEvent.OPEN)
    due = Q(status__in=WebhookEvent.DUE, next_attempt_at__lte=Now())
    numbers = WebhookEvent.objects.filter(status__in=[*WebhookEvent.OPEN, WebhookEvent.Status.DEAD]).aggregate(
        waiting=Count("pk", filter=waits),
        dead=Count("pk", filter=~waits),
        first_dead=Min("finished_at", filter=~waits),
        oldest=Min("next_attempt_at", filter=due),
    )
    late = timezone.now() - timedelta(seconds=timing().webhook_late_s)
    return {
        **numbers,
        "is_late": numbers["oldest"] is not None and numbers["oldest"] < late,
        "causes": operating.causes()[:MOST_CAUSES] if numbers["dead"] else [],
        "without_secret": _without_secret(),
    }


def _without_secret() -> list[WebhookEndpoint]:
    """Enabled ones that can prove nothing, and so answer 503 to everything."""
    signed = [slug for slug in registry.having(Capability.WEBHOOKS) if registry.webhooks(slug).SCHEME != UNSIGNED]
    rows = WebhookEndpoint.objects.filter(is_active=True, provider__slug__in=signed).select_related("provider")
    return list(rows.exclude(secrets__state__in=["new", "active", "retiring"]))


add_panel(Panel("Webhooks", "admin/panels/webhooks.html", "webhooks.view_webhookevent", inbox))
