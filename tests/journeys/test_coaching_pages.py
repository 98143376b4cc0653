"""States of the coaching pages that the story does not come through, in a real browser."""

from typing import Any

import pytest
from django.urls import reverse

from accounts.models import User
from coaching.models import CoachingLink, Delivery, Invitation
from coaching.services import inviting
from integrations.models import Connection, Provider
from integrations.records import End, EndKind, Segment, Sport, WorkoutRecord, WorkoutStep
from tests.coaching.world import accepted, make_workout
from tests.journeys.conftest import Enter
from tests.journeys.served import as_person, shot, stack

__all__ = ["stack"]  # the fixture
pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
SCREENS = [(1440, "light"), (1440, "dark"), (390, "light"), (390, "dark"), (360, "light")]


@pytest.fixture
def long_workout(coach: User, link: CoachingLink, garmin_provider: Provider) -> Any:
    """Of more steps than many watches hold; the coach and the athlete both have an account."""
    for user, number in ((coach, "1"), (link.athlete, "2")):
        Connection.objects.create(
            user=user, provider=garmin_provider, status="active", external_account_id=number, delivers=True
        )
    step = WorkoutStep(end=End(kind=EndKind.TIME, value=60))
    segment = Segment(sport=Sport.RUNNING, steps=(step,) * 60)
    workout = make_workout(coach, WorkoutRecord(name="Sixty minutes", sport=Sport.RUNNING, segments=(segment,)))
    workout.source = Connection.objects.get(user=coach)
    workout.save()
    return workout


@pytest.mark.parametrize(("width", "theme"), SCREENS)
def test_what_a_watch_may_not_hold(
    enter: Enter, coach: User, link: CoachingLink, long_workout: Any, width: int, theme: str
) -> None:
    visitor = as_person(enter(width=width, theme=theme), coach)
    for name in ("workout", "share"):
        visitor.go(reverse(f"coaching:{name}", args=[long_workout.public_id]))
        visitor.page.get_by_text("It may not fit on every watch.").wait_for()
        shot(visitor, f"{name}-too-long")


@pytest.mark.parametrize(("width", "theme"), SCREENS)
def test_invitations_from_both_sides(enter: Enter, coach: User, width: int, theme: str) -> None:
    _, token = inviting.invite(coach, "new@example.org")
    inviting.invite(coach, "unmailed@example.org")
    Invitation.objects.filter(email__startswith="unmailed").update(mailed_at=None)
    visitor = as_person(enter(width=width, theme=theme), coach)
    visitor.go(reverse("coaching:invite"))
    visitor.page.get_by_label("Email").fill("third@example.org")
    visitor.page.get_by_role("button", name="Send invitation").click()
    visitor.page.get_by_text("The invitation was mailed to third@example.org.").wait_for()
    visitor.page.get_by_text("not mailed").wait_for()
    shot(visitor, "roster-invited")
    stranger = enter(width=width, theme=theme)
    stranger.go(reverse("coaching:arrive", args=[token]))
    stranger.page.get_by_text("I do not know this person").click()
    shot(stranger, "invitation-report")
    stranger.page.get_by_role("button", name="Report this invitation").click()
    stranger.page.get_by_role("heading", name="Reported").wait_for()
    shot(stranger, "invitation-reported")


@pytest.mark.parametrize(("width", "theme"), [(1440, "light"), (390, "dark")])
def test_a_delivery_that_a_disconnect_cut_off_can_be_tried_again(
    enter: Enter, link: CoachingLink, long_workout: Any, width: int, theme: str
) -> None:
    delivery = accepted(link)
    Delivery.objects.filter(pk=delivery.pk).cancel(
        "disconnected", "The account was disconnected before the workout got there."
    )
    visitor = as_person(enter(width=width, theme=theme), link.athlete)
    visitor.go(reverse("coaching:offer", args=[delivery.share.public_id]))
    visitor.page.get_by_role("button", name="Try again").wait_for()
    shot(visitor, "offer-cut-off")
    visitor.page.get_by_role("button", name="Try again").click()
    visitor.page.get_by_text("On its way.").wait_for()
