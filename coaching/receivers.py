"""Where coaching hooks in: what it does with records that a sync brings."""

from coaching.sinks import WorkoutSink
from integrations import sinks
from integrations.models import Resource

sinks.register(Resource.WORKOUTS, WorkoutSink())
