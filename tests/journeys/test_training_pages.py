"""A day of coach and athlete in a real browser: who needs me, his week, the calendar, what was done; then his side."""

from datetime import date, timedelta
from math import sin

import pytest
from playwright.sync_api import Locator, expect

from accounts.models import User
from coaching.models import ActivityDetail, CoachingLink, Share
from coaching.weeks import today_of, week_of
from tests.coaching.roster_world import ago, done, planned, trained_by
from tests.coaching.world import make_workout
from tests.journeys.conftest import Enter, Visitor
from tests.journeys.served import as_person, shot, stack

__all__ = ["stack"]  # the fixture
pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
SCREENS = [(1440, "light"), (390, "dark"), (1440, "dark"), (390, "light")]
MINUTES = 30


@pytest.fixture
def ben(coach: User) -> CoachingLink:
    """Ran yesterday with a watch that counted a lap, missed the day before; his coach's clock is his."""
    link = trained_by(coach)
    User.objects.filter(pk=coach.pk).update(time_zone=link.athlete.time_zone)
    planned(link, ago(link, 2), name="Hills by feel")
    activity = done(
        link, ago(link, 1), planned(link, ago(link, 1), name="Easy run"), percent=100, name="Along the river"
    )
    seconds = range(0, MINUTES * 60, 10)
    ActivityDetail.objects.create(
        activity=activity,
        laps=[{"duration_s": MINUTES * 60.0, "distance_m": 5000.0, "avg_hr": 141}],
        series={
            "time_s": list(seconds),
            "heart_rate": [round(140 + 15 * sin(second / 90)) for second in seconds],
            "speed_mps": [round(2.8 + sin(second / 60) / 3, 2) for second in seconds],
        },
    )
    return link


@pytest.fixture
def track(ben: CoachingLink) -> Share:
    """On Tuesday of next week."""
    return planned(ben, week_of(today_of(ben.athlete)) + timedelta(days=8), name="Track night")


def day_of(share: Share) -> date:
    share.refresh_from_db()
    assert share.scheduled_for is not None
    return share.scheduled_for


@pytest.mark.parametrize(("width", "theme"), SCREENS)
def test_the_coachs_day(enter: Enter, coach: User, ben: CoachingLink, track: Share, width: int, theme: str) -> None:
    visitor = as_person(enter(width=width, theme=theme), coach)
    page = visitor.page
    visitor.go("/")
    page.get_by_text("1 of 2 sessions of the last 7 days missed.").wait_for()
    shot(visitor, "day-today")
    page.get_by_role("link", name="Look at the week").click()
    page.get_by_role("heading", name="Ben Breeze").wait_for()
    shot(visitor, "day-athlete")
    page.get_by_role("navigation", name="Main").get_by_role("link", name="Calendar").click()
    move_about(visitor, track)
    page.get_by_role("link", name="Month", exact=True).click()
    page.get_by_role("link", name="Week", exact=True).wait_for()
    shot(visitor, "day-month")
    visitor.go(f"/athletes/{ben.public_id}/activities/")
    page.get_by_role("link", name="Along the river").click()
    look_at_activity(visitor, "day-activity")
    page.get_by_role("link", name="Easy run").click()
    page.get_by_role("heading", name="Planned and done").wait_for()
    shot(visitor, "day-session")


def move_about(visitor: Visitor, share: Share) -> None:
    """In next week of the calendar: two days on by keys, then to Sunday by the dialog."""
    page, tuesday = visitor.page, day_of(share)
    page.get_by_role("link", name="Later").click()
    session = page.get_by_role("link", name="Track night")
    for weekday in ("Wednesday", "Thursday"):
        session.press("Alt+ArrowRight")
        page.get_by_text(f"Track night is now on {weekday}").wait_for()
    assert day_of(share) == tuesday + timedelta(days=2)
    session.press("Enter")
    dialog = page.get_by_role("dialog", name="Track night")
    dialog.get_by_label("New day").fill((tuesday + timedelta(days=5)).isoformat())
    dialog.get_by_role("button", name="Move").click()
    page.get_by_text("Track night is now on Sunday").wait_for()
    assert day_of(share) == tuesday + timedelta(days=5)
    shot(visitor, "day-calendar")


def look_at_activity(visitor: Visitor, label: str) -> None:
    """Curves of heart rate and pace, and their figures as a table."""
    page = visitor.page
    expect(page.locator("figure.series svg")).to_have_count(2)
    page.get_by_text("The same figures as a table").click()
    expect(page.get_by_role("columnheader", name="Heart rate, bpm").first).to_be_visible()
    shot(visitor, label)


@pytest.mark.parametrize(("width", "theme"), SCREENS)
def test_the_athletes_week(enter: Enter, coach: User, ben: CoachingLink, width: int, theme: str) -> None:
    tomorrow = ago(ben, -1)
    planned(ben, tomorrow, name="Tempo with a name that is rather long and goes on")
    visitor = as_person(enter(width=width, theme=theme), ben.athlete)
    page = visitor.page
    visitor.go(f"/week/?day={tomorrow}")
    page.get_by_text("Call it off: Tempo").click()
    page.get_by_role("combobox", name="Reason").select_option("injured")
    page.get_by_role("textbox", name="In your words").fill("The knee again.")
    shot(visitor, "my-week-calling-off")
    page.get_by_role("button", name="Call it off").click()
    page.get_by_text("Called off: injured").wait_for()
    shot(visitor, "my-week")
    visitor.go(f"/week/?day={ago(ben, 1)}")
    page.get_by_role("link", name="Easy run").click()
    expect(page.get_by_role("row", name="1 30 min 30:00").first).to_be_visible()
    shot(visitor, "my-session")
    page.get_by_role("link", name="Open the activity").click()
    look_at_activity(visitor, "my-activity")


def assert_all_in_sight(navigation: Locator, count: int) -> None:
    words = navigation.locator("> a, summary")
    expect(words).to_have_count(count)
    for number in range(count):
        expect(words.nth(number)).to_be_in_viewport(ratio=1)


@pytest.mark.parametrize("width", [390, 360, 800])
def test_german_words_fit_into_the_navigation(enter: Enter, coach: User, other_coach: User, width: int) -> None:
    User.objects.filter(pk=coach.pk).update(language="de")
    visitor = as_person(enter(width=width, theme="light"), coach)
    visitor.go("/feed/")
    assert_all_in_sight(visitor.page.locator(".main-nav"), 6)
    link = CoachingLink.objects.create(coach=other_coach, athlete=coach, scopes=[])
    share = planned(link, ago(link, -1))
    Share.objects.filter(pk=share.pk).update(status="offered")
    visitor.go("/feed/")
    assert_all_in_sight(visitor.page.locator(".main-nav"), 6)
    expect(visitor.page.locator("summary .count")).to_be_in_viewport(ratio=1)
    shot(visitor, "both-german")


@pytest.mark.parametrize(("width", "theme"), [(1440, "light"), (390, "dark"), (360, "light"), (800, "light")])
def test_who_coaches_and_trains_reaches_all_pages_by_keyboard(
    enter: Enter, coach: User, other_coach: User, ben: CoachingLink, width: int, theme: str
) -> None:
    CoachingLink.objects.create(coach=other_coach, athlete=coach, scopes=[])
    make_workout(coach)
    visitor = as_person(enter(width=width, theme=theme), coach)
    visitor.go("/feed/")  # where nothing to press lies under the menu
    navigation = visitor.page.get_by_role("navigation", name="Main")
    assert_all_in_sight(navigation, 6)
    more = navigation.locator("summary")
    inbox = navigation.get_by_role("link", name="Inbox")
    expect(inbox).to_be_hidden()
    more.press("Enter")
    expect(inbox).to_be_visible()
    shot(visitor, "both-navigation")
    for name in ("Today", "Athletes", "My week", "Deliveries", "Activities", "Coaches", "Connections"):
        expect(navigation.get_by_role("link", name=name)).to_be_in_viewport(ratio=1)
    more.press("Tab")
    visitor.page.keyboard.press("Tab")
    expect(inbox).to_be_focused()
    visitor.page.keyboard.press("Enter")
    visitor.page.wait_for_url("**/inbox/")
    shot(visitor, "both-inbox")
