"""Connecting Strava in the demo by clicking, in a real browser: what it asks, its own page, and the way back."""

import re

import pytest

from tests.journeys.conftest import Enter, Visitor

pytestmark = pytest.mark.browser

# Everybody with an athlete of his own, so that the rounds do not meet.
ROUNDS = [
    (390, "light", "ada@demo.example", "athlete1@sandbox.example"),
    (390, "dark", "ben@demo.example", "athlete2@sandbox.example"),
    (1440, "light", "chen@demo.example", "athlete3@sandbox.example"),
    (1440, "dark", "dana@demo.example", "athlete4@sandbox.example"),
]


def leave(visitor: Visitor) -> None:
    visitor.go("/connections/strava/connect/")
    visitor.page.get_by_role("button", name="Go to Strava").click()
    visitor.page.get_by_role("heading", name="Authorize").wait_for()


@pytest.mark.parametrize(("width", "theme", "email", "account"), ROUNDS)
def test_strava_is_connected_by_saying_yes_there(
    enter: Enter, width: int, theme: str, email: str, account: str
) -> None:
    visitor = enter(width=width, theme=theme)
    page = visitor.page
    visitor.log_in(email)
    visitor.go("/connections/")
    visitor.shot("oauth-connections")
    page.get_by_role("link", name="Connect Strava").click()
    page.get_by_text("View your activities, with those that only you can see.").wait_for()
    visitor.shot("oauth-consent")

    leave(visitor)
    visitor.shot("oauth-provider")
    visitor.go("/connections/")
    page.get_by_role("link", name="Go on connecting").click()
    page.get_by_text("Waiting for you at Strava").wait_for()
    visitor.shot("oauth-away")

    page.get_by_role("button", name="Go to Strava again").click()
    page.get_by_role("button", name="Cancel").click()
    page.get_by_text("You did not allow it").wait_for()
    visitor.shot("oauth-no")

    leave(visitor)
    page.get_by_label("You are").select_option(account)
    page.get_by_label(re.compile("those that only you can see")).uncheck()
    page.get_by_role("button", name="Authorize").click()
    page.get_by_text("missing scope").wait_for()
    visitor.shot("oauth-missing")

    leave(visitor)
    page.get_by_label("You are").select_option(account)
    page.get_by_role("button", name="Authorize").click()
    page.get_by_text("Strava is connected").wait_for()
    visitor.shot("oauth-done")
    visitor.go("/connections/")
    page.get_by_text("Only you see it.").wait_for()
    visitor.shot("oauth-connected")

    page.get_by_role("link", name="Disconnect").click()
    visitor.shot("oauth-disconnect")
    page.get_by_role("button", name="Disconnect now").click()
    page.get_by_text("We no longer use its login").wait_for()


def test_a_way_back_that_nobody_waits_for(enter: Enter) -> None:
    for width, theme in ((390, "light"), (1440, "dark")):
        visitor = enter(width=width, theme=theme)
        visitor.log_in("elif@demo.example")
        visitor.go("/connections/strava/callback/?state=x&code=y")
        visitor.page.get_by_text("We did not expect you back this way").wait_for()
        visitor.shot("oauth-bad")
        visitor.complaints.clear()  # the browser notes the 400 that the page is answered with
