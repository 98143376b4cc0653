"""The public status page: how each provider does, in words and without any person."""

import os
from dataclasses import dataclass
from threading import Lock

from cachetools import TTLCache

from integrations import control, health
from integrations.health import Service
from integrations.models import MaintenanceWindow, Provider, ProviderMode

FRESH_S = 2.0
CAPABILITIES = {"connect": "Connecting", "sync": "Reading", "deliver": "Sending"}
TONES = {health.OPERATIONAL: "good", health.DEGRADED: "warn", health.PAUSED: "bad"}
WORDS = {
    "circuit_open": "It does not answer as it should. We leave it in peace for a moment, then we try again.",
    "rate_limit": "It asked us to slow down.",
    "tripped": "Our operations people have stopped the calls to it.",
}

_told: TTLCache[str, list["ProviderStatus"]] = TTLCache(maxsize=1, ttl=FRESH_S)
_lock = Lock()


@dataclass(frozen=True, slots=True)
class CapabilityStatus:
    """What people do with a provider, and whether it works. `words` is empty while it does."""

    name: str
    service: Service
    words: str

    @property
    def tone(self) -> str:
        return TONES[self.service.status]


@dataclass(frozen=True, slots=True)
class ProviderStatus:
    provider: Provider
    status: str
    capabilities: list[CapabilityStatus]
    planned: list[MaintenanceWindow]

    @property
    def tone(self) -> str:
        return TONES[self.status]


def providers() -> list[ProviderStatus]:
    """All that people can meet; at most two seconds old in this process."""
    with _lock:
        found = _told.get("all")
    if found is None:
        windows = list(MaintenanceWindow.objects.announced().order_by("starts_at"))
        shown = Provider.objects.exclude(mode=ProviderMode.OFF)
        found = [_of(provider, [w for w in windows if w.provider_id == provider.pk]) for provider in shown]
        with _lock:
            _told["all"] = found
    return found


def forget() -> None:
    """The next page is told anew; a child process has to, since locks do not survive a fork."""
    global _lock  # noqa: PLW0603
    _lock = Lock()
    _told.clear()


def _of(provider: Provider, planned: list[MaintenanceWindow]) -> ProviderStatus:
    summary = health.summary(provider)
    capabilities = [
        CapabilityStatus(name, summary.services[direction], _words(provider, direction, summary.services[direction]))
        for direction, name in CAPABILITIES.items()
    ]
    return ProviderStatus(provider, summary.status, capabilities, planned)


def _words(provider: Provider, direction: str, service: Service) -> str:
    refused = control.refusal(provider, direction)
    return refused.message if refused else WORDS.get(service.code, "")


os.register_at_fork(after_in_child=forget)
