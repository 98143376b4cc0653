"""When runs begin: for whom there are streams, what the ticks queue, and that two ticks at once do no harm."""

import threading
from datetime import timedelta

import pytest
from django.db import connection as database
from django.db import transaction
from django.db.models.functions import Now
from django.utils import timezone

from accounts.models import AuditEntry, User
from integrations import tasks, ticks
from integrations.models import Connection, Provider, ProviderMode, SyncJob, SyncStream, Tick
from integrations.services import concluding, scheduling
from tests.integrations.broker import taken
from tests.patience import somebody_waits_for_us, until

pytestmark = pytest.mark.django_db(transaction=True)

MANY = 300
Status = SyncJob.Status


def connect(user: User, provider: Provider, number: int = 1, **fields: str) -> Connection:
    return Connection.objects.create(
        user=user, provider=provider, **{"status": "active", "external_account_id": str(number), **fields}
    )


@pytest.fixture
def stream(coach: User, garmin_provider: Provider) -> SyncStream:
    """A stream that is due, without a job."""
    return SyncStream.objects.create(connection=connect(coach, garmin_provider), resource="workouts")


def test_a_coach_gets_streams_of_workouts_and_activities_that_run_at_once(
    coach: User, garmin_provider: Provider
) -> None:
    taken("sync")
    connection = connect(coach, garmin_provider)
    scheduling.add_streams(connection)
    streams = SyncStream.objects.filter(connection=connection)
    jobs = list(SyncJob.objects.filter(stream__in=streams).order_by("pk"))
    assert {stream.resource for stream in streams} == {"workouts", "activities"}
    assert all(stream.enabled and stream.next_run_at <= timezone.now() for stream in streams)
    assert {job.status for job in jobs} == {Status.QUEUED}
    assert taken("sync") == [("integrations.tasks.run_sync", [job.pk]) for job in jobs]


def test_adding_streams_again_makes_the_old_one_due_again(coach: User, garmin_provider: Provider) -> None:
    connection = connect(coach, garmin_provider)
    scheduling.add_streams(connection)
    SyncStream.objects.update(next_run_at=Now() + timedelta(days=1), failures=3, enabled=False)
    scheduling.add_streams(connection)
    assert SyncJob.objects.count() == SyncStream.objects.count() == 2
    for stream in SyncStream.objects.all():
        assert (stream.failures, stream.enabled) == (0, True)
        assert stream.next_run_at <= timezone.now()


def test_who_does_not_coach_has_no_library_until_he_does(athlete: User, garmin_provider: Provider) -> None:
    connection = connect(athlete, garmin_provider)
    scheduling.add_streams(connection)
    assert SyncStream.objects.get().resource == "activities"
    User.objects.start_coaching(athlete)
    library = SyncStream.objects.get(resource="workouts")
    assert library.connection == connection
    assert SyncJob.objects.get(stream=library).status == Status.QUEUED


def test_starting_to_coach_touches_no_connection_that_is_not_active(athlete: User, garmin_provider: Provider) -> None:
    connect(athlete, garmin_provider, status="needs_reauth")
    User.objects.start_coaching(athlete)
    assert not SyncStream.objects.exists()


@pytest.mark.parametrize(
    ("model", "change"),
    [
        (SyncStream, {"enabled": False}),
        (SyncStream, {"next_run_at": Now() + timedelta(minutes=1)}),
        (Connection, {"status": "needs_reauth"}),
        (Connection, {"status": "paused"}),
        (Provider, {"mode": ProviderMode.HOLD}),
        (Provider, {"mode": ProviderMode.OFF}),
        (Provider, {"sync_enabled": False}),
    ],
)
def test_what_may_not_run_is_not_queued(
    stream: SyncStream, model: type[SyncStream | Connection | Provider], change: dict[str, object]
) -> None:
    model.objects.update(**change)
    assert SyncStream.objects.queue_due(10) == []
    assert not SyncJob.objects.exists()


def test_the_tick_queues_what_is_due_and_rings_for_it(stream: SyncStream) -> None:
    taken("sync")
    tasks.tick_streams()
    job = SyncJob.objects.get(stream=stream)
    assert (job.status, job.trigger) == (Status.QUEUED, SyncJob.Trigger.SCHEDULE)
    assert len(job.trace_id) == 32
    assert taken("sync") == [("integrations.tasks.run_sync", [job.pk])]
    tasks.tick_streams()
    assert SyncJob.objects.count() == 1
    assert taken("sync") == []


def test_the_tick_rings_again_for_what_nobody_took(stream: SyncStream) -> None:
    SyncStream.objects.queue_due(10)
    taken("sync")
    tasks.tick_jobs()
    assert taken("sync") == [("integrations.tasks.run_sync", [SyncJob.objects.get().pk])]
    SyncJob.objects.update(next_attempt_at=Now() + timedelta(minutes=1))
    tasks.tick_jobs()
    assert taken("sync") == []


def test_many_ticks_at_once_queue_each_stream_once(garmin_provider: Provider) -> None:
    people = User.objects.bulk_create([User(email=f"coach{n}@example.org") for n in range(MANY)])
    connections = Connection.objects.bulk_create(
        [
            Connection(user=user, provider=garmin_provider, status="active", external_account_id=str(user.pk))
            for user in people
        ]
    )
    SyncStream.objects.bulk_create([SyncStream(connection=each, resource="workouts") for each in connections])
    start = threading.Barrier(4)

    def tick_and_finish() -> None:
        """A beat and a worker that is done before the next beat looks."""
        start.wait()
        for _ in range(12):
            for pk in SyncStream.objects.queue_due(40):
                if job := SyncJob.objects.claim(pk):
                    SyncStream.objects.filter(pk=job.stream_id).update(next_run_at=Now() + timedelta(hours=1))
                    job.settle(status=Status.SUCCEEDED, finished_at=Now())
        database.close()

    threads = [threading.Thread(target=tick_and_finish) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert SyncJob.objects.count() == MANY
    assert SyncJob.objects.values("stream").distinct().count() == MANY
    assert set(SyncJob.objects.values_list("attempts", flat=True)) == {1}


def test_a_tick_that_meets_a_click_adds_nothing(stream: SyncStream) -> None:
    inserted = threading.Event()
    seen: list[int] = []

    def tick() -> None:
        inserted.wait(60)
        seen.extend(SyncStream.objects.queue_due(10))  # waits for the click's commit
        database.close()

    ticker = threading.Thread(target=tick)
    ticker.start()
    with transaction.atomic():
        job = scheduling.request_sync(stream, trigger=SyncJob.Trigger.MANUAL)
        inserted.set()
        until(somebody_waits_for_us)
    ticker.join()
    assert seen == [job.pk]
    assert SyncJob.objects.count() == 1


def test_asking_brings_a_waiting_run_forward_unless_the_provider_said_when(stream: SyncStream, coach: User) -> None:
    later = timezone.now() + timedelta(minutes=30)
    job = scheduling.request_sync(stream, trigger=SyncJob.Trigger.MANUAL, by=coach)
    assert job.requested_by == coach
    SyncJob.objects.update(next_attempt_at=later, error_code="rate_limit")
    assert scheduling.request_sync(stream, trigger=SyncJob.Trigger.MANUAL).pk == job.pk
    job.refresh_from_db()
    assert job.next_attempt_at == later
    SyncJob.objects.update(error_code="server")
    scheduling.request_sync(stream, trigger=SyncJob.Trigger.MANUAL)
    job.refresh_from_db()
    assert job.next_attempt_at <= timezone.now()


def test_fifty_clicks_at_once_are_one_run(stream: SyncStream) -> None:
    start = threading.Barrier(10)
    found: list[int] = []

    def click() -> None:
        start.wait()
        found.extend(scheduling.request_sync(stream, trigger=SyncJob.Trigger.MANUAL).pk for _ in range(5))
        database.close()

    threads = [threading.Thread(target=click) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 50
    assert set(found) == {SyncJob.objects.get().pk}


def test_what_operations_do_is_in_the_audit_log_and_done_once(stream: SyncStream, operator: User) -> None:
    job = scheduling.request_sync(stream, trigger=SyncJob.Trigger.MANUAL)
    assert not scheduling.release(job, by=operator)
    assert scheduling.cancel(job, by=operator, reason="a test")
    assert not scheduling.cancel(job, by=operator)
    entry = AuditEntry.objects.get(action="sync.cancelled")
    assert (entry.actor, entry.data) == (operator, {"reason": "a test"})
    stream.refresh_from_db()
    assert stream.next_run_at > timezone.now() + timedelta(minutes=50)


def test_failures_double_the_interval_up_to_a_day() -> None:
    for failures, middle_h in [(1, 2), (2, 4), (3, 8), (5, 24), (200, 24)]:
        delay = concluding.backoff(3600, failures).total_seconds() / 3600
        assert 0.9 * middle_h <= delay <= 1.1 * middle_h
    assert concluding.backoff(604_800, 1) > timedelta(days=6)


def test_a_tick_leaves_its_heartbeat_and_a_broken_one_does_not(db: None) -> None:
    assert ticks.record("a_tick", lambda: 3) == 3
    first = Tick.objects.get(name="a_tick")
    assert first.last_count == 3
    with pytest.raises(ZeroDivisionError):
        ticks.record("a_tick", lambda: 1 // 0)
    assert Tick.objects.get(name="a_tick").last_at == first.last_at
    ticks.record("a_tick", lambda: 5)
    assert Tick.objects.filter(name="a_tick", last_at__gt=first.last_at, last_count=5).exists()


def test_a_long_history_is_never_read_to_find_what_is_due(stream: SyncStream) -> None:
    over = {"status": Status.SUCCEEDED, "finished_at": timezone.now()}
    SyncJob.objects.bulk_create([SyncJob(stream=stream, **over) for _ in range(5_000)])
    with database.cursor() as cursor:
        cursor.execute("ANALYZE integrations_syncjob")
    for rows in (SyncJob.objects.due(), SyncJob.objects.lapsed().filter(status=Status.RUNNING)):
        assert "Seq Scan" not in rows.explain()
    assert "Seq Scan on integrations_syncjob" not in SyncJob.objects.unheard().explain()
