"""One activity over webhook and poll, in every order: the same rows in the end. And what providers do wrong."""

import threading
from collections.abc import Callable
from datetime import timedelta
from itertools import permutations
from typing import Any

import pytest
from django.db import connection as database
from django.db import transaction
from django.utils import timezone

from accounts.models import AuditEntry, User
from coaching import totals
from coaching.activity_sink import ActivitySink
from coaching.models import Activity
from integrations import client as clients
from integrations.models import SyncJob, SyncStream
from integrations.records import ActivityRecord, EventKind, ProviderEvent, Sport
from integrations.sandbox import Answer, RunningSandbox
from integrations.sandbox.faults import Fault
from integrations.sandbox.kit import Route
from integrations.services import notifying, reaping
from integrations.spec import RawPage
from tests.coaching import history
from tests.coaching.history import ACCOUNT, LISTING, here, sync, there
from tests.integrations import library

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def stream(garmin: RunningSandbox, athlete: User) -> SyncStream:
    return history.connect(garmin, athlete)


def tell(stream: SyncStream, raw: dict[str, Any], kind: EventKind = EventKind.RESOURCE_CHANGED) -> None:
    """What a webhook says of an activity that comes whole, as the in-box hands it on."""
    account = stream.connection.external_account_id
    whole = kind == EventKind.RESOURCE_CHANGED
    event = ProviderEvent(
        kind=kind, resource="activities", account_id=account, object_id=str(raw["activityId"]), data=raw, is_whole=whole
    )
    with transaction.atomic():
        notifying.apply(event, stream.connection.provider)


def facts(athlete: User) -> set[tuple[str, str, float, bool]]:
    rows = Activity.objects.filter(athlete=athlete)
    return {(row.external_id, row.name, row.duration_s, row.gone_at is None) for row in rows}


ORDERS = [
    *permutations(["webhook old", "webhook new", "poll"]),
    ("webhook twice", "poll"),
    ("poll", "webhook twice", "webhook old"),
]


@pytest.mark.parametrize("ending", ["edited", "deleted"])
def test_every_order_of_webhook_and_poll_ends_in_the_same_rows(
    garmin: RunningSandbox, stream: SyncStream, ending: str
) -> None:
    """Late, doubled and outdated tellings included: the last poll knows what the provider has."""
    athlete, rows = stream.connection.user, there(garmin)
    del rows[3:]
    old = dict(rows[1])
    rows[1] |= {"activityName": "As it is now", "duration": 1234.0}
    new = dict(rows[1])
    if ending == "deleted":
        del rows[1]
    steps: dict[str, Callable[[], object]] = {
        "webhook old": lambda: tell(stream, old),
        "webhook new": lambda: tell(stream, new),
        "webhook twice": lambda: [tell(stream, row) for row in (new, new)],  # type: ignore[func-returns-value]
        "poll": lambda: sync(stream),
    }
    outcomes = set()
    for order in ORDERS:
        Activity.objects.all().delete()
        for step in order:
            steps[step]()
        if "webhook" in order[-1] and ending == "deleted":
            tell(stream, new, EventKind.RESOURCE_DELETED)
        sync(stream)
        live = {fact for fact in facts(athlete) if fact[3]}
        outcomes.add(frozenset(live))
        assert history.totals(athlete) == history.summed(athlete)
    assert len(outcomes) == 1
    expected = {(str(row["activityId"]), row["activityName"], row["duration"], True) for row in rows}
    assert outcomes == {frozenset(expected)}


def test_something_new_by_webhook_counts_as_heard_of(garmin: RunningSandbox, stream: SyncStream) -> None:
    tell(stream, there(garmin)[0])
    stream.refresh_from_db()
    assert stream.last_new_item_at is not None
    assert (stream.last_attempt_at, stream.last_success_at) == (None, None)
    heard = stream.last_new_item_at
    tell(stream, there(garmin)[0])
    stream.refresh_from_db()
    assert stream.last_new_item_at == heard


def test_an_attempt_that_failed_and_a_run_without_news_move_their_own_times_alone(
    garmin: RunningSandbox, stream: SyncStream
) -> None:
    sync(stream)
    stream.refresh_from_db()
    first = (stream.last_attempt_at, stream.last_success_at, stream.last_new_item_at)
    assert None not in first
    sync(stream)
    stream.refresh_from_db()
    second = (stream.last_attempt_at, stream.last_success_at, stream.last_new_item_at)
    assert (second[0] > first[0], second[1] > first[1], second[2] == first[2]) == (True, True, True)  # type: ignore[operator]
    garmin["garmin"].set_fault(ACCOUNT, "403")
    sync(stream)
    stream.refresh_from_db()
    assert stream.last_attempt_at > second[0]  # type: ignore[operator]
    assert (stream.last_success_at, stream.last_new_item_at) == second[1:]


def many(garmin: RunningSandbox, count: int) -> None:
    """So many activities yesterday and before, newest first."""
    rows, now = there(garmin), timezone.now() - timedelta(hours=1)
    made = [history.at(rows[0], now - timedelta(hours=2 * n)) | {"activityId": 50_000_000 - n} for n in range(count)]
    rows[:] = made


def when_the_first_page_was_read(garmin: RunningSandbox, act: Callable[[], object]) -> None:
    box = garmin["garmin"]
    after = box._after

    def acting(fault: Fault, entry: Route, answer: Answer) -> Answer:
        if entry.label.endswith(LISTING):
            box._after = after  # type: ignore[method-assign]
            act()
        return after(fault, entry, answer)

    box._after = acting  # type: ignore[method-assign]


def test_a_row_that_slips_between_pages_is_not_gone(garmin: RunningSandbox, stream: SyncStream) -> None:
    many(garmin, 250)
    sync(stream)
    SyncStream.objects.update(last_full_at=None)
    stream.refresh_from_db()
    slipping = str(there(garmin)[100]["activityId"])
    when_the_first_page_was_read(garmin, lambda: there(garmin).pop(0))
    job = sync(stream)
    assert (job.status, job.deleted_n) == ("succeeded", 0)
    assert slipping in here(stream)
    assert sync(stream).deleted_n == 1
    assert here(stream) == {str(row["activityId"]) for row in there(garmin)}


def test_a_row_that_moves_to_the_next_page_is_stored_once(garmin: RunningSandbox, stream: SyncStream) -> None:
    many(garmin, 250)
    newest = history.at(there(garmin)[0], timezone.now()) | {"activityId": 60_000_000}
    when_the_first_page_was_read(garmin, lambda: there(garmin).insert(0, newest))
    job = sync(stream)
    assert (job.status, job.created_n, job.unchanged_n) == ("succeeded", 250, 0)
    assert sync(stream).created_n == 1


class Killed(BaseException):
    """As a worker's process ends: nothing of ours catches it."""


def test_a_worker_that_is_killed_half_way_leaves_whole_pages_and_the_next_one_the_rest(
    garmin: RunningSandbox, stream: SyncStream, monkeypatch: pytest.MonkeyPatch
) -> None:
    many(garmin, 250)
    sink, pages = ActivitySink, []

    def dying(self: ActivitySink, connection: Any, records: Any) -> Any:
        pages.append(len(records))
        changes = store(self, connection, records)
        if len(pages) == 2:
            raise Killed
        return changes

    store = sink.upsert
    monkeypatch.setattr(sink, "upsert", dying)
    with pytest.raises(Killed):
        sync(stream)
    assert len(here(stream)) == 100, "the page that it died in is undone"
    assert history.totals(stream.connection.user) == history.summed(stream.connection.user)
    SyncJob.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    reaping.reap()
    job = SyncJob.objects.get(stream=stream)
    library.make_due(job)
    job = history.run(job)
    assert (job.status, job.created_n, job.reaped) == ("succeeded", 250, 1)
    assert len(here(stream)) == 250


class Listing:
    """What a provider's listing does instead of coming to an end."""

    def __init__(self, stream: SyncStream, monkeypatch: pytest.MonkeyPatch, row: dict[str, Any], *, cycle: int) -> None:
        self.calls, self.row, self.cycle = 0, row, cycle
        adapter = clients.client_for(stream.connection)._adapter_class
        monkeypatch.setattr(adapter, "activity_page", lambda _, start, **days: self.page(start))

    def page(self, start: int) -> RawPage:
        self.calls += 1
        number = self.calls % self.cycle if self.cycle else self.calls
        return RawPage([self.row | {"activityId": 1000 + number}], start + 1)


@pytest.mark.parametrize(("cycle", "calls"), [(1, 2), (2, clients.MOST_PAGES), (0, clients.MOST_PAGES)])
def test_a_listing_without_an_end_is_left_keeps_what_came_and_marks_nothing(
    garmin: RunningSandbox, stream: SyncStream, monkeypatch: pytest.MonkeyPatch, cycle: int, calls: int
) -> None:
    sync(stream)
    before = here(stream)
    monkeypatch.setattr(clients, "MOST_PAGES", most := min(calls, 30))
    listing = Listing(stream, monkeypatch, there(garmin)[0], cycle=cycle)
    job = sync(stream)
    assert (job.status, job.error_code, job.deleted_n) == ("failed", "endless_listing", 0)
    assert listing.calls == (most if cycle != 1 else 2)
    assert here(stream) == before | {str(1000 + (n % cycle if cycle else n)) for n in range(1, listing.calls + 1)}


ODD = [
    {"activityId": None}, {"activityId": 2**70}, {"activityId": "one"}, {"activityId": 1.5},
    {"startTimeGMT": "0001-01-01 00:00:00"}, {"startTimeGMT": "9999-12-31 00:00:00"}, {"startTimeGMT": "soon"},
    {"duration": -1}, {"duration": "NaN"}, {"duration": "long"}, {"distance": "far"},
    {"ownerId": 1}, {"startTimeGMT": "2020-01-01 00:00:00"},
]  # fmt: skip


@pytest.mark.parametrize("odd", ODD, ids=str)
def test_an_odd_item_is_set_aside_with_its_reason_and_its_neighbours_are_stored(
    garmin: RunningSandbox, stream: SyncStream, odd: dict[str, Any]
) -> None:
    rows = there(garmin)
    good = {str(row["activityId"]) for row in rows[:5]} - {str(rows[2]["activityId"])}
    rows[2:] = [rows[2] | odd, *rows[3:5]]
    job = sync(stream)
    assert (job.status, job.created_n, job.bad_n) == ("succeeded", 4, 1)
    assert job.bad_samples[0]["reason"]
    assert here(stream) == good


def test_an_activity_of_somebody_else_is_refused_and_noted(garmin: RunningSandbox, stream: SyncStream) -> None:
    there(garmin)[0]["ownerId"] = 1
    sync(stream)
    assert str(there(garmin)[0]["activityId"]) not in here(stream)
    assert AuditEntry.objects.get(action="connection.foreign_item").level == "security"


@pytest.mark.parametrize(
    "name",
    [
        "<script>alert(1)</script>",
        "{{7*7}}",
        "{% now %}",
        "'\"><img onerror=x>",
        "a\x1b[31mred",
        "n\x00ul",
        "x" * 10_000,
        " ",
    ],
    ids=["script", "expression", "tag", "image", "ansi", "nul", "long", "spaces"],
)
def test_a_hostile_name_is_stored_clean_and_short(garmin: RunningSandbox, stream: SyncStream, name: str) -> None:
    there(garmin)[0]["activityName"] = name
    assert sync(stream).bad_n == 0
    stored = Activity.objects.get(external_id=there(garmin)[0]["activityId"]).name
    assert len(stored) <= 200
    assert stored == "" or stored.isprintable()


def record(number: int, day: int, **changes: Any) -> ActivityRecord:
    started = timezone.now().replace(hour=7, minute=0, second=0, microsecond=0) - timedelta(days=day)
    fields = {"external_id": str(number), "sport": Sport.RUNNING, "started_at": started, "duration_s": 600.0}
    return ActivityRecord(**{**fields, **changes})


def test_transactions_on_one_athlete_neither_block_each_other_for_ever_nor_lose_a_sum(stream: SyncStream) -> None:
    """The same days and partly the same rows, in opposite orders, while somebody hides some."""
    athlete, failures = stream.connection.user, []
    ActivitySink().upsert(stream.connection, [record(number, number % 3) for number in range(30)])
    begin = threading.Barrier(5)

    def work(turn: int) -> None:
        try:
            begin.wait()
            for step in range(8):
                with transaction.atomic():
                    if turn == 0:
                        chosen = Activity.objects.filter(external_id=str(step))
                        chosen.update(hidden_at=timezone.now())
                        totals.refresh((athlete.pk, day) for day in chosen.values_list("day", flat=True))
                        continue
                    numbers = range(30) if turn % 2 else range(29, -1, -1)
                    page = [record(n, (n + step) % 3, duration_s=600.0 + turn * 10 + step) for n in numbers]
                    ActivitySink().upsert(stream.connection, [*page, record(1000 * turn + step, step % 3)])
        except Exception as exc:  # noqa: BLE001 - a thread's failure is the test's
            failures.append(exc)
        finally:
            database.close()

    threads = [threading.Thread(target=work, args=(turn,)) for turn in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert history.totals(athlete) == history.summed(athlete)
    assert Activity.objects.filter(athlete=athlete).count() == 30 + 4 * 8
