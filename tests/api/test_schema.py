"""The API against its own description: whatever is sent, it answers as it says, and never with a 5xx."""

from collections.abc import Iterator
from functools import cache
from itertools import cycle
from typing import Any

import pytest
import schemathesis
from django.core.signals import request_finished, request_started
from django.db import close_old_connections
from django.test import Client
from hypothesis import HealthCheck, given, settings
from pytest_django.fixtures import Settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import content_type_conformance, response_schema_conformance

from accounts.models import TokenScope, User
from coaching.models import CoachingLink, Share
from coaching.services import inviting
from config import api_docs
from config.wsgi import application
from tests.api.conftest import MakeCaller, token_of
from tests.api.test_library import EASY
from tests.coaching.activity_world import stored

EXAMPLES = 6  # of each route
MANY = 200  # in the long rounds
CHECKS = [not_a_server_error, content_type_conformance, response_schema_conformance]


ROUTES = [(method, path) for path, methods in api_docs.described()["paths"].items() for method in methods]
each_route = pytest.mark.parametrize(("method", "path"), ROUTES)


@pytest.fixture
def there(coach: User, link: CoachingLink, settings: Settings, calling: MakeCaller) -> dict[str, str]:
    """Ids that exist, and a caller who may do everything with them."""
    settings.INBOUND_LIMITS = dict.fromkeys(settings.INBOUND_LIMITS, 1_000_000)
    api = calling(coach)
    made = api.post("/api/v1/workouts", EASY, content_type="application/json").json()
    shared = {"athletes": [str(link.public_id)]}
    api.post(f"/api/v1/workouts/{made['id']}/shares", shared, content_type="application/json")
    return {
        "workout_id": made["id"],
        "athlete_id": str(link.public_id),
        "share_id": str(Share.objects.get().public_id),
        "invitation_id": str(inviting.invite(coach, "somebody@example.org")[0].public_id),
        "activity_id": str(stored(coach).public_id),
        "token": token_of(coach, *TokenScope.values),
    }


@pytest.fixture
def _one_connection(there: dict[str, str]) -> Iterator[None]:
    """The server closes its connection after each request, and with it the test's transaction; Django's own test
    client keeps it from doing so, too."""
    for signal in (request_started, request_finished):
        signal.disconnect(close_old_connections)
    yield
    for signal in (request_started, request_finished):
        signal.connect(close_old_connections)


@cache
def whole() -> Any:
    """Read once: it takes longer than asking a route."""
    schema = schemathesis.openapi.from_dict(api_docs.described())
    schema.app = application
    return schema


def ask(method: str, path: str, there: dict[str, str], examples: int) -> None:
    """The same requests in every run: what is found once is found again."""
    headers = {"Authorization": f"Bearer {there['token']}", "If-Match": "*"}
    turns = cycle([True, False])  # every other time with what is there

    @settings(
        max_examples=examples, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True, database=None
    )
    @given(case=whole()[path][method].as_strategy())
    def once(case: Any) -> None:
        if next(turns):
            case.path_parameters = {name: there.get(name, each) for name, each in (case.path_parameters or {}).items()}
        case.call_and_validate(headers=headers, checks=CHECKS)

    once()


@each_route
@pytest.mark.usefixtures("_one_connection")
def test_whatever_is_sent_is_answered_as_described(method: str, path: str, there: dict[str, str]) -> None:
    ask(method, path, there, EXAMPLES)


@pytest.mark.soak
@each_route
@pytest.mark.usefixtures("_one_connection")
def test_whatever_else_is_sent_too(method: str, path: str, there: dict[str, str]) -> None:
    ask(method, path, there, MANY)


def test_it_is_told_to_everybody_and_valid(client: Client, db: None) -> None:
    told = client.get("/api/v1/openapi.json")
    assert told.status_code == 200
    document = told.json()
    assert document["openapi"].startswith("3.1")
    assert all(
        operation["security"] for path, methods in document["paths"].items() for operation in methods.values()
        if "/auth/" not in path
    )  # fmt: skip
    names = [operation["operationId"] for methods in document["paths"].values() for operation in methods.values()]
    assert len(names) == len(set(names))


def test_people_read_it_under_our_own_policy(client: Client, db: None) -> None:
    page = client.get("/api/v1/")
    assert page.status_code == 200
    assert "'self'" in page["Content-Security-Policy"]
    assert "unsafe" not in page["Content-Security-Policy"]
    for path in api_docs.described()["paths"]:
        assert path in page.text
    assert "<style" not in page.text
    assert "://" not in page.text.replace("http://www.w3.org", "")
