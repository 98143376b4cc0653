"""Where coaching hooks in: what it does with records that a sync brings, and with what happened elsewhere."""

from datetime import date
from typing import Any

from django.db import transaction
from django.dispatch import receiver

from accounts.models import User
from accounts.signals import arrived
from coaching import notifications, totals
from coaching.activity_sink import ActivitySink
from coaching.models import Share
from coaching.services import delivering, duplicates, library, matching, purging
from coaching.sinks import WorkoutSink
from integrations import events, sinks
from integrations.models import Connection, DomainEvent, Resource

ABOUT_PLANS = (
    "workout.shared", "share.accepted", "share.declined", "share.resumed", "share.withdrawn", "share.moved",
    "delivery.delivered",
)  # fmt: skip
DAYS = ("on", "was")


def resume_deliveries(event: DomainEvent) -> None:
    if event.connection and event.connection.status == Connection.Status.ACTIVE:
        delivering.resume_for(event.connection)


def cancel_deliveries(event: DomainEvent) -> None:
    if event.connection and event.connection.status == Connection.Status.DISCONNECTED:
        delivering.cancel_for(event.connection)


def purge_library(event: DomainEvent) -> None:
    if event.connection and event.payload.get("purge"):
        library.purge(event.connection)


def ask_again(_: DomainEvent) -> None:
    """A flag was turned: who waits to be let in is looked at again."""
    delivering.ask_again()


def match_changed(event: DomainEvent) -> None:
    """Pairs first: what is merged into another is matched by that one."""
    athlete = int(event.payload["athlete"])
    days = {date.fromisoformat(day) for day in event.payload["days"]}
    with transaction.atomic():
        merged = duplicates.find(athlete, event.payload["activities"])
        totals.refresh((athlete, day) for day in merged)
        matching.match_days(athlete, days | merged)


def match_share(event: DomainEvent) -> None:
    """A plan came, went, moved, or reached the account where its link is known from now on."""
    subject = "deliveries" if event.type == "delivery.delivered" else "pk"
    share = Share.objects.select_related("link").filter(**{subject: event.subject_id}).first()
    if share is None:
        return
    told = {share.scheduled_for, *(date.fromisoformat(event.payload[name]) for name in DAYS if event.payload.get(name))}
    if days := {day for day in told if day}:
        matching.match_days(share.link.athlete_id, days)


@receiver(arrived, dispatch_uid="coaching.arrived")
def welcome(user: User, **_: Any) -> None:
    events.publish("person.arrived", user)


sinks.register(Resource.WORKOUTS, WorkoutSink())
sinks.register(Resource.ACTIVITIES, ActivitySink())
events.subscribe("connection.activated", resume_deliveries)
events.subscribe("connection.disconnected", cancel_deliveries)
events.subscribe("connection.disconnected", purge_library)
events.subscribe("connection.disconnected", purging.on_disconnected)
events.subscribe("flag.changed", ask_again)
events.subscribe("activities.changed", match_changed)
for kind in ABOUT_PLANS:
    events.subscribe(kind, match_share)
for kind, consumer in notifications.CONSUMERS.items():
    events.subscribe(kind, consumer)
