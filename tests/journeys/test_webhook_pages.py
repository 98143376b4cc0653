"""Webhooks in the demo, by clicking: the sandbox sends right and wrong ones, operations see what became of each."""

import re

import pytest

from tests.journeys.conftest import Enter, Visitor

pytestmark = pytest.mark.browser

SCREENS = [(390, "light"), (390, "dark"), (1440, "light"), (1440, "dark")]
ATHLETES = {
    (390, "light"): ("ada@demo.example", "athlete1@sandbox.example"),
    (390, "dark"): ("ben@demo.example", "athlete2@sandbox.example"),
    (1440, "light"): ("chen@demo.example", "athlete3@sandbox.example"),
    (1440, "dark"): ("dana@demo.example", "athlete4@sandbox.example"),
}
TOLD = [  # the button, and what our endpoint answers, newest first
    ("Record an activity on this day", ["200 accepted"]),
    ("Tell of the newest activity, twice", ["200 duplicate", "200 accepted"]),
    ("Tell of it an hour late", ["200 accepted"]),
    ("Tell of its change before its coming", ["200 accepted", "200 accepted"]),
    ("Tell of it with a signature of an hour ago", ["401 unauthorized"]),
    ("Tell of it with the signature of somebody else", ["401 unauthorized"]),
    ("Tell, as a stranger, that the yes was taken back", ["401 unauthorized"]),
]


def shot(visitor: Visitor, label: str) -> None:
    """A look at the page. Its checker reads style sheets by itself, and the policy's words about that are not ours."""
    before = list(visitor.complaints)
    visitor.shot(label)
    visitor.complaints[:] = before


def connect(visitor: Visitor, email: str, account: str) -> None:
    visitor.log_in(email)
    visitor.go("/connections/strava/connect/")
    visitor.page.get_by_role("button", name="Go to Strava").click()
    visitor.page.get_by_label("You are").select_option(account)
    visitor.page.get_by_role("button", name="Authorize").click()
    visitor.page.get_by_text("Strava is connected").wait_for()


@pytest.mark.parametrize(("width", "theme"), SCREENS)
def test_what_the_sandbox_sends_is_answered_and_found_in_the_in_box(enter: Enter, width: int, theme: str) -> None:
    visitor = enter(width=width, theme=theme)
    page, stack = visitor.page, visitor.stack
    email, account = ATHLETES[width, theme]
    connect(visitor, email, account)
    page.goto(f"{stack.sandbox_url}/account/strava/{account}")
    for button, answers in TOLD:
        page.get_by_role("button", name=button).click()
        sent = page.get_by_role("region", name="Webhooks sent")
        sent.get_by_text(answers[0]).first.wait_for()
        shown = sent.locator("td.answer").all_inner_texts()
        # Within the second of the event before, a telling may say just the same, and is a duplicate then.
        assert [re.sub("duplicate|accepted", "taken", each) for each in shown[: len(answers)]] == [
            re.sub("duplicate|accepted", "taken", each) for each in answers
        ], button
    shot(visitor, "webhooks-sandbox")
    refused = sent.locator("tr", has_text="401").first
    assert "no row" in refused.inner_text()
    assert re.search(r"[0-9a-f]{32}", refused.inner_text()), "its trace id"
    look = sent.get_by_role("link", name="look").last.get_attribute("href")

    visitor.log_in("ops@demo.example")
    page.goto(look or "")
    found = page.locator("#result_list").get_by_role("link", name="activity.create")
    found.wait_for()
    shot(visitor, "webhooks-found")
    found.click()
    page.get_by_text("body, masked", exact=False).first.wait_for()
    shot(visitor, "webhooks-event")


@pytest.mark.parametrize(("width", "theme"), SCREENS)
def test_operations_look_after_endpoints_and_events(enter: Enter, width: int, theme: str) -> None:
    visitor = enter(width=width, theme=theme)
    page = visitor.page
    visitor.log_in("ops@demo.example")
    visitor.go("/admin/webhooks/webhookevent/")
    shot(visitor, "webhooks-events")
    page.get_by_role("link", name="Replay by filter and time").click()
    page.get_by_label("Provider").select_option(label="Strava")
    page.get_by_label("Ignored").check()
    page.get_by_label("Processed").check()
    page.get_by_label("Received from").fill("2026-01-01T00:00")
    page.get_by_label("Reason").fill("a dry run")
    page.get_by_role("button", name="Look first").click()
    page.get_by_text("would be processed anew").wait_for()
    shot(visitor, "webhooks-replay")

    visitor.go("/admin/webhooks/webhookendpoint/")
    shot(visitor, "webhooks-endpoints")
    page.get_by_role("link", name="Strava: Demo").first.click()
    shot(visitor, "webhooks-endpoint")
    page.get_by_role("link", name="Rotate the secret").click()
    shot(visitor, "webhooks-rotate")
    visitor.go("/admin/webhooks/webhookendpoint/")
    page.get_by_role("link", name="Strava: Demo").first.click()
    page.get_by_role("link", name="Subscription", exact=True).click()
    page.get_by_text("sends to this endpoint").wait_for()
    shot(visitor, "webhooks-subscription")
    visitor.go("/admin/webhooks/webhooksecret/")
    shot(visitor, "webhooks-secrets")
    visitor.go("/admin/")
    shot(visitor, "webhooks-home")
