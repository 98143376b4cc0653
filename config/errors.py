"""What a person, or a script, is told when a page cannot be shown. Nothing of the inside leaks."""

import sys

from django.conf import settings
from django.core.exceptions import RequestDataTooBig, TooManyFieldsSent, TooManyFilesSent
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.template.loader import render_to_string
from django.utils.translation import gettext, override
from django.utils.translation import gettext_noop as _

from accounts.rest import problems
from config import languages
from integrations import tracing
from integrations.vault import VaultUnavailable

WORDS = {
    400: ("bad_request", _("That did not make sense"), _("Something in the request was wrong. Go back and try again.")),
    401: ("authentication", _("Who are you?"), _("Send the token as `Authorization: Bearer`.")),
    403: (
        "forbidden",
        _("Not allowed"),
        _("You may not do this. If the page was open for long, load it again and retry."),
    ),
    404: (
        "not_found",
        _("There is nothing here"),
        _("The address is wrong, or what was here is not yours or no longer exists."),
    ),
    405: (
        "method_not_allowed",
        _("That does not work here"),
        _("This address shows nothing by itself. Go back and use the button there."),
    ),
    413: ("too_large", _("That was too much to send"), _("What you sent is larger than we take. Send less of it.")),
    429: ("rate_limit", _("A little slower, please"), _("That was too much at once. Wait a minute and try again.")),
    500: (
        "server_error",
        _("That went wrong on our side"),
        _("It was noted. Nothing you entered before was lost. Try again in a moment."),
    ),
    503: (
        "unavailable",
        _("Back in a moment"),
        _("We cannot reach our own data right now. Wait a few seconds and try again."),
    ),
}
TOO_MUCH = (RequestDataTooBig, TooManyFieldsSent, TooManyFilesSent)
SOON_S = "5"


def answer(request: HttpRequest, status: int) -> HttpResponse:
    """The page for `status`, or, for who asks for JSON, the one error shape.

    Rendered without the request: what the frame of a page asks for may be the very thing that is broken.
    """
    if problems.is_api(request):
        return problems.answer(status)
    if request.headers.get("Accept", "").startswith("application/json"):
        return JsonResponse(_body(request, status), status=status)
    _, title, words = WORDS[status]
    with override(languages.spoken(request)):  # whoever answers, however far outside
        said = {"title": gettext(title), "words": gettext(words)}
        context = {**said, "trace_id": _trace_id(request), "site_name": settings.SITE_NAME}
        return HttpResponse(render_to_string("error.html", context), status=status)


def _body(request: HttpRequest, status: int) -> dict[str, object]:
    code, _, words = WORDS[status]
    return {"detail": words, "code": code, "status_code": status, "trace_id": _trace_id(request)}


def _trace_id(request: HttpRequest) -> str:
    return tracing.current_trace_id() or str(getattr(request, "trace_id", ""))


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """What was sent is nonsense, or too much."""
    return answer(request, 413 if isinstance(exception, TOO_MUCH) else 400)


def unauthorized(request: HttpRequest) -> HttpResponse:
    """For pages that only machines read."""
    return JsonResponse(_body(request, 401), status=401, headers={"WWW-Authenticate": "Bearer"})


def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponse:
    return answer(request, 403)


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    return answer(request, 404)


def too_many_requests(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """allauth's limits answer with it, too."""
    return answer(request, 429)


def not_allowed(request: HttpRequest, response: HttpResponse) -> HttpResponse:
    """Django's answer is an empty page. What it is sent with stays."""
    if response.content:
        return response
    page = answer(request, 405)
    response.content = page.content
    response.headers["Content-Type"] = page.headers["Content-Type"]
    response.headers["Content-Length"] = str(len(page.content))
    return response


def unavailable(request: HttpRequest) -> HttpResponse:
    page = answer(request, 503)
    page.headers["Retry-After"] = SOON_S
    return page


def server_error(request: HttpRequest) -> HttpResponse:
    """A database that is away, restarts or is too busy is no mistake of ours, and soon over; a vault alike."""
    if isinstance(sys.exception(), OperationalError | InterfaceError | VaultUnavailable):
        return unavailable(request)
    return answer(request, 500)


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    return answer(request, 403)
