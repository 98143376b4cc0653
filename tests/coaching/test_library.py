"""The library: what a sync's records become, what a coach finds, and what leaves it."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection as database
from django.db import transaction
from pytest_django import DjangoAssertNumQueries

from accounts.models import AuditEntry, User
from coaching.models import CoachingLink, Share, Workout, WorkoutRevision
from coaching.services import library
from coaching.sinks import WorkoutSink
from integrations import events, sinks
from integrations.models import Connection, Provider, Resource
from integrations.records import End, EndKind, Segment, Sport, Target, TargetKind, WorkoutRecord, WorkoutStep
from integrations.sinks import Changes

HOUR = WorkoutStep(end=End(kind=EndKind.TIME, value=3600))


@pytest.fixture
def source(coach: User, garmin_provider: Provider) -> Connection:
    return Connection.objects.create(
        user=coach, provider=garmin_provider, status="active", external_account_id="1", external_name="Carla"
    )


@pytest.fixture
def sink() -> sinks.Sink:
    """The one that syncs use."""
    found = sinks.get(Resource.WORKOUTS)
    assert isinstance(found, WorkoutSink)
    return found


def record(
    number: int, name: str = "", *, version: str = "1", sport: Sport = Sport.RUNNING, **more: object
) -> WorkoutRecord:
    steps = more.pop("steps", (HOUR,))
    return WorkoutRecord.model_validate(
        {"name": name or f"Workout {number}", "sport": sport, "external_id": str(number), "version": version}
        | {"segments": (Segment(sport=sport, steps=steps),)}  # type: ignore[arg-type]
        | more
    )


def names(user: User, **chosen: str) -> set[str]:
    return {str(workout) for workout in Workout.objects.library(user).search(**chosen)}


@pytest.mark.django_db
def test_a_new_workout_gets_its_first_revision_with_its_sums(sink: sinks.Sink, source: Connection) -> None:
    kilometre = WorkoutStep(
        end=End(kind=EndKind.DISTANCE, value=1000), target=Target(kind=TargetKind.PACE, low=4, high=4)
    )
    assert sink.upsert(source, [record(7, "Long", steps=(HOUR, kilometre), distance_m=5.0)]) == Changes(created=1)
    workout = Workout.objects.library(source.user).get()
    revision = workout.current
    assert revision is not None
    assert (workout.owner, workout.source, workout.external_id) == (source.user, source, "7")
    assert (workout.external_version, workout.gone_at) == ("1", None)
    assert (revision.number, revision.name, revision.sport) == (1, "Long", "running")
    assert (revision.duration_s, revision.distance_m) == (3850, 1000)
    assert revision.record.model_copy(update={"external_id": "7", "version": "1"}) == record(
        7, "Long", steps=(HOUR, kilometre), distance_m=5.0
    )


@pytest.mark.django_db
def test_what_the_steps_do_not_say_the_provider_estimates(sink: sinks.Sink, source: Connection) -> None:
    sink.upsert(source, [record(1, steps=(WorkoutStep(),), duration_s=1234.4, distance_m=900.0), record(2, steps=())])
    sums = Workout.objects.order_by("external_id").values_list("current__duration_s", "current__distance_m")
    assert list(sums) == [(1234, 900), (None, None)]


@pytest.mark.django_db
def test_the_same_content_again_writes_no_revision_whatever_its_stamp(sink: sinks.Sink, source: Connection) -> None:
    sink.upsert(source, [record(1, version="1")])
    before = Workout.objects.get().updated_at
    assert sink.upsert(source, [record(1, version="2")]) == Changes(unchanged=1)
    workout = Workout.objects.get()
    assert (workout.external_version, workout.updated_at) == ("2", before)
    assert WorkoutRevision.objects.count() == 1
    assert sink.known(source, ["1"]) == {"1": "2"}


@pytest.mark.django_db
def test_other_content_is_a_new_revision_and_the_old_one_stays(sink: sinks.Sink, source: Connection) -> None:
    sink.upsert(source, [record(1, "Old")])
    assert sink.upsert(source, [record(1, "New", version="2")]) == Changes(updated=1)
    sink.upsert(source, [record(1, "Old", version="3")])
    revisions = WorkoutRevision.objects.order_by("number").values_list("number", "name")
    assert list(revisions) == [(1, "Old"), (2, "New"), (3, "Old")]
    assert str(Workout.objects.get()) == "Old"


@pytest.mark.django_db
def test_a_page_costs_the_same_statements_whatever_it_holds(
    sink: sinks.Sink, source: Connection, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    sink.upsert(source, [record(number) for number in range(50)])
    page = [record(number, f"Changed {number}") for number in range(25, 100)]
    with django_assert_num_queries(5):
        assert sink.upsert(source, page) == Changes(created=50, updated=25)
    with django_assert_num_queries(2):
        assert sink.upsert(source, page) == Changes(unchanged=75)
    with django_assert_num_queries(1):
        assert len(sink.known(source, [str(number) for number in range(100)])) == 100


@pytest.mark.django_db
def test_an_item_listed_twice_in_a_page_is_one_workout(sink: sinks.Sink, source: Connection) -> None:
    assert sink.upsert(source, [record(1, "First"), record(1, "Second")]) == Changes(created=1)
    assert str(Workout.objects.get()) == "Second"


@pytest.mark.django_db
def test_what_vanished_is_marked_counted_and_unknown_until_it_is_seen_again(
    sink: sinks.Sink, source: Connection
) -> None:
    sink.upsert(source, [record(number) for number in range(5)])
    seen = {"0", "1", "2", "99"}
    assert sink.missing(source, seen) == ({"3", "4"}, 5)
    assert sink.sweep(source, seen) == 2
    assert sink.sweep(source, seen) == 0
    assert sink.missing(source, seen) == (set(), 3)
    assert sink.known(source, ["2", "3"]) == {"2": "1"}
    assert sink.upsert(source, [record(3)]) == Changes(unchanged=1)
    assert Workout.objects.get(external_id="3").gone_at is None
    assert WorkoutRevision.objects.count() == 5


@pytest.mark.django_db
def test_two_accounts_with_the_same_id_are_two_workouts(
    sink: sinks.Sink, source: Connection, other_coach: User
) -> None:
    other = Connection.objects.create(
        user=other_coach, provider=source.provider, status="active", external_account_id="2"
    )
    for connection in (source, other):
        sink.upsert(connection, [record(1)])
    assert sink.sweep(other, set()) == 1
    assert Workout.objects.get(source=source).gone_at is None
    assert Workout.objects.library(other_coach).count() == 1


@pytest.mark.django_db(transaction=True)
def test_opposite_pages_at_once_neither_lock_each_other_out_nor_skip_a_number(
    sink: sinks.Sink, source: Connection
) -> None:
    with transaction.atomic():
        sink.upsert(source, [record(number) for number in range(20)])
    start = threading.Barrier(2)

    def change(worker: int, step: int) -> None:
        start.wait()
        for turn in range(10):
            page = [record(number, f"{worker} {turn}") for number in range(20)][::step]
            with transaction.atomic():
                sink.upsert(source, page)
        database.close()

    with ThreadPoolExecutor(2) as pool:
        for done in [pool.submit(change, 1, 1), pool.submit(change, 2, -1)]:
            done.result()
    for workout in Workout.objects.select_related("current"):
        numbers = list(workout.revisions.order_by("number").values_list("number", flat=True))
        assert numbers == list(range(1, 22))
        assert workout.current is not None
        assert workout.current.number == 21


@pytest.mark.django_db(transaction=True)
def test_everybody_locks_in_the_same_order(sink: sinks.Sink, source: Connection) -> None:
    page = [record(number) for number in range(150)]
    with transaction.atomic():
        sink.upsert(source, page)
    start = threading.Barrier(4)

    def look(worker: int) -> None:
        start.wait()
        for _ in range(20):
            with transaction.atomic():
                assert sink.upsert(source, page[:: 1 - 2 * (worker % 2)]) == Changes(unchanged=150)
        database.close()

    with ThreadPoolExecutor(4) as pool:
        for done in [pool.submit(look, worker) for worker in range(4)]:
            done.result()


@pytest.fixture
def library_of_four(sink: sinks.Sink, source: Connection) -> User:
    minutes = {
        1: ("Easy run", Sport.RUNNING, 25), 2: ("Tempo run", Sport.RUNNING, 60),
        3: ("Sweet spot 50% ride", Sport.CYCLING, 90), 4: ("<script>alert(1)</script>", Sport.YOGA, 30),
    }  # fmt: skip
    for number, (name, sport, length) in minutes.items():
        steps = (WorkoutStep(end=End(kind=EndKind.TIME, value=length * 60)),)
        sink.upsert(source, [record(number, name, sport=sport, steps=steps)])
    return source.user


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("chosen", "found"),
    [
        ({}, {1, 2, 3, 4}),
        ({"q": "run"}, {1, 2}),
        ({"q": "RUN  tempo"}, {2}),
        ({"q": "50% ride"}, {3}),
        ({"q": "%"}, {3}),
        ({"q": "<script>"}, {4}),
        ({"q": "nothing like it"}, set()),
        ({"sport": "running"}, {1, 2}),
        ({"duration": "0-1800"}, {1}),
        ({"duration": "1800-3600"}, {4}),
        ({"duration": "3600-5400"}, {2}),
        ({"duration": "5400-"}, {3}),
        ({"q": "run", "sport": "running", "duration": "3600-5400"}, {2}),
    ],
)
def test_the_library_is_searched_by_words_sport_and_length(
    library_of_four: User, chosen: dict[str, str], found: set[int]
) -> None:
    rows = Workout.objects.library(library_of_four).search(**chosen)
    assert {int(external_id) for external_id in rows.values_list("external_id", flat=True)} == found


@pytest.mark.django_db
def test_a_search_sees_the_current_name_only_and_nobody_elses(
    sink: sinks.Sink, source: Connection, library_of_four: User, other_coach: User
) -> None:
    sink.upsert(source, [record(1, "Recovery jog")])
    assert "Easy run" not in names(library_of_four)
    assert names(library_of_four, q="jog") == {"Recovery jog"}
    assert names(other_coach) == set()


@pytest.mark.django_db
def test_an_archived_workout_leaves_the_library_and_no_sync_brings_it_back(
    sink: sinks.Sink, source: Connection, library_of_four: User
) -> None:
    workout = Workout.objects.get(external_id="1")
    assert library.archive(workout, by=library_of_four)
    assert not library.archive(workout, by=library_of_four)
    sink.upsert(source, [record(1, "Changed at the provider", version="2")])
    assert names(library_of_four) == {"Tempo run", "Sweet spot 50% ride", "<script>alert(1)</script>"}
    assert workout.revisions.count() == 2
    entry = AuditEntry.objects.get(action="workout.archived")
    assert (entry.actor, entry.object_id) == (library_of_four, str(workout.public_id))


def disconnected(source: Connection) -> None:
    Connection.objects.filter(pk=source.pk).update(status=Connection.Status.DISCONNECTED)


@pytest.mark.django_db
def test_who_comes_back_with_the_same_account_finds_each_workout_once(sink: sinks.Sink, source: Connection) -> None:
    sink.upsert(source, [record(1), record(2)])
    disconnected(source)
    again = Connection.objects.create(
        user=source.user, provider=source.provider, status="active", external_account_id=source.external_account_id
    )
    for _ in range(2):
        sink.adopt(again)
    assert sink.known(again, ["1", "2"]) == {"1": "1", "2": "1"}
    assert sink.upsert(again, [record(1), record(2)]) == Changes(unchanged=2)
    assert Workout.objects.count() == 2


@pytest.mark.django_db
def test_nobody_takes_over_what_another_account_or_person_left(
    sink: sinks.Sink, source: Connection, other_coach: User
) -> None:
    sink.upsert(source, [record(1)])
    disconnected(source)
    other_account = {"user": source.user, "external_account_id": "2"}
    other_person = {"user": other_coach, "external_account_id": source.external_account_id}
    for fields in (other_account, other_person):
        sink.adopt(Connection.objects.create(provider=source.provider, status="active", **fields))
    assert Workout.objects.get().source == source


@pytest.mark.django_db
def test_a_purge_removes_the_library_and_leaves_what_athletes_were_offered(
    sink: sinks.Sink, source: Connection, link: CoachingLink
) -> None:
    sink.upsert(source, [record(1), record(2)])
    offered = Workout.objects.get(external_id="2")
    assert offered.current is not None
    share = Share.objects.create(link=link, workout=offered, revision=offered.current)
    events.publish("connection.disconnected", source, connection=source, purge=False)
    events.dispatch_due()
    assert Workout.objects.library(source.user).count() == 2
    events.publish("connection.disconnected", source, connection=source, purge=True)
    events.dispatch_due()
    assert not Workout.objects.library(source.user).exists()
    assert Workout.objects.get().pk == offered.pk
    assert share.revision.record.name == "Workout 2"
    assert sink.upsert(source, [record(2)]) == Changes(created=1)  # connected again, it is a workout of its own
