"""Whatever coaching does about an event, it does once: operations may replay any of them."""

from datetime import timedelta
from typing import Any

import pytest
from django.db.models import Model
from django.utils import timezone

from accounts.models import User
from accounts.signals import arrived
from coaching import activity_sink
from coaching.activity_sink import Origin
from coaching.models import (
    Activity,
    CoachingLink,
    DailyTotal,
    Delivery,
    Match,
    Notification,
    Share,
    Workout,
)
from coaching.services import calling_off, inviting, noting, planning, sharing
from coaching.weeks import today_of
from integrations import credentials, event_types, events
from integrations.models import Connection, DomainEvent, FeatureFlag, Provider, SyncStream
from integrations.services import connecting, replaying
from tests.coaching.doings import record
from tests.coaching.world import accepted, easy_run, make_workout, offer, revise

pytestmark = pytest.mark.django_db


def connect(user: User, provider: Provider) -> Connection:
    return Connection.objects.create(
        user=user, provider=provider, status="active", external_account_id=str(user.pk), delivers=True
    )


def everything_happens(link: CoachingLink, other: User, provider: Provider) -> None:
    """A story that publishes every type that coaching listens to."""
    mine, theirs = connect(link.athlete, provider), connect(link.coach, provider)
    Workout.objects.filter(pk=make_workout(link.coach).pk).update(source=theirs, external_id="7")
    delivery = accepted(link)
    dispatch()
    hills = offer(link, easy_run("Hills"))
    sharing.decline(hills, by=link.athlete)
    calling_off.resume(hills, by=link.athlete)
    share = offer(link, easy_run("Track"))
    sharing.share_workout(
        revise(share.workout, easy_run("Longer")), targets=[(link, share.scheduled_for)], by=link.coach
    )
    planning.move(share, today_of(link.athlete) + timedelta(days=2), by=link.coach)
    noting.write(link, link.coach, "Take it easy.")
    dispatch()
    sharing.withdraw(share, by=link.coach)
    events.publish("delivery.failed", delivery, connection=mine, code="unsupported")
    events.publish("connection.activated", mine, connection=mine)
    invitation, _ = inviting.invite(link.coach, other.email)
    inviting.accept(invitation, other)
    dispatch()
    flag = FeatureFlag.objects.get(name="garmin-deliver")
    events.publish("flag.changed", flag, flag=flag.name, enabled=True, percentage=100)
    activity_sink.store(Origin(link.athlete_id, "garmin", mine.pk), [record("1")], connection=mine)
    events.publish("delivery.delivered", delivery, connection=mine)
    stream = SyncStream.objects.create(connection=mine, resource="activities")
    events.publish("activities.silent", stream, connection=mine, days=9, usual=2)
    arrived.send(sender=User, user=other)
    dispatch()
    inviting.end_link(link, by=link.athlete)
    credentials.lose(mine, "invalid_grant")
    dispatch()
    connecting.disconnect(theirs, actor=link.coach, purge=True)


def state() -> dict[str, list[dict[str, Any]]]:
    models: tuple[type[Model], ...] = (
        Notification, Delivery, Share, Workout, CoachingLink, Connection, Activity, Match, DailyTotal,
    )  # fmt: skip
    return {model.__name__: list(model._default_manager.order_by("pk").values()) for model in models}


def dispatch() -> None:
    while events.dispatch_due():
        pass
    assert not DomainEvent.objects.exclude(status="done").exists()


def test_a_replay_of_all_that_ever_happened_changes_nothing(
    link: CoachingLink, stranger: User, garmin_provider: Provider
) -> None:
    everything_happens(link, stranger, garmin_provider)
    dispatch()
    heard = {kind for kind in event_types.names() if events.handlers(kind)}
    assert heard <= set(DomainEvent.objects.values_list("type", flat=True)), "the story leaves one out"
    before, began = state(), timezone.now()
    assert len(before["Notification"]) > 10
    for event in DomainEvent.objects.order_by("-pk"):  # the wrong way round, too
        assert replaying.replay_although_over(event)
        assert events.dispatch_due() == 1
    assert DomainEvent.objects.filter(replays=1, done_at__gt=began).count() == DomainEvent.objects.count()
    assert state() == before
