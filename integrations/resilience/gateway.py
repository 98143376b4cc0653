"""The one door to a provider's network."""

import json
import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NoReturn

import requests
import structlog

from integrations import errors
from integrations.resilience import http, metrics
from integrations.resilience.policies import RateLimitPolicy
from integrations.resilience.ratelimit import RateLimit

DEFAULT_PAUSE_S = 60.0
MOST_WAIT_S = 5.0
ACCOUNT = "account"

_WORD = re.compile(r"[A-Za-z_.]{1,40}")

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Result:
    """A provider's answer; `data` is the decoded JSON, or None for an empty body."""

    data: Any
    status: int
    headers: Mapping[str, str]


class Gateway:
    """Calls of one provider: paced per account, bounded, mapped to the error tree, counted. Threads may share it."""

    def __init__(
        self,
        provider: str,
        *,
        base_urls: Mapping[str, str],
        limits: Mapping[str, RateLimitPolicy],
        rate_limit: RateLimit,
        trace_id: Callable[[], str] = lambda: "",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.provider = provider
        self._base_urls = dict(base_urls)
        self._limits = dict(limits)
        self._rate_limit = rate_limit
        self._trace_id = trace_id
        self._clock = clock

    @property
    def base_urls(self) -> Mapping[str, str]:
        return self._base_urls

    def request(
        self,
        method: str,
        path: str,
        *,
        operation: str,
        base: str = "api",
        scope: str | None = None,
        idempotent: bool | None = None,
        deadline: float | None = None,
        **requests_kwargs: Any,
    ) -> Result:
        """One call. `operation` names it in metrics and errors; `scope` is the account it counts for.

        `deadline` is a point of the monotonic clock. Raises the tree of `integrations.errors`, chained to nothing: the
        text of a requests error may hold a URL with its token. A write whose outcome is unknown raises TimeoutError or
        ServerError; `idempotent=True` says that sending it again is safe.
        """
        self._pace(scope)
        headers = dict(requests_kwargs.pop("headers", None) or {})
        if trace_id := self._trace_id():
            headers.setdefault("X-Request-ID", trace_id)
        url = self._base_urls[base].rstrip("/") + path
        started = self._clock()
        try:
            response, body = http.exchange(
                method, url, provider=self.provider, deadline=deadline, headers=headers, **requests_kwargs
            )
            result = self._judge(response, body, operation)
        except (requests.RequestException, errors.IntegrationError) as exc:
            self._fail(errors.from_exception(exc, provider=self.provider), method, operation, scope, idempotent)
        else:
            metrics.REQUESTS.labels(self.provider, operation, "success").inc()
            return result
        finally:
            metrics.SECONDS.labels(self.provider, operation).observe(self._clock() - started)

    @contextmanager
    def guard(self, operation: str) -> Iterator[None]:
        """Around HTTP that a library does itself: takes from the operation's buckets first, waits for none of them.

        "login" takes from the buckets "login" and "login_hour". Raises ThrottledError with `retry_after`.
        """
        for key in (operation, f"{operation}_hour"):
            if limit := self._limits.get(key):
                self._acquire(key, limit, max_wait=0)
        started = self._clock()
        outcome = "success"
        try:
            yield
        except errors.IntegrationError as exc:
            outcome = exc.code
            raise
        finally:
            metrics.REQUESTS.labels(self.provider, operation, outcome).inc()
            metrics.SECONDS.labels(self.provider, operation).observe(self._clock() - started)

    def _pace(self, scope: str | None) -> None:
        limit = self._limits.get(ACCOUNT)
        if scope and limit:
            self._acquire(f"{ACCOUNT}:{scope}", limit, max_wait=MOST_WAIT_S)

    def _acquire(self, key: str, limit: RateLimitPolicy, *, max_wait: float) -> None:
        try:
            self._rate_limit.acquire(key, capacity=limit.capacity, per_s=limit.refill_rate, max_wait=max_wait)
        except errors.ThrottledError:
            metrics.THROTTLED.labels(self.provider, key.partition(":")[0]).inc()
            raise

    def _judge(self, response: requests.Response, body: bytes, operation: str) -> Result:
        if error := errors.from_response(response, provider=self.provider):
            if code := _provider_code(body):
                error.context["provider_code"] = code
            raise error
        if not body:
            return Result(None, response.status_code, response.headers)
        try:
            data = json.loads(body, parse_constant=_refuse_constant)
        except (ValueError, RecursionError):
            raise errors.DataError(
                f"{self.provider} answered {operation} with something that is no JSON",
                provider=self.provider,
                status=response.status_code,
                code="provider_bad_answer",
            ) from None
        return Result(data, response.status_code, response.headers)

    def _fail(
        self, error: errors.IntegrationError, method: str, operation: str, scope: str | None, idempotent: bool | None
    ) -> NoReturn:
        metrics.REQUESTS.labels(self.provider, operation, error.code).inc()
        if isinstance(error, errors.RateLimitError):
            self._slow_down(error, scope)
        error.context.setdefault("operation", operation)
        error.context.setdefault("method", method)
        if idempotent is not None:
            error.context.setdefault("idempotent", idempotent)
        log.info(
            "provider_call_failed",
            provider=self.provider,
            operation=operation,
            error_code=error.code,
            status=error.status,
            retryable=error.retryable,
        )
        raise error from None

    def _slow_down(self, error: errors.IntegrationError, scope: str | None) -> None:
        limit = self._limits.get(ACCOUNT)
        error.retry_after = DEFAULT_PAUSE_S if error.retry_after is None else error.retry_after
        if scope and limit:
            self._rate_limit.pause(
                f"{ACCOUNT}:{scope}", error.retry_after, capacity=limit.capacity, per_s=limit.refill_rate
            )


def _provider_code(body: bytes) -> str:
    """The provider's own word for an error (`{"error": "invalid_grant"}`), never its prose."""
    try:
        word = json.loads(body).get("error", "")
    except (ValueError, AttributeError, RecursionError):
        return ""
    return word if isinstance(word, str) and _WORD.fullmatch(word) else ""


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(name)
