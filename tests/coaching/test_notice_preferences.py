"""Each person says what he wants to hear of, how, and when not."""

from datetime import UTC, datetime, time, timedelta

import pytest
import time_machine
from django.core import mail
from django.test import Client

from accounts.models import User
from coaching import mailing, preferences
from coaching.models import Channel, CoachingLink, Notification, NotificationChoice, NotificationTimes
from coaching.notice_kinds import KINDS
from integrations import events
from tests.coaching.world import offer

pytestmark = pytest.mark.django_db
PAGE = "/notifications/settings/"
NOON = datetime(2026, 12, 1, 12, tzinfo=UTC)  # in Lisbon, too


def dispatch() -> None:
    while events.dispatch_due():
        pass


def channels(user: User) -> set[str]:
    return set(Notification.objects.filter(recipient=user).values_list("channel", flat=True))


def choose(user: User, kind: str, *wanted: str) -> None:
    preferences.choose(user, {kind: frozenset(wanted)})


def test_each_kind_goes_where_the_person_wants_it(link: CoachingLink) -> None:
    choose(link.athlete, "workout_shared", Channel.DIGEST)
    offer(link)
    dispatch()
    assert channels(link.athlete) == {Channel.DIGEST}


def test_nothing_at_all_is_a_choice(link: CoachingLink) -> None:
    choose(link.athlete, "workout_shared")
    offer(link)
    dispatch()
    assert channels(link.athlete) == set()


def test_who_chose_nothing_follows_the_defaults(athlete: User) -> None:
    choose(athlete, "workout_shared", Channel.IN_APP)
    choose(athlete, "workout_shared", Channel.IN_APP, Channel.EMAIL)
    assert not NotificationChoice.objects.exists(), "equal to the default: no row, so that a new default counts"


def test_quiet_hours_put_a_mail_off_and_lose_none(link: CoachingLink) -> None:
    NotificationTimes.objects.create(user=link.athlete, quiet_from=time(22), quiet_to=time(7))
    with time_machine.travel(datetime(2026, 12, 1, 23, 30, tzinfo=UTC), tick=False):
        offer(link)
        dispatch()
        assert preferences.due_at(link.athlete, Channel.EMAIL, datetime.now(UTC)) == datetime(
            2026, 12, 2, 7, tzinfo=UTC
        )
    row = Notification.objects.get(channel=Channel.EMAIL)
    assert row.next_attempt_at == datetime(2026, 12, 2, 7, tzinfo=UTC)


@pytest.mark.parametrize(
    ("hours", "at", "waits"),
    [
        ((22, 7), 23, True),
        ((22, 7), 6, True),
        ((22, 7), 7, False),
        ((22, 7), 21, False),
        ((12, 14), 13, True),
        ((12, 14), 14, False),
        ((5, 5), 5, False),
    ],
)
def test_hours_are_those_of_the_persons_clock(athlete: User, hours: tuple[int, int], at: int, waits: bool) -> None:
    athlete.time_zone = "Pacific/Kiritimati"  # fourteen hours ahead
    NotificationTimes.objects.create(user=athlete, quiet_from=time(hours[0]), quiet_to=time(hours[1]))
    now = datetime(2026, 12, 1, at, tzinfo=UTC) - timedelta(hours=14)
    assert (preferences.due_at(athlete, Channel.EMAIL, now) > now) == waits


def test_a_digest_is_one_mail_with_all_of_it(link: CoachingLink) -> None:
    choose(link.athlete, "workout_shared", Channel.DIGEST)
    for _ in range(3):
        offer(link)
    dispatch()
    assert mailing.send_due() == 0, "its hour has not come"
    Notification.objects.update(next_attempt_at=NOON - timedelta(days=30))
    assert mailing.send_due() == 1
    (message,) = mail.outbox
    assert message.body.count("Easy run") == 3
    assert message.to == [link.athlete.email]
    assert mailing.send_due() == 0
    assert set(Notification.objects.values_list("status", flat=True)) == {"sent"}


def test_one_click_stops_a_kind_without_a_login(link: CoachingLink, client: Client) -> None:
    offer(link)
    dispatch()
    mailing.send_due()
    headers = mail.outbox[0].extra_headers
    assert headers["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    address = headers["List-Unsubscribe"].strip("<>").removeprefix("http://127.0.0.1:8010")
    path = address[address.index("/notifications/") :]
    assert client.get(path).status_code == 200
    assert preferences.channels_for(link.athlete, "workout_shared") == {Channel.IN_APP, Channel.EMAIL}, (
        "looking is free"
    )
    enforcing = Client(enforce_csrf_checks=True)
    assert enforcing.post(path, {"List-Unsubscribe": "One-Click"}).status_code == 200
    assert preferences.channels_for(link.athlete, "workout_shared") == {Channel.IN_APP}
    assert preferences.channels_for(link.athlete, "delivery_failed") == {Channel.IN_APP, Channel.EMAIL}


def test_what_we_did_not_sign_stops_nothing(client: Client, athlete: User) -> None:
    path = mailing.unsubscribe_path(athlete, "workout_shared")
    assert client.post(path[:-4] + "AAA/").status_code == 404
    assert client.post(mailing.unsubscribe_path(athlete, "nonsense")).status_code == 404
    assert not NotificationChoice.objects.exists()


def test_the_page_keeps_what_was_chosen(client: Client, athlete: User) -> None:
    client.force_login(athlete)
    answer = client.get(PAGE)
    assert "A coach shares a workout with me" in answer.text
    assert "An athlete declines a workout" not in answer.text, "for coaches"
    client.post(PAGE, {"workout_shared-digest": "on", "digest_at": "18:30", "quiet_from": "", "quiet_to": ""})
    assert preferences.channels_for(athlete, "workout_shared") == {Channel.DIGEST}
    assert preferences.channels_for(athlete, "share_declined") == {Channel.IN_APP, Channel.DIGEST}, (
        "was not on the page"
    )
    assert NotificationTimes.objects.get().digest_at == time(18, 30)


def test_half_of_the_quiet_hours_is_refused(client: Client, athlete: User) -> None:
    client.force_login(athlete)
    answer = client.post(PAGE, {"workout_shared-digest": "on", "digest_at": "18:30", "quiet_from": "22:00"})
    assert "or neither" in answer.text
    assert not NotificationChoice.objects.exists()


def test_every_kind_that_is_told_is_known() -> None:
    """A consumer with a new kind of message needs its line in the table of choices."""
    assert set(KINDS) >= {"workout_shared", "share_moved", "note_written", "link_ended", "reconnect_needed"}
    for code, kind in KINDS.items():
        assert kind.label
        assert not (kind.by_mail and kind.in_digest), code
