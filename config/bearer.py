"""Pages for machines: not there without their token's setting, and for who sends it alone."""

from collections.abc import Callable
from functools import wraps
from hmac import compare_digest

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse

from config import errors

type View = Callable[[HttpRequest], HttpResponse]


def only_with(setting: str) -> Callable[[View], View]:
    """404 while the setting is empty, 401 unless its value comes as `Authorization: Bearer`."""

    def guarded(view: View) -> View:
        @wraps(view)
        def answer(request: HttpRequest) -> HttpResponse:
            token: str = getattr(settings, setting)
            if not token:
                raise Http404
            return view(request) if holds(request, token) else errors.unauthorized(request)

        return answer

    return guarded


def holds(request: HttpRequest, token: str) -> bool:
    """Whether the request brings `token`; how long it takes tells nothing of the token."""
    scheme, _, brought = request.headers.get("Authorization", "").partition(" ")
    return scheme.lower() == "bearer" and compare_digest(brought.encode(), token.encode())
