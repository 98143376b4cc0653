"""The coach's pages in a real browser: the calendar by mouse and by keys, and every page at both widths and themes."""

from datetime import date, timedelta

import pytest
from django.urls import reverse
from playwright.sync_api import expect

from accounts.models import User
from coaching.models import CoachingLink, Share
from coaching.services import grouping, noting
from coaching.weeks import today_of, week_of
from tests.coaching.roster_world import ago, done, planned, trained_by
from tests.journeys.conftest import Enter, Visitor
from tests.journeys.served import as_person, shot, stack

__all__ = ["stack"]  # the fixture
pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
SCREENS = [(1440, "light"), (1440, "dark"), (390, "light"), (390, "dark")]


@pytest.fixture
def ben(coach: User) -> CoachingLink:
    link = trained_by(coach)
    planned(link, ago(link, 2), name="Missed hills")
    done(link, ago(link, 1), planned(link, ago(link, 1), name="Long run"), percent=60)
    planned(link, ago(link, 0), name="Easy run")
    noting.write(link, link.athlete, "My knee hurts a little.")
    grouping.make(coach, "Marathon in spring", [link])
    return link


@pytest.fixture
def tuesday(ben: CoachingLink) -> date:
    return week_of(today_of(ben.athlete)) + timedelta(days=8)


def on_calendar(enter: Enter, coach: User, day: date) -> Visitor:
    visitor = as_person(enter(width=1440, theme="light"), coach)
    visitor.go(f"/calendar/?day={day}")
    return visitor


def day_of(share: Share) -> date | None:
    share.refresh_from_db()
    return share.scheduled_for


def test_arrow_keys_move_a_session_and_keep_hold_of_it(
    enter: Enter, coach: User, ben: CoachingLink, tuesday: date
) -> None:
    share = planned(ben, tuesday, name="Track night")
    visitor = on_calendar(enter, coach, tuesday)
    session = visitor.page.get_by_role("link", name="Track night")
    session.focus()
    for _ in range(2):
        visitor.page.keyboard.press("Alt+ArrowRight")
        visitor.page.get_by_text("Track night is now on").wait_for()
        expect(visitor.page.get_by_role("link", name="Track night")).to_be_focused()
    assert day_of(share) == tuesday + timedelta(days=2)
    visitor.page.keyboard.press("Alt+ArrowLeft")
    visitor.page.get_by_text("Track night is now on Wednesday").wait_for()
    assert day_of(share) == tuesday + timedelta(days=1)


def test_the_dialog_moves_by_date(enter: Enter, coach: User, ben: CoachingLink, tuesday: date) -> None:
    share = planned(ben, tuesday, name="Track night")
    visitor = on_calendar(enter, coach, tuesday)
    visitor.page.get_by_role("link", name="Track night").press("Enter")
    dialog = visitor.page.get_by_role("dialog", name="Track night")
    expect(dialog.get_by_label("New day")).to_have_value(tuesday.isoformat())
    shot(visitor, "calendar-dialog")
    visitor.page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    visitor.page.get_by_role("link", name="Track night").click()
    dialog.get_by_label("New day").fill((tuesday + timedelta(days=5)).isoformat())
    dialog.get_by_role("button", name="Move").click()
    visitor.page.get_by_text("Track night is now on Sunday").wait_for()
    assert day_of(share) == tuesday + timedelta(days=5)


def test_dragging_moves_along_the_athletes_own_row_only(
    enter: Enter, coach: User, ben: CoachingLink, tuesday: date
) -> None:
    other = trained_by(coach, "Chen Wei")
    share = planned(ben, tuesday, name="Track night")
    visitor = on_calendar(enter, coach, tuesday)
    friday = tuesday + timedelta(days=3)

    def cell(link: CoachingLink, day: date) -> str:
        return f'td[data-row="{link.public_id}"][data-day="{day}"]'

    visitor.page.drag_and_drop(f"#s-{share.public_id}", cell(other, friday))
    assert day_of(share) == tuesday
    visitor.page.drag_and_drop(f"#s-{share.public_id}", cell(ben, friday))
    visitor.page.get_by_text("Track night is now on Friday").wait_for()
    assert day_of(share) == friday


@pytest.mark.parametrize(("width", "theme"), SCREENS)
def test_every_page_of_the_coach(enter: Enter, coach: User, ben: CoachingLink, width: int, theme: str) -> None:
    share = planned(ben, ago(ben, -1), name="Tempo with a name that is rather long and goes on")
    visitor = as_person(enter(width=width, theme=theme), coach)
    pages = {
        "today": "/today/", "calendar-week": "/calendar/", "calendar-month": "/calendar/?view=month",
        "calendar-move": reverse("coaching:move", args=[share.public_id]), "calendar-copy": "/calendar/copy/",
        "roster": "/athletes/", "groups": "/groups/", "invite": "/athletes/invite/",
        "group": reverse("coaching:group", args=[coach.athlete_groups.get().public_id]),
        **{
            name: reverse(f"coaching:{name}", args=[ben.public_id])
            for name in ("athlete", "athlete_deliveries", "athlete_activities", "notes")
        },
    }  # fmt: skip
    for name, path in pages.items():
        visitor.go(path)
        shot(visitor, f"coach-{name}")


@pytest.mark.parametrize(("width", "theme"), [(1440, "light"), (390, "dark")])
def test_the_list_before_a_week_is_copied(
    enter: Enter, coach: User, ben: CoachingLink, tuesday: date, width: int, theme: str
) -> None:
    planned(ben, tuesday, name="Track night")
    grouping.add(coach.athlete_groups.get(), [trained_by(coach, "Chen Wei")], by=coach)
    visitor = as_person(enter(width=width, theme=theme), coach)
    visitor.go(f"/athletes/{ben.public_id}/?day={tuesday}")
    visitor.page.get_by_role("link", name="Copy this week to a group").click()
    visitor.page.get_by_label("To the group").select_option("Marathon in spring")
    visitor.page.get_by_role("button", name="Show what would be offered").click()
    visitor.page.get_by_role("button", name="Offer 1 workout").wait_for()
    shot(visitor, "calendar-copy-list")
    visitor.page.get_by_role("button", name="Offer 1 workout").click()
    visitor.page.get_by_text("1 workout offered.").wait_for()
    assert Share.objects.filter(link__athlete__display_name="Chen Wei").count() == 1
