"""The API's description: for programs as OpenAPI 3.1, for people as a page made of the same."""

from typing import Any

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from accounts.models import TokenScope
from config.api import api

ERROR = {
    "type": "object",
    "required": ["detail", "code", "status_code", "trace_id"],
    "properties": {
        "detail": {"type": "string", "description": "What happened, in words."},
        "code": {"type": "string", "description": "What happened, for programs."},
        "status_code": {"type": "integer"},
        "trace_id": {"type": "string", "description": "Name it when you ask us about it."},
        "fields": {"type": "array", "items": {"type": "object"}, "description": "Which fields were wrong."},
    },
}
REPEATABLE = {
    "name": "Idempotency-Key", "in": "header", "required": False, "schema": {"type": "string", "maxLength": 100},
    "description": "Your own name for this request. Sent again within 24 hours, it is answered and not done again.",
}  # fmt: skip
CONDITION = {
    "name": "If-Match", "in": "header", "required": True, "schema": {"type": "string"},
    "description": "The ETag of what you read.",
}  # fmt: skip
ERRORS = {"4XX": "What you sent, or may not do.", "5XX": "We failed; try again later."}


@login_not_required
@require_safe
def schema(request: HttpRequest) -> HttpResponse:
    return JsonResponse(described())


@login_not_required
@require_safe
def readable(request: HttpRequest) -> HttpResponse:
    document = described()
    context = {"document": document, "groups": _groups(document), "scopes": TokenScope.choices, "section": "account"}
    return render(request, "api/docs.html", context)


def described() -> dict[str, Any]:
    """ninja's schema, and what our own machinery adds to every route."""
    document: dict[str, Any] = dict(api.get_openapi_schema(path_prefix="/api/v1/"))
    document["components"]["schemas"]["Error"] = ERROR
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            _complete(path, method, operation)
    return document


def _complete(path: str, method: str, operation: dict[str, Any]) -> None:
    content = {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}
    for status, words in ERRORS.items():
        operation["responses"].setdefault(status, {"description": words, "content": content})
    if "/auth/" in path:
        return
    if method in {"post", "put"}:
        operation.setdefault("parameters", []).append(REPEATABLE)
    if method == "put":
        operation["parameters"].append(CONDITION)


def _groups(document: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    groups: dict[str, list[dict[str, Any]]] = {}
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            row = {
                "path": path, "method": method.upper(), "summary": operation["summary"],
                "description": operation.get("description", ""), "answers": list(operation["responses"]),
                "parameters": _parameters(operation), "body": _body(document, operation),
            }  # fmt: skip
            groups.setdefault(operation.get("tags", ["More"])[0], []).append(row)
    return groups


def _parameters(operation: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        {
            "name": each["name"], "where": each["in"], "needed": each.get("required", False),
            "about": each.get("description") or each["schema"].get("description", ""),
        }
        for each in operation.get("parameters", ())
    ]  # fmt: skip


def _body(document: dict[str, Any], operation: dict[str, Any]) -> list[dict[str, Any]]:
    """The fields of what is sent, one level deep."""
    content = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
    name = content.get("schema", {}).get("$ref", "").rpartition("/")[2]
    found = document["components"]["schemas"].get(name, {})
    needed = found.get("required", [])
    fields = found.get("properties", {})
    return [{"name": key, "needed": key in needed, "about": _about(value)} for key, value in fields.items()]


def _about(field: dict[str, Any]) -> str:
    kinds = [field.get("type", ""), *(option.get("type", "") for option in field.get("anyOf", ()))]
    words = " or ".join(kind for kind in kinds if kind)
    return f"{words}. {field.get('description', '')}".strip(". ")
