"""Suspicious silence: by the athlete's own rhythm, told once and then weekly, over as soon as something comes."""

from datetime import timedelta

import pytest
from django.utils import timezone

from accounts.models import User
from coaching.models import Channel, DailyTotal, Notification
from coaching.services import silence
from integrations import events
from integrations.models import Connection, DomainEvent, Provider, SyncStream

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def stream(athlete: User, garmin_provider: Provider) -> SyncStream:
    connection = Connection.objects.create(
        user=athlete, provider=garmin_provider, status="active", external_account_id="1"
    )
    return SyncStream.objects.create(connection=connection, resource="activities", last_success_at=timezone.now())


def trained(athlete: User, *days_ago: int, source: str = "garmin") -> None:
    today = timezone.now().date()
    DailyTotal.objects.bulk_create(
        [
            DailyTotal(
                athlete=athlete, day=today - timedelta(days=n), source=source, sport="running", activities_n=1,
                duration_s=1,
            )
            for n in days_ago
        ]
    )  # fmt: skip


def told() -> int:
    return DomainEvent.objects.filter(type="activities.silent").count()


@pytest.mark.parametrize(
    ("days_ago", "is_silent"),
    [
        (range(5, 40, 1), True),  # daily, nothing for 5 days
        (range(3, 40, 1), False),  # four days at least, however often somebody trains
        (range(7, 50, 2), True),  # every other day: more than 6
        (range(6, 50, 2), False),
        (range(10, 56, 7), False),  # weekly: 10 days are nothing
        (range(22, 56, 7), True),
        ((9, 20, 40), False),  # three days are no rhythm
        (range(60, 100), False),  # all of it too long ago
    ],
)
def test_who_is_silent_is_measured_by_his_own_rhythm(stream: SyncStream, days_ago: range, *, is_silent: bool) -> None:
    trained(stream.connection.user, *days_ago)
    assert [one.stream_id for one in silence.found()] == ([stream.pk] if is_silent else [])


@pytest.mark.parametrize(
    ("model", "change"),
    [
        (Connection, {"status": "paused"}),
        (SyncStream, {"enabled": False}),
        (SyncStream, {"failures": 1}),
        (SyncStream, {"last_success_at": None}),
        (DailyTotal, {"source": "strava"}),
    ],
    ids=["paused", "stopped", "failing", "never", "elsewhere"],
)
def test_silence_is_odd_only_where_all_seems_well(
    stream: SyncStream, model: type[Connection | SyncStream | DailyTotal], change: dict[str, object]
) -> None:
    trained(stream.connection.user, *range(9, 40))
    assert silence.found()
    model.objects.update(**change)
    assert silence.found() == []


def test_it_is_told_once_then_weekly_and_anew_after_something_came(stream: SyncStream) -> None:
    athlete = stream.connection.user
    trained(athlete, *range(9, 40))
    assert [silence.tell(), silence.tell()] == [1, 0]
    SyncStream.objects.update(silence_told_at=timezone.now() - timedelta(days=7, minutes=1))
    assert [silence.tell(), silence.tell()] == [1, 0]
    trained(athlete, 0)
    assert silence.tell() == 0
    stream.refresh_from_db()
    assert (stream.silent_since, stream.silence_told_at) == (None, None)
    DailyTotal.objects.filter(day=timezone.now().date()).delete()
    assert silence.tell() == 1
    assert told() == 3


def test_the_owner_reads_how_long_and_what_is_usual(stream: SyncStream) -> None:
    trained(stream.connection.user, *range(9, 41, 2))
    silence.tell()
    events.dispatch_due()
    notice = Notification.objects.get(channel=Channel.IN_APP)
    assert notice.recipient == stream.connection.user
    assert (
        "Nothing has come from Garmin Connect for 9 days; otherwise something comes every 2 days."
        in (notice.context["text"])
    )
    mail = Notification.objects.get(channel=Channel.EMAIL)
    assert mail.context["subject"] == "Nothing from Garmin Connect for 9 days"


def test_who_was_heard_of_in_between_is_told_of_anew(stream: SyncStream) -> None:
    """Late ones came, and nothing since: another silence, whatever was told of the one before."""
    trained(stream.connection.user, *range(20, 50))
    assert [silence.tell(), silence.tell()] == [1, 0]
    trained(stream.connection.user, 10)
    assert [silence.tell(), silence.tell()] == [1, 0]
    stream.refresh_from_db()
    assert stream.silent_since == timezone.now().date() - timedelta(days=10)
