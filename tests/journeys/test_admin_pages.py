"""Operations' pages in a real browser: a clean console, nothing for axe to find, nothing wider than the screen."""

from datetime import timedelta

import pytest
from django.conf import settings
from django.utils import timezone
from django_celery_beat.models import IntervalSchedule, PeriodicTask

from accounts.models import User
from integrations import credentials
from integrations.models import Connection, Credential, DomainEvent, LoginCooldown, Provider, SyncJob, SyncStream, Tick
from integrations.spec import Grant
from tests.journeys.conftest import Enter
from tests.journeys.served import as_person, shot, stack

__all__ = ["stack"]  # the fixture
pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def day(athlete: User, coach: User, garmin_provider: Provider) -> Connection:
    """A day with a bit of everything that can go wrong."""
    now = timezone.now()
    for user, number in ((coach, "1"), (athlete, "2")):
        connection = Connection.objects.create(
            user=user, provider=garmin_provider, status="active", external_account_id=number, last_ok_at=now
        )
        credentials.store(connection, Grant({"access": "x"}, None), kind=Credential.Kind.SESSION)
    credentials.lose(connection, "invalid_grant")
    stream = SyncStream.objects.create(
        connection=Connection.objects.get(user=coach), resource="workouts", sweep_held_generation=2, sweep_held_n=31
    )
    finished = {"finished_at": now, "started_at": now, "expected": 60, "created_n": 12}
    SyncJob.objects.create(stream=stream, status="failed", error_code="server", **finished)
    SyncJob.objects.create(stream=stream, next_attempt_at=now - timedelta(minutes=20))
    Credential.objects.filter(connection__user=coach).update(refresh_failures=2, refresh_failed_at=now)
    LoginCooldown.objects.create(provider=garmin_provider, account_key="k" * 64, until=now + timedelta(hours=2))
    DomainEvent.objects.create(
        type="workout.shared", source="coaching", subject_type="x", subject_id="1", status="dead"
    )
    for name in ("tick_streams", "tick_events", "tick_deliveries"):
        Tick.objects.create(name=name, last_at=now - timedelta(seconds=20), last_seconds=0.02, last_count=3)
    schedule = IntervalSchedule.objects.create(every=30, period="seconds")
    PeriodicTask.objects.create(name="Due streams", task="integrations.tasks.tick_streams", interval=schedule)
    return Connection.objects.get(user=coach)


@pytest.mark.parametrize(("width", "theme"), [(1440, "light"), (390, "dark"), (360, "light")])
def test_operations_pages_look_right(enter: Enter, operator: User, day: Connection, width: int, theme: str) -> None:
    ops = enter(width=width, theme=theme)
    as_person(ops, operator)
    provider, credential = day.provider, Credential.objects.get(connection=day)
    pages = {
        "home": "",
        "providers": "integrations/provider/",
        "provider": f"integrations/provider/{provider.pk}/change/",
        "connections": "integrations/connection/",
        "connection": f"integrations/connection/{day.pk}/change/",
        "credential": f"integrations/credential/{credential.pk}/change/",
        "runs": "integrations/syncjob/",
        "events": "integrations/domainevent/",
        "event": f"integrations/domainevent/{DomainEvent.objects.get(status='dead').pk}/change/",
        "audit": "accounts/auditentry/",
        "person": f"accounts/user/{day.user_id}/change/",
        "deliveries": "coaching/delivery/",
        "schedule": f"django_celery_beat/periodictask/{PeriodicTask.objects.get(name='Due streams').pk}/change/",
    }
    for name, path in pages.items():
        ops.go(f"/{settings.ADMIN_PATH}{path}")
        shot(ops, f"admin-{name}")


@pytest.mark.parametrize(("width", "theme", "columns"), [(1440, "dark", range(2, 4)), (390, "light", range(1, 2))])
def test_the_home_uses_the_width_it_has(
    enter: Enter, operator: User, day: Connection, width: int, theme: str, columns: range
) -> None:
    ops = enter(width=width, theme=theme)
    as_person(ops, operator)
    ops.go(f"/{settings.ADMIN_PATH}")
    for parts in (".panels > .panel", "#content-main .module"):
        edges = ops.page.eval_on_selector_all(parts, "all => all.map(e => Math.round(e.getBoundingClientRect().left))")
        assert len(set(edges)) in columns, (parts, edges)
    shot(ops, "admin-home")


def test_an_operation_from_the_page_of_a_connection(enter: Enter, operator: User, day: Connection) -> None:
    ops = enter(width=1440, theme="light")
    as_person(ops, operator)
    ops.go(f"/{settings.ADMIN_PATH}integrations/connection/{day.pk}/change/")
    ops.page.get_by_role("button", name="Pause").click()
    shot(ops, "admin-operation")
    ops.page.get_by_label("Reason").fill("The owner asked by phone")
    ops.page.get_by_role("button", name="Pause", exact=True).click()
    ops.page.get_by_text("Pause: done for 1.").wait_for()
    assert ops.page.url.endswith(f"integrations/connection/{day.pk}/change/")
    day.refresh_from_db()
    assert day.status == Connection.Status.PAUSED
    shot(ops, "admin-operation-done")
