"""What beat does: the rows are delivered once, and operations own them from then on."""

from io import StringIO

import pytest
from celery import current_app
from django.core.management import call_command
from django_celery_beat.models import IntervalSchedule, PeriodicTask

from config import schedules

pytestmark = pytest.mark.django_db


def test_every_schedule_names_a_task_that_exists_in_its_own_queue() -> None:
    current_app.loader.import_default_modules()
    for schedule in schedules.SCHEDULES:
        assert getattr(current_app.tasks[schedule.task], "queue", "") == schedule.queue, schedule.task


def test_every_tick_of_the_code_has_a_schedule() -> None:
    current_app.loader.import_default_modules()
    ticks = {name for name in current_app.tasks if name.rpartition(".")[2].startswith("tick_")}
    assert ticks == {schedule.task for schedule in schedules.SCHEDULES}


def test_the_rows_are_made_once_and_a_late_message_is_dropped() -> None:
    PeriodicTask.objects.all().delete()
    out = StringIO()
    call_command("sync_schedules", stdout=out)
    assert out.getvalue().count("created:") == len(schedules.SCHEDULES)
    for schedule in schedules.SCHEDULES:
        row = PeriodicTask.objects.get(task=schedule.task)
        assert row.interval is not None
        assert (row.interval.every, row.interval.period) == (schedule.every_s, IntervalSchedule.SECONDS)
        assert (row.queue, row.expire_seconds, row.enabled) == (schedule.queue, schedule.every_s, True)
    again = StringIO()
    call_command("sync_schedules", stdout=again)
    assert again.getvalue() == ""


def test_what_operations_changed_stays(db: None) -> None:
    PeriodicTask.objects.all().delete()
    schedules.create_missing()
    slow, _ = IntervalSchedule.objects.get_or_create(every=15, period=IntervalSchedule.MINUTES)
    first = schedules.SCHEDULES[0]
    PeriodicTask.objects.filter(task=first.task).update(name="Renamed", interval=slow, enabled=False)
    assert schedules.create_missing() == []
    row = PeriodicTask.objects.get(task=first.task)
    assert (row.name, row.enabled, row.interval) == ("Renamed", False, slow)


def test_migrating_makes_the_rows() -> None:
    assert PeriodicTask.objects.filter(task="integrations.tasks.tick_streams").exists()
