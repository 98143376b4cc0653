"""The one shape in which the API says that something did not work."""

import math
from collections.abc import Mapping
from typing import Any

from django.http import HttpRequest, JsonResponse
from structlog.contextvars import get_contextvars

BAD_REQUEST = ("bad_request", "The request could not be read.")
WORDS = {
    400: BAD_REQUEST,
    401: ("authentication", "Send an access token as `Authorization: Bearer …`. This one is missing, old or revoked."),
    403: ("forbidden", "This is not allowed."),
    404: ("not_found", "There is nothing here, or it is not yours."),
    405: ("method_not_allowed", "This address does not take this method; see the Allow header."),
    409: ("conflict", "This does not go together with how things are now."),
    412: ("changed_meanwhile", "It was changed since you read it. Read it again, then send your change anew."),
    413: ("too_large", "The request is larger than 1 MB."),
    415: ("not_json", "Send JSON, with `Content-Type: application/json`."),
    422: ("unprocessable", "The request cannot be done as it was sent."),
    428: ("condition_required", "Say in If-Match which state you read; its ETag stands in the answer to your GET."),
    429: ("rate_limit", "That was too much at once. The Retry-After header says when to go on."),
    500: ("server_error", "That went wrong on our side. It was noted."),
    503: ("unavailable", "We cannot answer at this moment. Try again in a few seconds."),
}


class Problem(Exception):
    """Raised anywhere below a route; becomes the answer."""

    def __init__(
        self, status: int, code: str = "", detail: str = "", *, headers: Mapping[str, str] | None = None, **more: Any
    ) -> None:
        super().__init__(code)
        self.status, self.code, self.detail = status, code, detail
        self.headers, self.more = dict(headers or {}), more


def body(status: int, code: str = "", detail: str = "", **more: Any) -> dict[str, Any]:
    usual_code, usual_detail = WORDS.get(status, WORDS[500] if status >= 500 else BAD_REQUEST)
    trace_id = str(get_contextvars().get("trace_id", ""))
    said = {"detail": detail or usual_detail, "code": code or usual_code, "status_code": status, "trace_id": trace_id}
    return said | more


def answer(
    status: int, code: str = "", detail: str = "", *, headers: Mapping[str, str] | None = None, **more: Any
) -> JsonResponse:
    return JsonResponse(body(status, code, detail, **more), status=status, headers=dict(headers or {}))


def of(problem: Problem) -> JsonResponse:
    return answer(problem.status, problem.code, problem.detail, headers=problem.headers, **problem.more)


def too_fast(retry_after: float | None, code: str = "", detail: str = "") -> JsonResponse:
    return answer(429, code, detail, headers={"Retry-After": str(max(1, math.ceil(retry_after or 60)))})


def is_api(request: HttpRequest) -> bool:
    return request.path_info.startswith("/api/")
