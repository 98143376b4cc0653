"""Below /api/ every error has the one shape, whoever made it."""

from typing import Any

import pytest
from django.test import Client
from pytest_django.fixtures import Settings

from accounts.models import User
from tests.api.conftest import MakeCaller
from tests.api.test_library import EASY


@pytest.mark.parametrize(
    ("method", "address", "status", "code"),
    [
        ("get", "/api/", 404, "not_found"),
        ("get", "/api/v1/nothing", 404, "not_found"),
        ("get", "/api/v2/me", 404, "not_found"),
        ("get", "/api/v1/workouts/abc", 404, "not_found"),
        ("get", "/api/v1/workouts/1e3", 404, "not_found"),
        ("get", f"/api/v1/workouts/{10**20}", 404, "not_found"),
        ("get", "/api/v1/workouts/%00", 404, "not_found"),
        ("get", "/api/v1/workouts/..%2f..%2fme", 404, "not_found"),
        ("patch", "/api/v1/me", 405, "method_not_allowed"),
        ("post", "/api/v1/openapi.json", 405, "method_not_allowed"),
        ("get", "/api/v1/auth/login", 405, "method_not_allowed"),
        ("post", "/api/v1/auth/login", 400, "bad_request"),
    ],
)
def test_every_error_below_api_has_the_one_shape(
    coach: User, calling: MakeCaller, method: str, address: str, status: int, code: str
) -> None:
    answer = getattr(calling(coach), method)(address, headers={"Accept": "text/html"})
    assert answer.status_code == status
    told = answer.json()
    assert (told["code"], told["status_code"], told["trace_id"]) == (code, status, answer["X-Request-ID"])
    if status == 405:
        assert answer["Allow"]


def test_the_api_refuses_plain_http_where_the_rest_leads_to_https(
    coach: User, calling: MakeCaller, settings: Settings, client: Client
) -> None:
    settings.SECURE_SSL_REDIRECT = True
    answer = calling(coach).get("/api/v1/me")
    assert (answer.status_code, answer.json()["code"]) == (403, "https_only")
    assert calling(coach).get("/api/v1/me", secure=True).status_code == 200
    assert client.get("/").status_code == 301


def test_what_the_api_tells_is_kept_by_nobody_else(coach: User, calling: MakeCaller) -> None:
    api = calling(coach)
    read, written = api.get("/api/v1/me"), api.post("/api/v1/workouts", EASY, content_type="application/json")
    assert (read["Cache-Control"], written["Cache-Control"]) == ("private, no-cache", "no-store")
    assert "Authorization" in read["Vary"]


def test_fields_that_are_nobodys_to_set_are_never_written(coach: User, other_coach: User, calling: MakeCaller) -> None:
    api = calling(coach)
    for extra in ({"owner": other_coach.pk}, {"is_staff": True}, {"id": "x"}, {"archived_at": None}, {"status": "x"}):
        body: dict[str, Any] = EASY | extra
        assert api.post("/api/v1/workouts", body, content_type="application/json").status_code == 400
