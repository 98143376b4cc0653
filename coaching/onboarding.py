"""The first steps of a coach or an athlete; each is done only on proof."""

from dataclasses import dataclass

from django.urls import reverse
from django.utils.translation import gettext

from accounts.models import User
from coaching.models import CoachingLink, Delivery, DeliveryStatus, Share, Workout
from integrations.models import Connection


@dataclass(frozen=True, slots=True)
class FirstStep:
    title: str
    why: str
    done: bool
    path: str
    action: str


def checklist(user: User) -> list[FirstStep]:
    """What to do next, in order, for the side the person is on; a coach's steps come first."""
    return [*_coach_steps(user), *_athlete_steps(user)] if user.is_coach else _athlete_steps(user, always=True)


def _connected(user: User) -> bool:
    return Connection.objects.for_user(user).active().exists()


def _coach_steps(user: User) -> list[FirstStep]:
    return [
        FirstStep(
            gettext("Connect your Garmin account"),
            gettext("Your workout library comes from there and stays in step."),
            _connected(user),
            reverse("integrations:connections"),
            gettext("Connect"),
        ),
        FirstStep(
            gettext("See your library arrive"),
            gettext("Every workout you have at Garmin, with its steps."),
            Workout.objects.library(user).exists(),
            reverse("coaching:library"),
            gettext("Open the library"),
        ),
        FirstStep(
            gettext("Invite an athlete"),
            gettext("They choose what you may see, and connect their own account."),
            CoachingLink.objects.active_for_coach(user).exists(),
            reverse("coaching:athletes"),
            gettext("Invite"),
        ),
        FirstStep(
            gettext("Share a workout"),
            gettext("It lands in the athlete's account and so on the watch."),
            Share.objects.for_coach(user).exists(),
            reverse("coaching:library"),
            gettext("Choose one"),
        ),
    ]


def _athlete_steps(user: User, *, always: bool = False) -> list[FirstStep]:
    if not always and not CoachingLink.objects.active().filter(athlete=user).exists():
        return []
    delivered = Delivery.objects.filter(share__link__athlete=user, status=DeliveryStatus.DELIVERED)
    return [
        FirstStep(
            gettext("Connect your Garmin account"),
            gettext("Workouts go to your own account and from there to your watch."),
            _connected(user),
            reverse("integrations:connections"),
            gettext("Connect"),
        ),
        FirstStep(
            gettext("Import your first workout"),
            gettext("One click: it appears on your Garmin calendar."),
            delivered.exists(),
            reverse("coaching:inbox"),
            gettext("Open the inbox"),
        ),
    ]
