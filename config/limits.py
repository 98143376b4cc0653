"""How fast one person and one address may ask: shared by all processes, and each for itself while Redis is away."""

import math
import time
from collections.abc import Callable
from functools import cache
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse

from accounts.addresses import client_address, network_of
from accounts.models import User
from accounts.rest import callers, problems
from config import errors as pages
from integrations import errors
from integrations.resilience.admission import Admission
from integrations.resilience.policies import BreakerPolicy, RateLimitPolicy
from integrations.resilience.state import SharedState

type GetResponse = Callable[[HttpRequest], HttpResponse]
type Buckets = dict[str, RateLimitPolicy]

SAFE = {"GET", "HEAD", "OPTIONS"}
EXEMPT = ("/static/", "/webhooks/", "/health/", "/metrics")
ADDRESS, SIGN_IN, PROVIDER, WRITE, READ = "address", "sign-in", "provider", "write", "read"
# Posts that make us call a provider, by the name of their route; in `integrations` every post does.
CALLING = {"sync_library", "retry", "retry_import"}


class LimitsMiddleware:
    """Stands behind the sessions: an address counts for everybody, then each person by what the route costs."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.path_info.startswith(EXEMPT):
            return self.get_response(request)
        refusal = _enter(request, {f"{ADDRESS}:{_network(request)}": policy(ADDRESS)})
        return refusal or _told(request, self.get_response(request))

    def process_view(self, request: HttpRequest, *_: Any) -> HttpResponse | None:
        if request.path_info.startswith(EXEMPT):
            return None
        return _enter(request, _own_buckets(request))


def policy(kind: str) -> RateLimitPolicy:
    """Of `settings.INBOUND_LIMITS`: so many at once, and as many again within a minute."""
    a_minute = float(settings.INBOUND_LIMITS[kind])
    return RateLimitPolicy(a_minute, a_minute / 60, max_wait=0)


@cache
def admission() -> Admission:
    """This process's; it only counts, so its circuit never opens."""
    state = SharedState(settings.REDIS_URL)
    return Admission(
        "inbound", state, group="requests", breaker=BreakerPolicy(), processes=settings.INTEGRATIONS_PROCESSES
    )


def kind_of(request: HttpRequest) -> str:
    match = request.resolver_match
    name, app = (match.url_name or "", match.app_name) if match else ("", "")
    if request.method in SAFE:
        return READ
    if app == "integrations" or name in CALLING:
        return PROVIDER
    return SIGN_IN if request.path_info.startswith("/api/v1/auth/") else WRITE


def _own_buckets(request: HttpRequest) -> Buckets:
    """Of the person, or of the address where nobody has said who he is."""
    person, kind = _person(request), kind_of(request)
    if person is None and kind in {READ, WRITE}:
        return {}  # the address's own bucket counted it; allauth has limits for each of its doors
    who = f"user:{person.pk}" if person else _network(request)
    rates = {kind: policy(kind)}
    if kind == PROVIDER:
        rates[WRITE] = policy(WRITE)
    return {f"{each}:{who}": rate for each, rate in rates.items()}


def _network(request: HttpRequest) -> str:
    return network_of(client_address(request))


def _person(request: HttpRequest) -> User | None:
    if problems.is_api(request):
        found = callers.identify(request)
        return found.user if found else None
    return request.user if isinstance(request.user, User) else None


def _enter(request: HttpRequest, buckets: Buckets) -> HttpResponse | None:
    """None: go on. Otherwise the answer 429."""
    if not buckets:
        return None
    if problems.is_api(request):
        request.limits = buckets  # type: ignore[attr-defined]  # the closest ones are told in the answer
    try:
        admission().enter(buckets, max_wait=0)
    except errors.ThrottledError as exc:
        return _refusal(request, exc.retry_after)
    return None


def _refusal(request: HttpRequest, retry_after: float | None) -> HttpResponse:
    if problems.is_api(request):
        return problems.too_fast(retry_after)
    page = pages.too_many_requests(request)
    page.headers["Retry-After"] = str(max(1, math.ceil(retry_after or 60)))
    return page


def _told(request: HttpRequest, response: HttpResponse) -> HttpResponse:
    """How much is left, of the bucket that is nearest to its end."""
    buckets: Buckets = getattr(request, "limits", {})
    if not buckets:
        return response
    status = min(admission().look(buckets)[1], key=lambda each: each.remaining / each.limit)
    response.headers["RateLimit-Limit"] = str(int(status.limit))
    response.headers["RateLimit-Remaining"] = str(int(status.remaining))
    full_in = (status.reset_at or time.time()) - time.time()
    response.headers["RateLimit-Reset"] = str(max(0, math.ceil(full_in)))
    return response
