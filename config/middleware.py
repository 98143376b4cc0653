"""What every request passes: its trace id, and how its viewer reads times."""

import re
from collections.abc import Callable

import structlog
from django.conf import settings
from django.core.exceptions import DisallowedHost
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import Resolver404, resolve
from django.utils import timezone, translation
from django.utils.cache import patch_vary_headers

from accounts.addresses import client_address
from accounts.models import User
from config import languages
from integrations import tracing

type GetResponse = Callable[[HttpRequest], HttpResponse]

log = structlog.get_logger("request")
CALLBACK = re.compile(r"/connections/[^/]+/callback/?")
LONGEST_HOST = 255
QUIET = ("/static/", "/health/", "/metrics")


class TraceMiddleware:
    """Binds the trace id for everything the request does, answers it in a header, logs one line a request."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        ip = client_address(request)
        with tracing.trace(request.headers.get(tracing.HEADER, ""), ip=ip) as trace_id:
            request.trace_id = trace_id  # type: ignore[attr-defined]  # templates show it on error pages
            response = self.get_response(request)
            response.headers[tracing.HEADER] = trace_id
            response.headers.setdefault("Permissions-Policy", "camera=(), geolocation=(), microphone=(), payment=()")
            response.headers.setdefault("Cross-Origin-Resource-Policy", "same-origin")
            if not request.path.startswith(QUIET):
                route = request.resolver_match.route if request.resolver_match else ""
                log.info("request", method=request.method, route=route, status=response.status_code)
            return response


class IntakeMiddleware:
    """Stands first: what providers send goes straight to its view, past sessions, cookies, pages and their headers.

    Over plain http it is refused where the rest of the site would be redirected: a redirect would come too late.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if CALLBACK.fullmatch(request.path_info) and (refusal := _refuse_strange_host(request)):
            return refusal
        if not request.path_info.startswith("/webhooks/"):
            return self.get_response(request)
        ip = client_address(request)
        with tracing.trace(request.headers.get(tracing.HEADER, ""), ip=ip) as trace_id:
            response = self._answer(request)
            response.headers[tracing.HEADER] = trace_id
            response.headers.setdefault("X-Content-Type-Options", "nosniff")
            if response.status_code != 200:  # of the others a row tells, under the same trace id
                log.info("webhook", status=response.status_code)
            return response

    def _answer(self, request: HttpRequest) -> HttpResponse:
        if refusal := _refuse_strange_host(request):
            return refusal
        if settings.SECURE_SSL_REDIRECT and not request.is_secure():
            return JsonResponse({"error": "https_only"}, status=403)
        try:
            match = resolve(request.path_info)
        except Resolver404:
            return JsonResponse({"error": "not_found"}, status=404)
        response: HttpResponse = match.func(request, *match.args, **match.kwargs)
        return response


def _refuse_strange_host(request: HttpRequest) -> HttpResponse | None:
    """A provider came to a name that is not ours: what it was told and what the proxy passes on do not agree."""
    try:
        request.get_host()
    except DisallowedHost:
        hint = "add the host to ALLOWED_HOSTS, or correct SITE_URL and register the address at the provider anew"
        asked = request.META.get("HTTP_HOST", "")[:LONGEST_HOST]
        log.error("strange_host", host=asked, site_url=settings.SITE_URL, set=hint)
        return HttpResponse("This host is not ours.", status=400, content_type="text/plain")
    return None


class ViewerMiddleware:
    """Pages speak the viewer's language and show times in his zone; personal ones are never cached."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        with translation.override(languages.choose(request)):
            if not isinstance(request.user, User):
                response = self.get_response(request)
                patch_vary_headers(response, ["Accept-Language"])
                return response
            with timezone.override(request.user.zone):
                response = self.get_response(request)
        if not request.path.startswith(settings.STATIC_URL):
            response.headers.setdefault("Cache-Control", "no-store")
        return response
