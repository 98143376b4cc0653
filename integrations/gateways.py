"""From a Provider row to the gateway that calls it."""

import os
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache, partial
from typing import Any

from django.conf import settings
from django.db import transaction

from integrations import control, events, registry, tracing
from integrations.models import Provider
from integrations.resilience import outbound
from integrations.resilience.admission import CLOSED, OPEN, Admission, CircuitSnapshot, RateLimitStatus
from integrations.resilience.gateway import PROVIDER, Gateway, Hooks
from integrations.resilience.policies import Policies, PoolPolicy, RateLimitPolicy, RetryPolicy
from integrations.resilience.state import SharedState
from integrations.spec import ProviderPolicy

RETRY, POOL = RetryPolicy(), PoolPolicy()

_gateways: dict[tuple[str, float], tuple[datetime, Gateway]] = {}
_lock = threading.Lock()


@dataclass(frozen=True, slots=True)
class ProviderSettings:
    """What counts for a provider now."""

    base_urls: Mapping[str, str]
    policies: Policies
    policy: ProviderPolicy


@dataclass(frozen=True, slots=True)
class Standing:
    """How a provider's gateway stands now. `shared` is False while Redis is away: then it is this process's view."""

    circuit: CircuitSnapshot
    login: CircuitSnapshot
    buckets: list[RateLimitStatus]
    shared: bool


def settings_for(provider: Provider) -> ProviderSettings:
    """The one place of precedence: the spec's defaults, overridden by what operations set in the row."""
    spec = registry.spec_for(provider.slug)
    limits = {key: RateLimitPolicy(limit.capacity, limit.per_s) for key, limit in spec.limits.items()}
    limits |= {
        key: RateLimitPolicy(float(value["capacity"]), float(value["per_s"])) for key, value in provider.limits.items()
    }
    policies = Policies(limits=limits, retry=RETRY, pool=POOL, limit_from_headers=spec.limit_from_headers)
    policies = policies.scaled(settings.TIME_SCALE)
    policy = ProviderPolicy(provider.visible_to_coach, provider.cache_days, provider.may_merge)
    return ProviderSettings({**spec.base_urls, **provider.base_urls}, policies, policy)


def gateway_for(provider: Provider) -> Gateway:
    """This process's gateway, built anew when the row has changed since."""
    key = (provider.slug, settings.TIME_SCALE)
    with _lock:
        built = _gateways.get(key)
        if built is None or built[0] != provider.updated_at:
            built = _gateways[key] = (provider.updated_at, _build(provider))
        return built[1]


def standing(provider: Provider) -> Standing:
    """Live, from what all processes share; changes nothing."""
    gateway = gateway_for(provider)
    limits = gateway.policies.limits
    circuit, buckets, shared = gateway.admission.look({key: limits[key] for key in limits if key == PROVIDER})
    login, login_buckets, _ = gateway.login.look({key: limits[key] for key in limits if key.startswith("login")})
    return Standing(circuit, login, [*buckets, *login_buckets], shared)


def trip(provider: Provider, *, reason: str, login: bool = False) -> bool:
    """Let no call out until `reset`, on all workers within a second. False: that was so, or Redis is away.

    It lasts a day at most and is forgotten when Redis is flushed: to stop a provider for good, put it on hold.
    """
    return _circuit(provider, login).force_open(reason[:200])


def reset(provider: Provider, *, login: bool = False) -> bool:
    """Close the circuit and forget its failures. False: it was closed, or Redis is away."""
    return _circuit(provider, login).reset()


def _circuit(provider: Provider, login: bool) -> Admission:
    gateway = gateway_for(provider)
    return gateway.login if login else gateway.admission


def _build(provider: Provider) -> Gateway:
    effective = settings_for(provider)
    hosts, loopback = registry.spec_for(provider.slug).allowed_hosts, settings.SANDBOX_ENABLED
    return Gateway(
        provider.slug,
        base_urls=effective.base_urls,
        policies=effective.policies,
        state=_state(),
        hooks=Hooks(
            gate=control.gate,
            judge=partial(outbound.check, allowed_hosts=hosts, loopback=loopback),
            trace_id=tracing.current_trace_id,
            turned=partial(_turned, provider),
            limited=partial(_limited, provider),
        ),
        adapter=partial(outbound.PinnedAdapter, allowed_hosts=hosts, loopback=loopback),
        processes=settings.INTEGRATIONS_PROCESSES,
    )


def _turned(provider: Provider, group: str, state: str, code: str) -> None:
    if state in {OPEN, CLOSED}:
        kind = "integration.circuit.opened" if state == OPEN else "integration.circuit.closed"
        _tell(kind, provider, operation=group or "api", reason=code)


def _limited(provider: Provider, bucket: str, seconds: float) -> None:
    _tell("integration.ratelimit.reached", provider, bucket=bucket, retry_after_s=round(seconds))


def _tell(kind: str, provider: Provider, **payload: Any) -> None:
    """An event about the provider; a database in trouble must not fail the call that noticed."""
    transaction.on_commit(partial(events.publish, kind, provider, provider=provider.slug, **payload), robust=True)


@cache
def _state() -> SharedState:
    return SharedState(settings.REDIS_URL)


def forget() -> None:
    """Build everything anew: a child process has to, since sockets and locks do not survive a fork."""
    global _lock  # noqa: PLW0603
    _lock = threading.Lock()
    _gateways.clear()
    _state.cache_clear()


os.register_at_fork(after_in_child=forget)
