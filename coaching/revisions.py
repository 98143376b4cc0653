"""From a record to the row that keeps it."""

from coaching import charts
from coaching.models import Workout, WorkoutRevision
from integrations.records import WorkoutRecord


def revision_of(workout: Workout, record: WorkoutRecord, *, content_hash: str) -> WorkoutRevision:
    """The next revision of `workout`, not saved yet."""
    sums = charts.totals(record)
    duration_s = sums.duration_s if sums.exact else record.duration_s or sums.duration_s
    return WorkoutRevision(
        workout=workout,
        number=workout.current.number + 1 if workout.current else 1,
        name=record.name,
        sport=record.sport,
        duration_s=_whole(duration_s),
        distance_m=_whole(sums.distance_m or record.distance_m),
        content=record.content(),
        content_hash=content_hash,
    )


def _whole(value: float | None) -> int | None:
    """None for nothing: a workout of open steps has no length rather than one of 0."""
    return round(value) if value else None
