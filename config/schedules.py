"""What beat does when, as the product is delivered; afterwards the rows in the admin decide."""

from typing import NamedTuple

from django_celery_beat.models import IntervalSchedule, PeriodicTask


class Schedule(NamedTuple):
    name: str
    task: str
    every_s: int


SCHEDULES = [
    Schedule("Queue streams that are due", "integrations.tasks.tick_streams", 30),
    Schedule("Ring for sync jobs that wait", "integrations.tasks.tick_jobs", 30),
    Schedule("Read the past and compare ids", "integrations.tasks.tick_history", 60),
    Schedule("Hand on events", "integrations.tasks.tick_events", 30),
    Schedule("Delete old events", "integrations.tasks.tick_old_events", 600),
    Schedule("Take work from silent workers", "integrations.tasks.tick_reaper", 60),
    Schedule("Tidy logins", "integrations.tasks.tick_connect_sessions", 30),
    Schedule("Process webhooks", "webhooks.tasks.tick_webhooks", 30),
    Schedule("Tidy webhooks", "webhooks.tasks.tick_old_webhooks", 600),
    Schedule("Ask about connections in doubt", "integrations.tasks.tick_doubts", 60),
    Schedule("Look at quiet providers", "integrations.tasks.tick_health", 60),
    Schedule("Go on with key rotations", "integrations.tasks.tick_rotations", 30),
    Schedule("Renew credentials that end soon", "integrations.tasks.tick_credentials", 600),
    Schedule("Move deliveries on", "coaching.tasks.tick_deliveries", 30),
    Schedule("Go on with uploads", "coaching.tasks.tick_uploads", 30),
    Schedule("Delete files that lay ready", "coaching.tasks.tick_originals", 300),
    Schedule("Send notifications", "coaching.tasks.tick_notifications", 30),
    Schedule("Look for accounts that are too quiet", "coaching.tasks.tick_silence", 3600),
    Schedule("Delete what providers let us keep no longer", "coaching.tasks.tick_policy", 86400),
    Schedule("Hand out and erase people's data", "config.tasks.tick_data_requests", 30),
    Schedule("Delete what was kept long enough", "config.tasks.tick_retention", 3600),
]


def create_missing() -> list[str]:
    """Make the rows that are not there yet and leave all others as operations set them. Returns the new names.

    A message that waited longer than its interval is dropped: the next one does the same.
    """
    there = set(PeriodicTask.objects.values_list("task", flat=True))
    missing = [schedule for schedule in SCHEDULES if schedule.task not in there]
    for schedule in missing:
        interval, _ = IntervalSchedule.objects.get_or_create(every=schedule.every_s, period=IntervalSchedule.SECONDS)
        PeriodicTask.objects.create(
            name=schedule.name,
            task=schedule.task,
            interval=interval,
            expire_seconds=schedule.every_s,
        )
    return [schedule.name for schedule in missing]
