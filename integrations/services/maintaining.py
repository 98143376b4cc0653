"""Operations call a provider's planned pause off, or end it early."""

from django.db import transaction
from django.db.models.functions import Now

from integrations import control, events
from integrations.models import MaintenanceWindow


@transaction.atomic
def cancel(window: MaintenanceWindow) -> bool:
    """Call it off before the provider is left alone. False: that has begun, or it is over."""
    standing = MaintenanceWindow.objects.standing().filter(pk=window.pk, starts_at__gt=Now())
    return _announce(window, bool(standing.update(cancelled_at=Now())), begun=False)


@transaction.atomic
def end(window: MaintenanceWindow) -> bool:
    """End it now; everything goes on by itself. False: it has not begun, or it is over."""
    standing = MaintenanceWindow.objects.standing().filter(pk=window.pk, starts_at__lt=Now())
    return _announce(window, bool(standing.update(ends_at=Now())), begun=True)


def announce(window: MaintenanceWindow) -> None:
    """It was planned, or moved; in the caller's transaction. This process knows it at once, others in two seconds."""
    events.publish("maintenance.planned", window, provider=window.provider.slug)
    transaction.on_commit(control.forget)


def _announce(window: MaintenanceWindow, changed: bool, *, begun: bool) -> bool:
    if changed:
        events.publish("maintenance.cancelled", window, provider=window.provider.slug, begun=begun)
        transaction.on_commit(control.forget)
    return changed
