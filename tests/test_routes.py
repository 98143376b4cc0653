"""Every route by everybody: who gets in, what a look leaves behind, what a post without its token does.

The routes come from the resolver, so a new one is walked the day it is there: closed to who is not logged in, until it
is named among the open ones.
"""

from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID

import pytest
from django.db.models import Model
from django.http import HttpResponse
from django.test import Client
from pytest_django import Settings

from accounts.models import User
from coaching.models import CoachingLink
from coaching.services import inviting
from tests.conftest import make_user
from tests.test_tenancy import CANARY, belongings, snapshot
from tests.walk import Route, routes

__all__ = ["belongings"]  # the fixture: one of everything

# Who is not logged in gets an answer, and so does everybody else.
OPEN = {
    "coaching:home", "coaching:arrive", "coaching:invitation", "coaching:decline_invitation",
    "coaching:report_invitation", "coaching:unsubscribe", "coaching:feed", "status",
    "webhooks:receive", "metrics", "health_providers", "api_docs", "api_schema", "api:log_in", "api:second_factor",
    "api:refresh", "account_login", "account_signup", "account_logout", "account_inactive", "account_reset_password",
    "account_reset_password_done", "account_reset_password_from_key", "account_reset_password_from_key_done",
    "account_request_login_code", "account_confirm_login_code", "account_email_verification_sent",
    "google_login", "google_callback", "github_login", "github_callback", "mfa_authenticate", "mfa_login_webauthn",
    "socialaccount_login_cancelled", "socialaccount_login_error", "socialaccount_signup", "admin:login",
    "integrations:callback",  # a provider's answer, refused with a page of its own
}  # fmt: skip
OPEN_PATHS = {"/health/live", "/health/ready"}
# Posts that no form of ours sends: signed by a provider, one click of a mail program, or with a token in a header.
WITHOUT_CSRF = {"webhooks:receive", "coaching:unsubscribe"}
UNSAFE = ("post", "put", "patch", "delete")
SENT_ALONG = {
    "X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY", "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Resource-Policy": "same-origin",
}  # fmt: skip

type Walker = Callable[[Client, Route], HttpResponse]


def is_open(route: Route) -> bool:
    """allauth keeps old addresses of its pages, which only lead to the new ones."""
    return route.name in OPEN or route.path in OPEN_PATHS or route.path.startswith("/account/social/")


def is_admin(route: Route) -> bool:
    return route.name.startswith("admin:")


def is_api(route: Route) -> bool:
    return route.name.startswith("api:")


@pytest.fixture(autouse=True)
def _no_limits(settings: Settings) -> None:
    settings.INBOUND_LIMITS = dict.fromkeys(settings.INBOUND_LIMITS, 10_000_000)


@pytest.fixture
def address(belongings: dict[str, Model]) -> Callable[[Route], str]:
    """With the ids of what is there."""
    ids = {name: str(getattr(row, "public_id", row.pk)) for name, row in belongings.items()}
    ids |= {"athlete_id": ids["link_id"], "slug": "garmin", "what": "all", "app_label": "coaching"}
    return lambda route: route.filled(lambda name: ids.get(name, "1"))


def logged_in(user: User) -> Client:
    client = Client(raise_request_exception=False)
    client.force_login(user)
    return client


def staff_without_permission() -> User:
    return make_user("new-ops@example.org", "Nina New", is_staff=True)


def test_the_walk_finds_the_routes() -> None:
    names = {route.name for route in routes()}
    assert len(routes()) > 350
    assert {"coaching:share", "api:share_workout", "account_login", "admin:index", "webhooks:receive"} <= names
    assert names >= OPEN, "an open route that is no more"


def test_who_is_not_logged_in_gets_no_further_than_the_doors(address: Callable[[Route], str]) -> None:
    before, visitor = snapshot(), Client(raise_request_exception=False)
    doors = {route.path for route in routes() if is_open(route)}
    for route in routes():
        for method in ("get", "post"):
            answer = getattr(visitor, method)(address(route))
            assert answer.status_code < 500, (method, route)
            assert CANARY not in answer.text, route
            if is_open(route) or (is_api(route) and route.path in doors):
                continue
            if is_api(route):
                assert answer.status_code in {401, 405}, (method, route)
            else:
                assert answer.status_code == 302, (method, route, answer.status_code)
                assert "/login/" in answer["Location"] or route.path == "/admin/<url>", (route, answer["Location"])
    assert snapshot() == before


def test_operations_are_closed_to_everybody_else(address: Callable[[Route], str], coach: User) -> None:
    """P1, for the admin; a member of the staff without permissions sees an empty home and his own doors."""
    staff = staff_without_permission()
    before = snapshot()
    own = {"index", "logout", "login", "password_change", "password_change_done", "jsi18n", "view_on_site", ""}
    for person in (coach, staff):
        client = logged_in(person)
        for route in filter(is_admin, routes()):
            answer = client.get(address(route))
            assert answer.status_code < 500, route
            assert CANARY not in answer.text, (person.email, route)
            if person is coach or route.name.removeprefix("admin:") not in own:
                assert answer.status_code in {302, 403, 404, 405}, (person.email, route, answer.status_code)
    assert snapshot() == before


def test_who_has_ended_working_with_somebody_sees_nothing_more(
    address: Callable[[Route], str], link: CoachingLink, coach: User, athlete: User
) -> None:
    """P1, P2: the coach keeps what is his, and of the athlete nothing; names of both stand in what was agreed."""
    inviting.end_link(link, by=athlete)
    before, former = snapshot(), logged_in(coach)
    theirs = {"link_id", "activity_id", "connection_id", "pair_id", "token_id", "request_id", "session_id"}
    for route in routes():
        if is_admin(route) or is_api(route) or not theirs & set(route.arguments):
            continue
        for method in ("get", *UNSAFE):
            answer = getattr(former, method)(address(route))
            assert answer.status_code in {404, 405}, (method, route, answer.status_code)
            assert CANARY not in answer.text
    assert snapshot() == before


def test_nothing_is_posted_without_the_pages_token(address: Callable[[Route], str], operator: User) -> None:
    """P17. A superuser's browser, sent by another site; the API does not know cookies at all."""
    before = snapshot()
    client = Client(enforce_csrf_checks=True, raise_request_exception=False)
    client.force_login(operator)
    for number, route in enumerate(routes()):
        for method in ("post", UNSAFE[number % len(UNSAFE)]):
            answer = getattr(client, method)(address(route))
            if is_api(route):
                assert answer.status_code in {400, 401, 405, 422}, (method, route, answer.status_code)
            elif route.name in WITHOUT_CSRF:
                assert answer.status_code in {404, 405}, (method, route, answer.status_code)
            else:  # a view that looks at the token by itself knows the method first
                refused = {403} if method == "post" else {403, 405}
                assert answer.status_code in refused, (method, route, answer.status_code)
    assert snapshot() == before


@pytest.mark.parametrize("who", ["coach", "athlete", "operator"])
def test_looking_changes_nothing_and_every_answer_is_sent_with_its_rules(
    address: Callable[[Route], str], who: str, request: pytest.FixtureRequest
) -> None:
    """P17, P24: whatever the answer is, a browser is told what it may do with it."""
    client, before = logged_in(request.getfixturevalue(who)), snapshot()
    nowhere = [Route("", "/nothing/"), Route("", "/api/v1/nothing"), Route("", "/static/nothing.css")]
    for route in [*routes(), *nowhere]:
        if is_admin(route) != (who == "operator") or route.name == "admin:logout":
            continue
        for method in ("get", "head") if who == "coach" else ("get",):
            answer = getattr(client, method)(address(route))
            assert answer.status_code < 500, (method, route)
            assert_rules(route, answer)
    assert snapshot() == before


def assert_rules(route: Route, answer: HttpResponse) -> None:
    assert answer.headers.get("X-Content-Type-Options") == "nosniff", route
    assert answer.headers.get("X-Request-ID"), route
    if route.name == "webhooks:receive":  # words for a machine, in front of all that pages need
        return
    for name, value in SENT_ALONG.items():
        assert answer.headers.get(name) == value, (route, name)
    policy = answer["Content-Security-Policy"]
    assert "unsafe" not in policy, route
    for rule in ("default-src 'self'", "object-src 'none'", "base-uri 'none'", "frame-ancestors 'none'"):
        assert rule in policy, (route, rule)


ODD = ["1e3", "9" * 20, "%00", "..%2f..%2fetc", "x" * 300]


@pytest.mark.parametrize("odd", ODD, ids=range(len(ODD)))
def test_an_id_that_is_none_is_not_found(odd: str, coach: User) -> None:
    """B69."""
    client = logged_in(coach)
    for route in routes():
        if not route.arguments or is_admin(route):
            continue
        answer = client.get(route.filled(lambda _: odd))
        known = {200, 302, 404} if route.name.startswith("account_") else {404, 405}
        if is_api(route):
            known = {401, 404, 405}
        assert answer.status_code in known, (route, answer.status_code)


def test_an_id_that_is_none_leads_operations_back(operator: User) -> None:
    """B69, in the admin, which answers with its home and a sentence."""
    client = logged_in(operator)
    for route in routes():
        if route.arguments and is_admin(route):
            for odd in ("abc", "9" * 20):
                answer = client.get(route.filled(lambda _, odd=odd: odd))  # type: ignore[misc]
                assert answer.status_code in {302, 403, 404, 405}, (route, odd, answer.status_code)


QUESTIONS = [
    "page=-1&ordering=password&per_page=1000000&owner=1&athlete=1&user_id=1&first=0001-01-01&last=9999-12-31&limit=-1",
    f"page=1000000000&q={'x' * 5000}&day=9999-12-31&week=x&sport=%27&group=-1&athlete={UUID(int=1)}&cursor=x",
    "page=%00&q=%00&day=%00&week=0001-01-01&sport=%00&group=%00&athlete=%00&first=x&last=x&state=%00",
]


def lists(client: Client, question: str) -> Iterator[tuple[Route, Any]]:
    for route in routes():
        ours = route.name.startswith(("accounts:", "coaching:", "integrations:"))
        if ours and not route.arguments:
            yield route, client.get(f"{route.path}?{question}")


@pytest.mark.parametrize("question", QUESTIONS, ids=range(len(QUESTIONS)))
def test_no_question_in_the_address_breaks_a_page_or_opens_it(
    question: str, belongings: dict[str, Model], coach: User, other_coach: User
) -> None:
    """B70."""
    for person in (coach, other_coach):
        for route, answer in lists(logged_in(person), question):
            assert answer.status_code in {200, 302, 400, 404, 405}, (route, answer.status_code)
            assert person is coach or CANARY not in answer.text, route
