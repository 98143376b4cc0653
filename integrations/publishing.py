"""The public status page: how each provider does, in words and without any person."""

from dataclasses import dataclass

from django.conf import settings
from django.utils.translation import get_language, gettext
from django.utils.translation import gettext_noop as _

from integrations import control, health, registry
from integrations.health import Service
from integrations.models import MaintenanceWindow, Provider, ProviderMode
from integrations.recent import Recent

FRESH_S = 1.0  # windows and summaries are two seconds old each by then: five in all
CAPABILITIES = {"connect": _("Connecting"), "sync": _("Reading"), "deliver": _("Sending")}
STATES = {health.OPERATIONAL: _("Operational"), health.DEGRADED: _("Degraded"), health.PAUSED: _("Paused")}
TONES = {health.OPERATIONAL: "good", health.DEGRADED: "warn", health.PAUSED: "bad"}
WORDS = {
    "circuit_open": _("It does not answer as it should. We leave it in peace for a moment, then we try again."),
    "rate_limit": _("It asked us to slow down."),
    "tripped": _("Our operations people have stopped the calls to it."),
}

_told: Recent[str, list["ProviderStatus"]] = Recent(FRESH_S, most=len(settings.LANGUAGES))  # by language


@dataclass(frozen=True, slots=True)
class CapabilityStatus:
    """What people do with a provider, and whether it works. `words` is empty while it does."""

    name: str
    service: Service
    words: str

    @property
    def tone(self) -> str:
        return TONES[self.service.status]

    @property
    def state(self) -> str:
        return gettext(STATES[self.service.status])


@dataclass(frozen=True, slots=True)
class ProviderStatus:
    provider: Provider
    status: str
    capabilities: list[CapabilityStatus]
    planned: list[MaintenanceWindow]

    @property
    def tone(self) -> str:
        return TONES[self.status]

    @property
    def state(self) -> str:
        return gettext(STATES[self.status])


def providers() -> list[ProviderStatus]:
    """All that people can meet; at most five seconds old."""
    return _told.get(get_language() or settings.LANGUAGE_CODE, _read)


def forget() -> None:
    """The next page is told anew."""
    _told.forget()


def _read() -> list[ProviderStatus]:
    windows = list(MaintenanceWindow.objects.announced().order_by("starts_at"))
    shown = Provider.objects.filter(slug__in=registry.specs()).exclude(mode=ProviderMode.OFF)
    return [_of(provider, [w for w in windows if w.provider_id == provider.pk]) for provider in shown]


def _of(provider: Provider, planned: list[MaintenanceWindow]) -> ProviderStatus:
    summary = health.summary(provider)
    capabilities = [
        CapabilityStatus(
            gettext(name), summary.services[direction], _words(provider, direction, summary.services[direction])
        )
        for direction, name in CAPABILITIES.items()
    ]
    return ProviderStatus(provider, summary.status, capabilities, planned)


def _words(provider: Provider, direction: str, service: Service) -> str:
    refused = control.refusal(provider, direction)
    if refused:
        return refused.words
    return gettext(WORDS[service.code]) if service.code in WORDS else ""
