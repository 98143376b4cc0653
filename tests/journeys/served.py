"""Pages without the demo around them: a server on the test's own database, and people who are logged in already."""

from typing import Any

import pytest
from django.conf import settings
from django.test import Client

from accounts.models import User
from tests.journeys.conftest import Visitor


class Server:
    """Stands where the whole demo does elsewhere: these pages need no worker."""

    def __init__(self, url: str) -> None:
        self.url = url


@pytest.fixture
def stack(live_server: Any) -> Server:
    """In the place of the demo, for a module that imports it."""
    return Server(live_server.url)


def as_person(visitor: Visitor, user: User) -> Visitor:
    """By a session made here: how people log in is another test's matter."""
    client = Client()
    client.force_login(user)
    session = client.cookies[settings.SESSION_COOKIE_NAME].value
    visitor.page.context.add_cookies(
        [{"name": settings.SESSION_COOKIE_NAME, "value": session, "url": visitor.stack.url}]
    )
    return visitor


def shot(visitor: Visitor, label: str) -> None:
    """Axe itself sets style attributes, which our policy forbids: only what the page did counts."""
    before = list(visitor.complaints)
    visitor.shot(label)
    visitor.complaints[:] = before
