"""Only what is gone at the provider is marked as gone, whatever its listing does while it is read."""

from collections.abc import Callable

import pytest

from accounts.models import User
from integrations.models import SyncJob, SyncStream
from integrations.sandbox import Answer, RunningSandbox
from integrations.sandbox.faults import Fault
from integrations.sandbox.kit import Route
from integrations.services import scheduling
from tests.integrations import library
from tests.integrations.library import ACCOUNT, LISTING, READING, stored, sync, there, work

pytestmark = pytest.mark.django_db(transaction=True)
MANY = "many@sandbox.example"  # has more than one page of workouts


@pytest.fixture
def stream(garmin: RunningSandbox, coach: User) -> SyncStream:
    library.state(garmin).add(MANY, name="Many", mfa=False, workouts=130)
    return library.connect(garmin, coach, account=MANY)


@pytest.fixture
def small(garmin: RunningSandbox, coach: User) -> SyncStream:
    """Of an account whose 64 workouts fit on one page."""
    return library.connect(garmin, coach)


def after_the_first_page(garmin: RunningSandbox, act: Callable[[], object]) -> None:
    """Do something at the provider once, when the first page of the listing is read and the second is not."""
    box = garmin["garmin"]
    after = box._after

    def acting(fault: Fault, entry: Route, answer: Answer) -> Answer:
        if entry.label == LISTING:
            box._after = after  # type: ignore[method-assign]
            act()
        return after(fault, entry, answer)

    box._after = acting  # type: ignore[method-assign]


def delete(garmin: RunningSandbox, key: str) -> None:
    garmin["garmin"].change(MANY, "delete", key, "")


def test_a_row_that_slips_between_two_pages_is_not_gone(garmin: RunningSandbox, stream: SyncStream) -> None:
    sync(stream)
    keys = list(there(garmin, MANY))
    first, slipping = keys[0], keys[100]
    after_the_first_page(garmin, lambda: delete(garmin, first))
    reads = garmin["garmin"].count(READING)
    job = sync(stream)
    assert (job.status, job.deleted_n) == (SyncJob.Status.SUCCEEDED, 0)
    assert slipping in stored(stream)
    assert garmin["garmin"].count(READING) == reads + 1, "it alone was asked for"
    assert sync(stream).deleted_n == 1
    assert first not in stored(stream)
    assert slipping in stored(stream)


def test_as_many_new_ones_as_deleted_do_not_hide_that_a_row_slipped(garmin: RunningSandbox, stream: SyncStream) -> None:
    sync(stream)
    keys = list(there(garmin, MANY))

    def replace_two() -> None:
        for key in keys[:2]:
            delete(garmin, key)
            garmin["garmin"].change(MANY, "add", "", f"Instead of {key}")

    after_the_first_page(garmin, replace_two)
    job = sync(stream)
    assert (job.deleted_n, job.created_n) == (0, 2)
    assert {keys[100], keys[101]} <= stored(stream).keys()


def test_what_is_gone_is_asked_for_once_and_marked(garmin: RunningSandbox, stream: SyncStream) -> None:
    sync(stream)
    for key in list(there(garmin, MANY))[:3]:
        delete(garmin, key)
    reads = garmin["garmin"].count(READING)
    assert sync(stream).deleted_n == 3
    assert garmin["garmin"].count(READING) == reads + 3
    sync(stream)
    assert garmin["garmin"].count(READING) == reads + 3


def test_what_the_brake_holds_is_not_asked_for(garmin: RunningSandbox, stream: SyncStream) -> None:
    sync(stream)
    for key in list(there(garmin, MANY))[:40]:
        delete(garmin, key)
    reads = garmin["garmin"].count(READING)
    sync(stream)
    stream.refresh_from_db()
    assert stream.sweep_held_n == 40
    assert garmin["garmin"].count(READING) == reads


def test_an_outage_while_asking_marks_nothing_and_the_run_comes_again(
    garmin: RunningSandbox, stream: SyncStream
) -> None:
    sync(stream)
    gone = next(iter(there(garmin, MANY)))
    delete(garmin, gone)
    garmin["garmin"].set_fault(MANY, "500", on=READING)
    assert sync(stream).status == SyncJob.Status.QUEUED
    assert gone in stored(stream)
    garmin["garmin"].set_fault(MANY, "", on=READING)
    assert sync(stream).deleted_n == 1


def test_many_deletions_at_once_wait_for_a_person_and_the_run_succeeds(
    garmin: RunningSandbox, small: SyncStream, operator: User
) -> None:
    sync(small)
    doomed = list(there(garmin))[:20]
    for key in doomed:
        garmin["garmin"].change(ACCOUNT, "delete", key, "")
    garmin["garmin"].change(ACCOUNT, "add", "", "New beside the losses")
    job = sync(small)
    small.refresh_from_db()
    assert (job.status, job.deleted_n, job.created_n) == ("succeeded", 0, 1)
    assert (small.sweep_held_n, small.sweep_held_generation) == (20, 2)
    assert len(stored(small)) == 65
    waiting = scheduling.approve_sweep(small, by=operator, reason="she tidied up")
    assert waiting is not None
    job = work(waiting)
    small.refresh_from_db()
    assert (job.status, job.deleted_n) == ("succeeded", 20)
    assert (small.sweep_held_n, small.sweep_approved_n) == (None, None)
    assert not stored(small).keys() & set(doomed)
    assert scheduling.approve_sweep(small, by=operator) is None


def test_an_approval_does_not_cover_what_vanished_since(
    garmin: RunningSandbox, small: SyncStream, operator: User
) -> None:
    sync(small)
    keys = list(there(garmin))
    for key in keys[:20]:
        garmin["garmin"].change(ACCOUNT, "delete", key, "")
    sync(small)
    small.refresh_from_db()
    waiting = scheduling.approve_sweep(small, by=operator)
    for key in keys[20:40]:
        garmin["garmin"].change(ACCOUNT, "delete", key, "")
    assert waiting is not None
    work(waiting)
    small.refresh_from_db()
    assert (small.sweep_held_n, len(stored(small))) == (40, 64)


def test_ten_deletions_need_nobody(garmin: RunningSandbox, small: SyncStream) -> None:
    for key in list(there(garmin))[20:]:
        garmin["garmin"].change(ACCOUNT, "delete", key, "")
    sync(small)
    for key in list(there(garmin))[:10]:  # half of the twenty that are left
        garmin["garmin"].change(ACCOUNT, "delete", key, "")
    assert sync(small).deleted_n == 10
    assert len(stored(small)) == 10
