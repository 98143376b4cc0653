"""Activities for the tests, as a source would tell them."""

from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from django.db.models.functions import Now

from accounts.models import User
from coaching import activity_sink
from coaching.activity_sink import Origin
from coaching.models import Activity, CoachingLink, Share, ShareStatus, WorkoutRevision
from integrations import events
from integrations.records import ActivityRecord, Sport
from tests.coaching.world import make_workout

DAY = datetime.now(UTC).date() - timedelta(days=4)  # lately: some providers allow to keep a week only


def dispatch() -> None:
    while events.dispatch_due():
        pass


def record(external_id: str = "1", *, day: date = DAY, at: time = time(6), **fields: Any) -> ActivityRecord:
    given: dict[str, Any] = {"sport": Sport.RUNNING, "duration_s": 1800.0, "name": "Morning run"} | fields
    return ActivityRecord(external_id=external_id, started_at=datetime.combine(day, at, tzinfo=UTC), **given)


def did(athlete: User, told: ActivityRecord, *, source: str = "garmin", connection_id: int | None = None) -> Activity:
    """Stored as a sync would store it, with all that follows."""
    activity_sink.store(Origin(athlete.pk, source, connection_id), [told])
    dispatch()
    return Activity.objects.get(athlete=athlete, source=source, external_id=told.external_id)


def gone(athlete: User, source: str, external_id: str = "") -> None:
    """Deleted at its source, as a sweep would find it."""
    rows = Activity.objects.filter(athlete=athlete, source=source, gone_at=None)
    rows = rows.filter(external_id=external_id) if external_id else rows
    told = list(rows.values_list("pk", "day"))
    rows.update(gone_at=Now(), updated_at=Now())
    activity_sink.announce(athlete.pk, [pk for pk, _ in told], {day for _, day in told})
    dispatch()


def plan(link: CoachingLink, on: date | None = DAY, *, minutes: float | None = 30, **fields: Any) -> Share:
    workout = make_workout(link.coach)
    WorkoutRevision.objects.filter(workout=workout).update(duration_s=minutes and minutes * 60, **fields)
    workout.refresh_from_db()
    assert workout.current is not None
    return Share.objects.create(
        link=link, workout=workout, revision=workout.current, scheduled_for=on, status=ShareStatus.ACCEPTED
    )


def later(moment: datetime, **by: float) -> time:
    return (moment + timedelta(**by)).time()
