"""What is said when something cannot be shown: in words, with a trace id, and with nothing of the inside."""

from collections.abc import Iterator

import pytest
from django.core.exceptions import BadRequest, PermissionDenied, RequestDataTooBig
from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse
from django.test import Client, override_settings
from django.urls import include, path
from django.views.decorators.http import require_POST
from pytest_django.fixtures import Settings

from accounts.models import User
from config import errors

SECRET = "s3cret-canary"
RAISED: dict[str, Exception] = {
    "400": BadRequest(SECRET),
    "403": PermissionDenied(SECRET),
    "404": Http404(SECRET),
    "413": RequestDataTooBig(SECRET),
    "500": RuntimeError(SECRET),
    "503": OperationalError(SECRET),
    "interface": InterfaceError(SECRET),
}


def fail(request: HttpRequest, what: str) -> HttpResponse:
    raise RAISED[what]


@require_POST
def only_posts(request: HttpRequest) -> HttpResponse:
    return HttpResponse()


urlpatterns = [
    path("fail/<str:what>", fail),
    path("api/v1/fail/<str:what>", fail),
    path("only-posts", only_posts),
    path("", include("config.urls")),
]
handler400, handler403, handler404 = errors.bad_request, errors.permission_denied, errors.not_found
handler500 = errors.server_error


@pytest.fixture
def failing(coach: User, settings: Settings) -> Iterator[Client]:
    """As in production: nothing is raised to the test, nothing is told to the visitor."""
    client = Client(raise_request_exception=False)
    client.force_login(coach)
    with override_settings(ROOT_URLCONF=__name__, DEBUG=False):
        yield client


def leaks(text: str) -> list[str]:
    return [
        word for word in (SECRET, "Traceback", "RuntimeError", "OperationalError", "/site-packages/") if word in text
    ]


@pytest.mark.parametrize("status", [400, 403, 404, 413, 500, 503])
def test_a_page_says_it_in_words_with_a_trace_id(failing: Client, status: int) -> None:
    answer = failing.get(f"/fail/{status}")
    assert answer.status_code == status
    assert answer["Content-Type"].startswith("text/html")
    assert errors.WORDS[status][1] in answer.text
    assert answer["X-Request-ID"] in answer.text
    assert "app.css" in answer.text
    assert leaks(answer.text) == []


@pytest.mark.parametrize("status", [400, 403, 404, 413, 500, 503])
@pytest.mark.parametrize("address", ["/api/v1/fail/{}", "/fail/{}"])
def test_a_script_gets_the_one_shape(failing: Client, status: int, address: str) -> None:
    answer = failing.get(address.format(status), headers={"Accept": "application/json"})
    assert answer.status_code == status
    told = answer.json()
    assert set(told) == {"detail", "code", "status_code", "trace_id"}
    assert (told["status_code"], told["trace_id"]) == (status, answer["X-Request-ID"])
    assert leaks(answer.text) == []


def test_a_database_that_is_away_is_said_to_be_soon_back(failing: Client) -> None:
    for what in ("503", "interface"):
        answer = failing.get(f"/fail/{what}")
        assert (answer.status_code, answer["Retry-After"]) == (503, "5")


def test_a_page_that_takes_posts_only_says_so(failing: Client) -> None:
    answer = failing.get("/only-posts")
    assert (answer.status_code, answer["Allow"]) == (405, "POST")
    assert errors.WORDS[405][1] in answer.text


def test_a_form_that_is_too_large_is_told_so(coach: User, client: Client) -> None:
    client.force_login(coach)
    long = {"display_name": "x" * (1024 * 1024 + 1)}
    assert client.post("/account/settings/", long).status_code == 413
    many = {f"field{i}": "" for i in range(2001)}
    assert client.post("/account/settings/", many).status_code == 413


def test_a_post_without_a_csrf_token_is_refused_in_words(coach: User) -> None:
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(coach)
    answer = strict.post("/account/settings/", {})
    assert answer.status_code == 403
    assert errors.WORDS[403][1] in answer.text


def test_a_strange_host_is_refused(client: Client, db: None) -> None:
    for address in ("/", "/api/v1/me"):
        answer = client.get(address, headers={"Host": "evil.example"})
        assert answer.status_code == 400
        assert "evil.example" not in answer.text
