"""What beat does: the rows are delivered once, and operations own them from then on."""

from io import StringIO
from typing import Any

import pytest
from celery import current_app
from django.conf import settings
from django.core.management import call_command
from django.utils import timezone
from django_celery_beat.models import IntervalSchedule, PeriodicTask

from config import schedules
from integrations import bell
from integrations.models import Tick
from tests.integrations.broker import taken

pytestmark = pytest.mark.django_db


def our_tasks() -> dict[str, Any]:
    """All registered tasks but those that Celery brings."""
    current_app.loader.import_default_modules()
    return {name: task for name, task in current_app.tasks.items() if not name.startswith("celery.")}


def queue_of(name: str) -> str:
    return str(current_app.amqp.router.route({}, name)["queue"].name)


def test_every_tick_of_the_code_has_a_schedule() -> None:
    ticks = {name for name in our_tasks() if name.rpartition(".")[2].startswith("tick_")}
    assert ticks == {schedule.task for schedule in schedules.SCHEDULES}


@pytest.mark.parametrize("schedule", schedules.SCHEDULES, ids=lambda schedule: schedule.task)
def test_every_tick_leaves_its_heartbeat(schedule: schedules.Schedule) -> None:
    before = timezone.now()
    our_tasks()[schedule.task]()
    assert Tick.objects.get(name=schedule.task.rpartition(".")[2]).last_at >= before


def test_every_task_has_its_route_in_the_settings_and_no_queue_of_its_own() -> None:
    for name, task in our_tasks().items():
        assert current_app.amqp.router.lookup_route(name), f"{name} is missing in CELERY_TASK_ROUTES"
        assert not hasattr(task, "queue"), f"{name}: Celery drops this; its queue belongs into CELERY_TASK_ROUTES"
    named = {name for name in settings.CELERY_TASK_ROUTES if "*" not in name}
    assert named <= our_tasks().keys(), "a route without a task"


def test_what_people_wait_for_stands_in_a_queue_of_its_own() -> None:
    waiting = {"log_in", "submit_code", "check_connection", "renew_credential", "self_test"}
    waiting |= {"deliver", "tick_deliveries", "read_details", "fetch_original", "read_upload"}
    queues = {name.rpartition(".")[2]: queue_of(name) for name in our_tasks()}
    assert {name for name, queue in queues.items() if queue == "interactive"} == waiting
    assert {name for name, queue in queues.items() if queue == "sync"} == {"run_sync"}
    assert {name for name, queue in queues.items() if queue == "webhooks"} == {"process_events"}
    assert set(queues.values()) == {"interactive", "webhooks", "sync", "housekeeping"}


@pytest.mark.django_db(transaction=True)
def test_the_bell_rings_in_the_tasks_queue() -> None:
    taken("sync")
    bell.ring(bell.RUN_SYNC, 7)
    assert taken("sync") == [("integrations.tasks.run_sync", [7])]


def test_the_rows_are_made_once_and_a_late_message_is_dropped() -> None:
    PeriodicTask.objects.all().delete()
    out = StringIO()
    call_command("sync_schedules", stdout=out)
    assert out.getvalue().count("created:") == len(schedules.SCHEDULES)
    for schedule in schedules.SCHEDULES:
        row = PeriodicTask.objects.get(task=schedule.task)
        assert row.interval is not None
        assert (row.interval.every, row.interval.period) == (schedule.every_s, IntervalSchedule.SECONDS)
        assert (row.queue, row.expire_seconds, row.enabled) == (None, schedule.every_s, True)
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
