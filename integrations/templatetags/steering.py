"""What operations steer with, on a provider's page."""

from collections.abc import Sequence
from typing import Any

from django import template

from integrations import control
from integrations.models import FeatureFlag, MaintenanceWindow, Phase, Provider

register = template.Library()

WORDS: dict[str, str] = {
    Phase.PLANNED: "planned",
    Phase.ANNOUNCED: "announced",
    Phase.DRAIN: "nothing new begins",
    Phase.READ_ONLY: "under way",
}


@register.simple_tag
def standing_windows(provider: Provider) -> Sequence[MaintenanceWindow]:
    """Under way or to come, the next one first."""
    return list(MaintenanceWindow.objects.standing().filter(provider=provider).order_by("starts_at")[:5])


@register.simple_tag
def flags_of(provider: Provider) -> Sequence[FeatureFlag]:
    names = [control.flag_name(provider.slug, direction) for direction in control.DIRECTIONS]
    return list(FeatureFlag.objects.filter(name__in=names))


@register.filter
def phase_words(window: MaintenanceWindow) -> str:
    return WORDS.get(window.phase, "over")


@register.filter
def phase_tone(window: MaintenanceWindow) -> Any:
    """A class of the admin's stylesheet."""
    return {Phase.READ_ONLY: "off", Phase.DRAIN: "hold"}.get(window.phase, "")
