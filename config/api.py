"""The JSON API: every app's routes under one roof, with one way to say that something went wrong."""

import json
from typing import Any

from django.core.exceptions import PermissionDenied, RequestDataTooBig
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import URLPattern
from django.utils.datastructures import MultiValueDict
from ninja import NinjaAPI
from ninja import errors as ninja_errors
from ninja.operation import Operation
from ninja.parser import Parser

from accounts.api import router as accounts_router
from accounts.rest import problems
from accounts.rest.problems import Problem
from coaching.api import router as coaching_router
from integrations import errors
from integrations.api import router as integrations_router

DESCRIPTION = (
    "Everything a script needs. Make a personal token in your settings, or log in for one, and send it in the header "
    "Authorization, after the word Bearer."
)
NUL = "\x00"
STATUSES: dict[type[errors.IntegrationError], int] = {
    errors.ValidationError: 422,
    errors.UnsupportedError: 422,
    errors.NotFoundError: 404,
    errors.ConflictError: 409,
    errors.ThrottledError: 429,
}


class StrictParser(Parser):
    """What PostgreSQL cannot keep, and what JSON does not know, is refused before anybody reads it."""

    def parse_body(self, request: HttpRequest) -> dict[str, Any]:
        text = request.body.decode()
        if NUL in text or r"\u0000" in text:
            raise ValueError("a NUL letter")
        parsed: dict[str, Any] = json.loads(text, parse_constant=_refuse)
        json.dumps(parsed, ensure_ascii=False).encode()  # half a letter, written as an escape, is a ValueError
        return parsed

    def parse_querydict(
        self, data: MultiValueDict[str, Any], list_fields: list[str], request: HttpRequest
    ) -> dict[str, Any]:
        if any(NUL in value for values in data.lists() for value in values[1]):
            raise Problem(400)
        return super().parse_querydict(data, list_fields, request)


def _refuse(name: str) -> None:
    raise ValueError(name)


class Api(NinjaAPI):
    def get_openapi_operation_id(self, operation: Operation) -> str:
        return operation.view_func.__name__


api = Api(
    title="Transformation Coaching", version="1.0.0", description=DESCRIPTION, docs_url=None, openapi_url=None,
    urls_namespace="api", parser=StrictParser(),
)  # fmt: skip
for router in (accounts_router, coaching_router, integrations_router):
    api.add_router("", router)


@api.exception_handler(Problem)
def said(request: HttpRequest, problem: Problem) -> HttpResponse:
    return problems.of(problem)


@api.exception_handler(ninja_errors.ValidationError)
def invalid(request: HttpRequest, exc: ninja_errors.ValidationError) -> HttpResponse:
    """400 naming the field; in an address, what names nothing is not there."""
    found = [_field(error) for error in exc.errors]
    if any(error["loc"][0] == "path" for error in exc.errors):
        return problems.answer(404)
    first = found[0]
    return problems.answer(400, "invalid", f"{first['field']}: {first['message']}", fields=found[:20])


@api.exception_handler(ninja_errors.HttpError)
def refused(request: HttpRequest, exc: ninja_errors.HttpError) -> HttpResponse:
    """ninja raises it for a body that is no JSON."""
    return problems.answer(exc.status_code)


@api.exception_handler(Http404)
def missing(request: HttpRequest, exc: Http404) -> HttpResponse:
    return problems.answer(404)


@api.exception_handler(PermissionDenied)
def denied(request: HttpRequest, exc: PermissionDenied) -> HttpResponse:
    return problems.answer(403)


@api.exception_handler(RequestDataTooBig)
def too_large(request: HttpRequest, exc: RequestDataTooBig) -> HttpResponse:
    return problems.answer(413)


@api.exception_handler(errors.IntegrationError)
def failed(request: HttpRequest, exc: errors.IntegrationError) -> HttpResponse:
    """A service's refusal in its own words."""
    status = next((code for kind, code in STATUSES.items() if isinstance(exc, kind)), 503)
    if status == 429:
        return problems.too_fast(exc.retry_after, exc.code, exc.message)
    return problems.answer(status, exc.code, exc.message)


@api.exception_handler(Exception)
def broken(request: HttpRequest, exc: Exception) -> HttpResponse:
    """Django logs it and answers through `config.errors`, in development as in production."""
    raise exc


def _field(error: dict[str, Any]) -> dict[str, str]:
    source, *path = (str(part) for part in error["loc"])
    name = ".".join(path[1:] if source == "body" and len(path) > 1 else path) or source
    return {"field": name, "message": str(error["msg"])[:200]}


def routes() -> tuple[list[URLPattern], str, str]:
    """For `urls.py`. Every route asks for its token itself; the login page is nothing to a script."""
    patterns, app_name, namespace = api.urls
    ours = [pattern for pattern in patterns if isinstance(pattern, URLPattern) and pattern.name != "api-root"]
    for pattern in ours:
        pattern.callback.login_required = False  # type: ignore[attr-defined]
    return ours, app_name, namespace
