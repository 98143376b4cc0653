"""The one door to a provider's network."""

import math
import random
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import requests
import structlog
from requests.adapters import HTTPAdapter

from integrations import errors
from integrations.resilience import answers, breaker, http, metrics
from integrations.resilience.admission import BACKGROUND, INTERACTIVE, Admission, Permit
from integrations.resilience.cache import LayeredCache, cache_key
from integrations.resilience.policies import Policies, RateLimitPolicy
from integrations.resilience.retry import Retry
from integrations.resilience.state import SharedState

TOO_MANY = 429
DEFAULT_PAUSE_S = 60.0
LEAST_PAUSE_S = 1.0
PROVIDER, ACCOUNT = "provider", "account"  # the buckets of every call; the others belong to a guarded operation
READS = frozenset({"GET", "HEAD", "OPTIONS"})
SAFE = READS | {"PUT", "DELETE"}  # to repeat
LANES = {"sync": BACKGROUND}  # by direction; what a person waits for goes first


log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Result:
    """A provider's answer; `data` is the decoded JSON, or None for an empty body; of a file its bytes."""

    data: Any
    status: int
    headers: Mapping[str, str]
    attempts: int = 1
    source: str = "network"  # or "l1", "l2", "stale", "default"
    stored_at: float | None = None  # of the Unix epoch, for what comes from a cache


@dataclass(frozen=True, slots=True)
class Fallback:
    """What to answer with when the provider cannot be asked just now."""

    data: Any


def _nothing(*_: object) -> None:
    """For a gateway that stands alone."""


@dataclass(frozen=True, slots=True)
class Hooks:
    """What the gateway asks and tells the rest of the house."""

    gate: Callable[[str, str], None] = _nothing  # provider, direction; raises IntegrationDisabled
    trace_id: Callable[[], str] = str
    judge: Callable[[str], object] = _nothing  # a base URL that a library will call; raises ConfigurationError
    turned: Callable[[str, str, str], None] = _nothing  # group, state, code
    limited: Callable[[str, float], None] = _nothing  # bucket, seconds


@dataclass(slots=True)
class _Call:
    method: str
    url: str
    operation: str
    scope: str | None
    lane: str
    deadline: float
    kwargs: dict[str, Any]
    idempotent: bool | None
    is_file: bool
    attempts: int = field(default=0)


class Gateway:
    """Calls of one provider: gated, paced, broken off, repeated, bounded, mapped to the error tree, counted.

    Threads may share it. Order: fallback, cache, one flight for all, gate, deadline, retry, circuit and buckets,
    connection, exchange.
    """

    def __init__(
        self,
        provider: str,
        *,
        base_urls: Mapping[str, str],
        policies: Policies,
        state: SharedState,
        hooks: Hooks,
        adapter: Callable[[], HTTPAdapter] = http.plain_adapter,
        processes: int = 1,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        rng: Callable[[float, float], float] = random.uniform,
    ) -> None:
        self.provider, self.policies = provider, policies
        self._base_urls = {role: url.rstrip("/") for role, url in base_urls.items()}
        self._hooks, self._clock = hooks, clock
        self._pool = http.Pool(provider, policies.pool, adapter=adapter, clock=clock)
        self._retry = Retry(provider, policies.retry, clock=clock, sleep=sleep, rng=rng)
        self.admission, self.login = (
            Admission(
                provider,
                state,
                group=group,
                breaker=policies.breaker,
                processes=processes,
                on_turn=hooks.turned,
                clock=clock,
                sleep=sleep,
            )
            for group in ("", "login")
        )
        self._limits = {key: policies.limits[key] for key in (PROVIDER,) if key in policies.limits}
        self._account_limit = policies.limits.get(ACCOUNT)
        self._cache = LayeredCache(provider, policies.cache, state, sleep=sleep)
        self._outcomes: dict[tuple[str, str], Any] = {}
        self._seconds: dict[str, tuple[Any, Any]] = {}

    @property
    def base_urls(self) -> Mapping[str, str]:
        return self._base_urls

    def facing(self, direction: str) -> "Door":
        """This gateway for calls of one direction ("connect", "sync" or "deliver")."""
        return Door(self, direction)

    def request(
        self,
        method: str,
        path: str,
        *,
        operation: str,
        base: str = "api",
        scope: str | None = None,
        direction: str = "",
        idempotent: bool | None = None,
        deadline: float | None = None,
        data_type: str | None = None,
        fallback: Fallback | None = None,
        headers: Mapping[str, str] | None = None,
        is_file: bool = False,
        **requests_kwargs: Any,
    ) -> Result:
        """One call, repeated where that is safe. `operation` names it in metrics; `scope` is the account it counts for.

        `deadline` is a point of the monotonic clock. Raises the tree of `integrations.errors`, chained to nothing: the
        text of a requests error may hold a URL with its token. A write whose outcome is unknown raises TimeoutError or
        ServerError; `idempotent=True` says that sending it again is safe.

        `data_type` lets a read come from the cache, fresh for as long as the policy says, stale in trouble; any write
        of the same scope forgets it. `fallback` answers when neither the provider nor the cache does. `is_file` says
        that bytes are expected, up to 32 MiB of them; they come from no cache.
        """
        started = self._clock()
        end = started + self.policies.deadline
        end = end if deadline is None else min(end, deadline)
        requests_kwargs["headers"] = self._traced(headers)
        url, lane = self._base_urls[base] + path, LANES.get(direction, INTERACTIVE)
        call = _Call(method, url, operation, scope, lane, end, requests_kwargs, idempotent, is_file)
        try:
            if data_type is None:
                return self._called(call, direction)
            return self._cached(call, direction, data_type, {"base": base, "path": path})
        except errors.IntegrationError as exc:
            if fallback is None or not _may_pass(exc):
                raise
            metrics.FALLBACKS.labels(self.provider, "default").inc()
            return Result(fallback.data, 0, {}, call.attempts, "default")
        finally:
            self._timers(operation)[1].observe(self._clock() - started)

    @contextmanager
    def guard(self, operation: str) -> Iterator[None]:
        """Around HTTP that a library does itself: addresses, its own circuit and buckets first; it waits for none.

        "login" takes from the buckets "login" and "login_hour". Raises ThrottledError or CircuitOpenError, both with
        `retry_after`.
        """
        buckets = {key: limit for key, limit in self.policies.limits.items() if key.partition("_")[0] == operation}
        for url in self._base_urls.values():
            self._hooks.judge(url)
        permit = self._enter(self.login, buckets, max_wait=0)
        started = self._clock()
        outcome = "success"
        try:
            yield
        except errors.IntegrationError as exc:
            outcome = exc.code
            breaker.judge(permit, exc, self.policies.breaker)
            raise
        except BaseException:  # a mistake of ours, or a worker being stopped: the permit goes back at once
            permit.ignore()
            raise
        else:
            permit.success()
        finally:
            self._count(operation, outcome)
            self._timers(operation)[0].observe(self._clock() - started)

    def _traced(self, headers: Mapping[str, str] | None) -> dict[str, str]:
        sent = dict(headers or {})
        if trace_id := self._hooks.trace_id():
            sent.setdefault("X-Request-ID", trace_id)
        return sent

    def _cached(self, call: _Call, direction: str, data_type: str, where: Mapping[str, str]) -> Result:
        key = cache_key(call.operation, {**where, "params": call.kwargs.get("params")}, scope=call.scope or "")
        entry = self._cache.get_or_fetch(
            key,
            lambda: self._called(call, direction).data,
            data_type=data_type,
            timeout=max(call.deadline - self._clock(), 0),
        )
        if entry.is_stale:
            metrics.FALLBACKS.labels(self.provider, "stale").inc()
        return Result(entry.value, 200, {}, call.attempts, entry.source, entry.stored_at)

    def _called(self, call: _Call, direction: str) -> Result:
        safe = call.method in SAFE if call.idempotent is None else call.idempotent
        try:
            if direction:
                self._hooks.gate(self.provider, direction)
            return self._retry.call(lambda: self._attempt(call), deadline=call.deadline, safe=safe)
        except errors.IntegrationError as exc:
            raise self._explained(exc, call) from None
        finally:
            if call.scope and call.attempts and call.method not in READS:  # what failed may have been done, too
                self._cache.invalidate(call.scope)

    def _attempt(self, call: _Call) -> Result:
        call.attempts += 1
        permit = self._admit(call)
        started = self._clock()
        try:
            most = http.MOST_FILE_BYTES if call.is_file else http.MOST_BYTES
            response, body = self._pool.exchange(
                call.method, call.url, deadline=call.deadline, most_bytes=most, **call.kwargs
            )
            self._heed(response)
            result = self._judge(response, body, call)
        except (requests.RequestException, errors.IntegrationError) as exc:
            error = errors.from_exception(exc, provider=self.provider)
            self._count(call.operation, error.code)
            if isinstance(error, errors.RateLimitError):
                self._slow_down(error, call.scope)
            breaker.judge(permit, error, self.policies.breaker)
            raise error from None
        except BaseException:  # a mistake of ours, or a worker being stopped: the permit goes back at once
            permit.ignore()
            raise
        finally:
            self._timers(call.operation)[0].observe(self._clock() - started)
        permit.success()
        self._count(call.operation, "success")
        return result

    def _admit(self, call: _Call) -> Permit:
        left = call.deadline - self._clock()
        if call.scope and self._account_limit:
            buckets = {**self._limits, f"{ACCOUNT}:{call.scope}": self._account_limit}
            return self._enter(self.admission, buckets, max_wait=left, lane=call.lane)
        return self._enter(self.admission, self._limits, max_wait=left, lane=call.lane, may_lease=True)

    def _enter(
        self, admission: Admission, buckets: Mapping[str, RateLimitPolicy], *, max_wait: float, **how: Any
    ) -> Permit:
        try:
            return admission.enter(buckets, max_wait=max_wait, **how)
        except errors.ThrottledError:
            metrics.LIMITED.labels(self.provider, "local").inc()
            raise

    def _judge(self, response: requests.Response, body: bytes, call: _Call) -> Result:
        if error := errors.from_response(response, provider=self.provider):
            if code := answers.provider_code(body):
                error.context["provider_code"] = code
            raise error
        if call.is_file or not body:
            data = body if call.is_file else None
            return Result(data, response.status_code, response.headers, call.attempts)
        try:
            data = answers.parsed(body)
        except (ValueError, RecursionError):
            raise errors.DataError(
                f"{self.provider} answered {call.operation} with something that is no JSON",
                provider=self.provider,
                status=response.status_code,
                code="provider_bad_answer",
            ) from None
        return Result(data, response.status_code, response.headers, call.attempts)

    def _explained(self, error: errors.IntegrationError, call: _Call) -> errors.IntegrationError:
        error.context.setdefault("operation", call.operation)
        error.context.setdefault("method", call.method)
        error.context.setdefault("attempts", call.attempts)
        if call.idempotent is not None:
            error.context.setdefault("idempotent", call.idempotent)
        log.info(
            "provider_call_stopped" if error.halted else "provider_call_failed",
            provider=self.provider,
            operation=call.operation,
            error_code=error.code,
            status=error.status,
            retryable=error.retryable,
            attempts=call.attempts,
        )
        return error

    def _heed(self, response: requests.Response) -> None:
        """Stop before the provider has to refuse: its headers say that this was the last call for a while."""
        read = self.policies.limit_from_headers
        wait = read(response.headers, time.time()) if read else None
        if wait is None:
            return
        if response.status_code == TOO_MANY:
            response.headers.setdefault("Retry-After", str(math.ceil(wait)))
        for key, policy in self._limits.items():
            if self.admission.pause(key, policy, wait):
                self._hooks.limited(key, wait)

    def _slow_down(self, error: errors.RateLimitError, scope: str | None) -> None:
        """The provider said so: nobody takes from the buckets of this call for a while."""
        seconds = DEFAULT_PAUSE_S if error.retry_after is None else max(LEAST_PAUSE_S, error.retry_after)
        error.retry_after = seconds
        metrics.LIMITED.labels(self.provider, "remote").inc()
        buckets = dict(self._limits)
        if scope and self._account_limit:
            buckets[f"{ACCOUNT}:{scope}"] = self._account_limit
        for key, policy in buckets.items():
            if self.admission.pause(key, policy, seconds):
                self._hooks.limited(key.partition(":")[0], seconds)

    def _count(self, operation: str, outcome: str) -> None:
        counter = self._outcomes.get((operation, outcome))
        if counter is None:
            counter = self._outcomes[operation, outcome] = metrics.REQUESTS.labels(self.provider, operation, outcome)
        counter.inc()

    def _timers(self, operation: str) -> tuple[Any, Any]:
        """Of one request and of the whole call; the label look-up is done once."""
        found = self._seconds.get(operation)
        if found is None:
            found = self._seconds[operation] = (
                metrics.SECONDS.labels(self.provider, operation),
                metrics.CALL_SECONDS.labels(self.provider, operation),
            )
        return found


class Door:
    """A gateway as an adapter gets it: every call is of one direction."""

    def __init__(self, gateway: Gateway, direction: str) -> None:
        self._gateway, self._direction = gateway, direction

    @property
    def base_urls(self) -> Mapping[str, str]:
        return self._gateway.base_urls

    def request(self, method: str, path: str, *, operation: str, **kwargs: Any) -> Result:
        return self._gateway.request(method, path, operation=operation, direction=self._direction, **kwargs)

    def guard(self, operation: str) -> Any:
        return self._gateway.guard(operation)


def _may_pass(error: errors.IntegrationError) -> bool:
    """Trouble that ends by itself; a refusal is told as it is."""
    return error.retryable or error.halted
