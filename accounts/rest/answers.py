"""Answers with headers of their own, and the stamp that tells one state from another."""

from django.http import HttpRequest, HttpResponse
from django.utils.cache import get_conditional_response
from pydantic import BaseModel

from accounts.rest.problems import Problem


def shown(schema: BaseModel, *, status: int = 200, etag: str = "") -> HttpResponse:
    answer = HttpResponse(schema.model_dump_json(), status=status, content_type="application/json")
    if etag:
        answer["ETag"] = etag
    return answer


def created(schema: BaseModel, location: str, *, etag: str = "") -> HttpResponse:
    answer = shown(schema, status=201, etag=etag)
    answer["Location"] = location
    return answer


def require_match(request: HttpRequest, etag: str) -> None:
    """Nobody overwrites what he has not seen: Problem 428 without If-Match, 412 where it names another state."""
    if "If-Match" not in request.headers:
        raise Problem(428)
    refusal = get_conditional_response(request, etag=etag)
    if refusal is not None and refusal.status_code == 412:
        raise Problem(412, headers={"ETag": etag})
