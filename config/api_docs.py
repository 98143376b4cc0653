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
SHAPES = ("WorkoutRecord", "Segment", "WorkoutStep", "RepeatStep", "End", "Target")
NOT_TO_SEND = {"extras", "external_id", "version"}  # of a record: a provider's, refused from anybody else
ERRORS = {"4XX": "What you sent, or may not do.", "5XX": "We failed; try again later."}


@login_not_required
@require_safe
def schema(request: HttpRequest) -> HttpResponse:
    return JsonResponse(described())


@login_not_required
@require_safe
def readable(request: HttpRequest) -> HttpResponse:
    document = described()
    groups, shapes = _groups(document), _shapes(document)
    context = {"document": document, "groups": groups, "shapes": shapes, "scopes": TokenScope.choices}
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
    first, _, rest = operation.get("description", "").partition(".")
    operation["summary"], operation["description"] = first.replace("\n", " "), rest.strip()
    content = {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}
    for status, words in ERRORS.items():
        operation["responses"].setdefault(status, {"description": words, "content": content})
    if "/auth/" in path:
        return
    if method in {"post", "put"}:
        operation.setdefault("parameters", []).append(REPEATABLE)
    if method == "put":
        operation["parameters"].append(CONDITION)


def _shapes(document: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """What a workout is made of."""
    return {name: _fields(document, name) for name in SHAPES}


def _groups(document: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    groups: dict[str, list[dict[str, Any]]] = {}
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            row = {
                "path": path, "method": method.upper(), "summary": operation["summary"],
                "description": operation["description"].replace("`", ""), "answers": list(operation["responses"]),
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
    """The fields of what is sent."""
    content = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
    return _fields(document, _name_of(content.get("schema", {})))


def _fields(document: dict[str, Any], name: str) -> list[dict[str, Any]]:
    found = document["components"]["schemas"].get(name, {})
    needed = found.get("required", [])
    fields = {key: value for key, value in found.get("properties", {}).items() if key not in NOT_TO_SEND}
    return [{"name": key, "needed": key in needed, "about": _about(document, value)} for key, value in fields.items()]


def _name_of(schema: dict[str, Any]) -> str:
    return str(schema.get("$ref", "")).rpartition("/")[2]


def _about(document: dict[str, Any], field: dict[str, Any]) -> str:
    kinds = list(dict.fromkeys(_kind(document, each) for each in field.get("anyOf", [field])))
    return ". ".join(part for part in (" or ".join(kinds), field.get("description", "")) if part)


def _kind(document: dict[str, Any], schema: dict[str, Any]) -> str:
    """A word for a schema: its type, what it is a list of, or the words that it may be."""
    if name := _name_of(schema):
        choices = document["components"]["schemas"][name].get("enum")
        return "one of " + ", ".join(choices) if choices else name
    if "oneOf" in schema:
        return " or ".join(_kind(document, each) for each in schema["oneOf"])
    if schema.get("type") == "array":
        return f"list of {_kind(document, schema.get('items', {}))}"
    return str(schema.get("const") or schema.get("type", "anything"))
