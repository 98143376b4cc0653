"""The product's main job as people do it: connect, see the library arrive, share, import, find it on the calendar."""

import re
from datetime import date, timedelta
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.journeys.conftest import Enter, Stack, Visitor

PASSWORD = "sandbox-only"
NEW_PASSWORD = "a long enough pass phrase"
pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("demo")]  # one demo at a time


def next_tuesday() -> date:
    today = date.today()
    return today + timedelta(days=(1 - today.weekday()) % 7 or 7)


def account(stack: Stack, email: str) -> dict[str, Any]:
    found = stack.sandbox("accounts")["garmin"]
    return next(row for row in found if row["email"] == email)


def connect_garmin(visitor: Visitor, email: str, *, shots: bool = False) -> None:
    page = visitor.page
    visitor.go("/connections/")
    if shots:
        visitor.shot("connections-empty")
    page.get_by_role("link", name="Connect Garmin Connect", exact=True).click()
    if shots:
        visitor.shot("connect-form")
    page.get_by_label("Garmin email").fill(email)
    page.get_by_label("Garmin password").fill("wrong")
    if shots:
        page.get_by_role("button", name="Log in").click()
        expect(page.get_by_role("link", name="Try again")).to_be_visible()
        visitor.shot("connect-wrong-password")
        page.get_by_role("link", name="Try again").click()
        page.get_by_label("Garmin email").fill(email)
    page.get_by_label("Garmin password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    if account(visitor.stack, email)["mfa"]:
        expect(page.get_by_role("button", name="Go on")).to_be_visible()
        if shots:
            visitor.shot("connect-code")
        page.get_by_label(re.compile("code", re.IGNORECASE)).first.fill(account(visitor.stack, email)["code"])
        page.get_by_role("button", name="Go on").click()
    expect(page.get_by_role("link", name="Go on")).to_be_visible()
    if shots:
        visitor.shot("connect-done")


def see_library(visitor: Visitor, *, at_least: int = 60) -> None:
    visitor.go("/library/")
    visitor.shot("library-arriving")
    expect(visitor.page.get_by_text("In step", exact=True)).to_be_visible()
    visitor.go("/library/")
    words = visitor.page.get_by_text(re.compile(r"\d+ workouts")).first.inner_text()
    assert int(words.split()[0]) >= at_least
    visitor.shot("library")


def share_first_match(visitor: Visitor, name: str, athletes: list[str]) -> None:
    page = visitor.page
    page.get_by_label("Search").fill(name)
    page.get_by_role("link", name=name).first.click()
    visitor.shot("workout")
    page.get_by_role("link", name="Share", exact=True).click()
    visitor.shot("share")
    page.get_by_label("Day", exact=False).first.fill(next_tuesday().isoformat())
    page.get_by_label("Message").fill("Easy on the first two. <b>Not bold</b>")
    for athlete in athletes:
        page.get_by_role("checkbox", name=athlete).check()
    page.get_by_role("button", name="Share").click()
    expect(page.get_by_text(f"Shared with {len(athletes)} athlete")).to_be_visible()


def import_it(visitor: Visitor, name: str, email: str) -> None:
    page = visitor.page
    visitor.go("/inbox/")
    visitor.shot("inbox")
    page.get_by_role("link", name=name).first.click()
    visitor.shot("offer")
    page.get_by_role("button", name="Send to my Garmin").click()
    expect(page.get_by_text("On the Garmin calendar")).to_be_visible()
    visitor.shot("offer-delivered")
    entries = account(visitor.stack, email)["calendar"]
    assert [(entry["on"], entry["name"]) for entry in entries] == [(next_tuesday().isoformat(), name)]


def test_a_coach_shares_with_three_and_one_has_it_on_the_calendar(enter: Enter) -> None:
    coach = enter(width=1440, theme="light")
    coach.log_in("coach@demo.example")
    coach.shot("home-first-steps")
    connect_garmin(coach, "coach@sandbox.example", shots=True)
    see_library(coach)
    share_first_match(coach, "6 × 400 m", ["Ada Athlete", "Ben Breeze", "Chen Wei"])
    coach.go("/deliveries/")
    coach.shot("deliveries")
    ada = enter(width=390, theme="light", name="390-light-athlete")
    ada.log_in("ada@demo.example")
    ada.shot("athlete-home")
    connect_garmin(ada, "athlete1@sandbox.example")
    import_it(ada, "6 × 400 m", "athlete1@sandbox.example")
    coach.go("/deliveries/?state=delivered&q=400")
    arrived = coach.page.get_by_role("listitem").filter(has_text="Ada Athlete").filter(has_text="6 × 400 m").first
    expect(arrived.get_by_text("On the calendar")).to_be_visible()
    coach.shot("deliveries-delivered")
    arrived.get_by_role("link").first.click()
    coach.shot("delivery")


def newest_code(visitor: Visitor) -> str:
    """The code of the newest mail, as the demo shows it."""
    reader = visitor.page.context.new_page()
    reader.goto(f"{visitor.stack.url}/demo/mail/")
    text = reader.get_by_role("article").first.inner_text()
    reader.close()
    found = re.search(r"^\s*([A-Z0-9]{4}-[A-Z0-9]{4})\s*$", text, re.MULTILINE)
    assert found, text
    return found[1]


def sign_up(visitor: Visitor, email: str) -> None:
    page = visitor.page
    page.get_by_label("Email").fill(email)
    page.get_by_label("Password", exact=True).fill(NEW_PASSWORD)
    page.get_by_label("Password (again)").fill(NEW_PASSWORD)
    page.get_by_role("main").get_by_role("button", name="Sign Up").click()
    expect(page.get_by_label("Code")).to_be_visible()
    page.get_by_label("Code").fill(newest_code(visitor))
    page.get_by_role("main").get_by_role("button").first.click()


def test_two_strangers_become_coach_and_athlete_on_phones(enter: Enter) -> None:
    coach = enter(width=390, theme="dark")
    coach.go("/")
    coach.shot("landing")
    coach.page.get_by_role("link", name="Start for free").click()
    coach.shot("sign-up")
    sign_up(coach, "nina@example.org")
    expect(coach.page.get_by_role("button", name="Start coaching")).to_be_visible()
    coach.shot("welcome")
    coach.page.get_by_role("button", name="Start coaching").click()
    connect_garmin(coach, "athlete5@sandbox.example", shots=True)
    see_library(coach)
    coach.go("/athletes/")
    coach.shot("athletes-empty")
    coach.page.get_by_role("link", name="Invite an athlete").click()
    coach.page.get_by_label("Athlete's email").fill("otto@example.org")
    coach.page.get_by_role("button", name="Send invitation").click()
    link = coach.page.get_by_label(re.compile("Or give them this link")).input_value()
    coach.shot("athletes-invited")
    athlete = enter(width=1440, theme="dark", name="1440-dark-athlete")
    athlete.page.goto(link)
    athlete.shot("invitation-signed-out")
    athlete.page.get_by_role("main").get_by_role("link", name="Sign up").click()
    sign_up(athlete, "otto@example.org")
    athlete.shot("invitation")
    athlete.page.get_by_role("button", name="Accept").click()
    connect_garmin(athlete, "athlete6@sandbox.example")
    coach.go("/library/")
    share_first_match(coach, "朝のジョギング", ["otto@example.org"])
    import_it(athlete, "朝のジョギング 六千", "athlete6@sandbox.example")


PAGES = {
    "coach@demo.example": (
        "/today/", "/calendar/", "/calendar/?view=month", "/calendar/copy/", "/groups/", "/athletes/invite/",
        "/library/", "/athletes/", "/deliveries/", "/connections/", "/notifications/",
        "/account/settings/", "/account/email/", "/account/2fa/",
    ),
    "finn@demo.example": ("/", "/inbox/", "/coaches/", "/connections/", "/notifications/"),
    "": ("/", "/account/login/", "/account/signup/", "/account/password/reset/", "/nowhere/"),
}  # fmt: skip


@pytest.mark.parametrize(
    ("width", "theme"), [(1440, "light"), (1440, "dark"), (390, "light"), (390, "dark"), (360, "light")]
)
def test_every_page_at_every_size_in_every_light(enter: Enter, width: int, theme: str) -> None:
    visitor = enter(width=width, theme=theme)
    for email, paths in PAGES.items():
        visitor.page.context.clear_cookies()
        if email:
            visitor.log_in(email)
        for path in paths:
            visitor.go(path)
            visitor.shot(f"page-{email.partition('@')[0] or 'anyone'}{path.replace('/', '-')}".rstrip("-"))
    visitor.complaints = [line for line in visitor.complaints if "nowhere" not in line]
