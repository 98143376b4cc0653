"""From a Provider row to the gateway that calls it."""

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache

from django.conf import settings

from integrations import registry, tracing
from integrations.models import Provider
from integrations.resilience.gateway import Gateway
from integrations.resilience.policies import RateLimitPolicy
from integrations.resilience.ratelimit import RateLimit
from integrations.resilience.state import SharedState
from integrations.spec import ProviderPolicy

_gateways: dict[str, tuple[datetime, Gateway]] = {}
_lock = threading.Lock()


@dataclass(frozen=True, slots=True)
class ProviderSettings:
    """What counts for a provider now."""

    base_urls: Mapping[str, str]
    limits: Mapping[str, RateLimitPolicy]
    policy: ProviderPolicy


def settings_for(provider: Provider) -> ProviderSettings:
    """The one place of precedence: the spec's defaults, overridden by what operations set in the row."""
    spec = registry.spec_for(provider.slug)
    limits = {key: RateLimitPolicy(limit.capacity, limit.per_s) for key, limit in spec.limits.items()}
    limits |= {
        key: RateLimitPolicy(float(value["capacity"]), float(value["per_s"])) for key, value in provider.limits.items()
    }
    policy = ProviderPolicy(provider.visible_to_coach, provider.cache_days, provider.may_merge)
    return ProviderSettings({**spec.base_urls, **provider.base_urls}, limits, policy)


def gateway_for(provider: Provider) -> Gateway:
    """This process's gateway, built anew when the row has changed since."""
    with _lock:
        built = _gateways.get(provider.slug)
        if built is None or built[0] != provider.updated_at:
            effective = settings_for(provider)
            gateway = Gateway(
                provider.slug,
                base_urls=effective.base_urls,
                limits=effective.limits,
                rate_limit=_rate_limit(provider.slug),
                trace_id=tracing.current_trace_id,
            )
            built = _gateways[provider.slug] = (provider.updated_at, gateway)
        return built[1]


@cache
def _rate_limit(slug: str) -> RateLimit:
    return RateLimit(slug, _state())


@cache
def _state() -> SharedState:
    return SharedState(settings.REDIS_URL)
