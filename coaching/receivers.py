"""Where coaching hooks in: what it does with records that a sync brings, and with what happened elsewhere."""

from coaching import notifications
from coaching.activity_sink import ActivitySink
from coaching.services import delivering, library
from coaching.sinks import WorkoutSink
from integrations import events, sinks
from integrations.models import Connection, DomainEvent, Resource


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


sinks.register(Resource.WORKOUTS, WorkoutSink())
sinks.register(Resource.ACTIVITIES, ActivitySink())
events.subscribe("connection.activated", resume_deliveries)
events.subscribe("connection.disconnected", cancel_deliveries)
events.subscribe("connection.disconnected", purge_library)
events.subscribe("flag.changed", ask_again)
for kind, consumer in notifications.CONSUMERS.items():
    events.subscribe(kind, consumer)
