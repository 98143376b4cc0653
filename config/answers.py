"""The last hand on every answer: the API's stamps and shape, and a page where Django would show nothing."""

from collections.abc import Callable
from hashlib import sha256

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils.cache import get_conditional_response, patch_vary_headers

from accounts.rest import problems
from config import errors

type GetResponse = Callable[[HttpRequest], HttpResponse]

JSON = "application/json"
OF_THE_BODY = {"Content-Type", "Content-Length"}


class AnswersMiddleware:
    """Stands right behind the trace id, so that whatever another middleware answers passes here, too."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if not problems.is_api(request):
            response = self.get_response(request)
            return errors.not_allowed(request, response) if response.status_code == 405 else response
        if settings.SECURE_SSL_REDIRECT and not request.is_secure():
            return problems.answer(403, "https_only", "Use https. What you sent went over the net for all to read.")
        return _stamped(request, _shaped(self.get_response(request)))


def _shaped(response: HttpResponse) -> HttpResponse:
    """Every error in the one shape, whoever made it, and sent with all that it was to be sent with."""
    if response.status_code < 400 or response.headers.get("Content-Type", "").startswith(JSON):
        return response
    kept = {name: value for name, value in response.headers.items() if name not in OF_THE_BODY}
    return problems.answer(response.status_code, headers=kept)


def _stamped(request: HttpRequest, response: HttpResponse) -> HttpResponse:
    """Caches keep it for its owner only and ask each time; who has it already is told so."""
    patch_vary_headers(response, ["Authorization"])
    if response.status_code != 200 or request.method not in {"GET", "HEAD"}:
        response.headers.setdefault("Cache-Control", "no-store")
        return response
    response.headers["Cache-Control"] = "private, no-cache"
    response.headers.setdefault("ETag", f'"{sha256(response.content).hexdigest()[:32]}"')
    return get_conditional_response(request, etag=response["ETag"], response=response) or response
