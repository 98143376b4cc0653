"""A day's sums, while two transactions change what is done on that day."""

import threading
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db import connection as database
from django.db import transaction
from django.utils import timezone

from accounts.models import User
from coaching import activity_sink, totals
from coaching.activity_sink import Origin
from coaching.models import Activity, DailyTotal
from tests.coaching.doings import DAY, record
from tests.patience import PATIENCE_S, somebody_waits_for_us, until

pytestmark = pytest.mark.django_db(transaction=True)


def told(athlete: User, number: str) -> None:
    activity_sink.store(Origin(athlete.pk, "file"), [record(number)])


def hidden(athlete: User, number: str) -> None:
    Activity.objects.filter(external_id=number).update(hidden_at=timezone.now())
    totals.refresh([(athlete.pk, DAY)])


@pytest.mark.parametrize(
    ("first", "second", "left"),
    [
        (lambda who: told(who, "b"), lambda who: told(who, "c"), 4),
        (lambda who: hidden(who, "1"), lambda who: told(who, "c"), 2),
        (lambda who: told(who, "b"), lambda who: hidden(who, "1"), 2),
    ],
    ids=["both add", "one hides while another adds", "one adds while another hides"],
)
def test_who_comes_second_counts_what_the_first_one_did(
    athlete: User, first: Callable[[User], None], second: Callable[[User], None], left: int
) -> None:
    """The first one's changes are made, but not committed, when the second one begins, which never sees them."""
    told(athlete, "1")
    told(athlete, "2")
    begun, done = threading.Event(), threading.Event()

    def come_second() -> None:
        try:
            with transaction.atomic():
                begun.set()
                second(athlete)
        finally:
            database.close()
            done.set()

    late = threading.Thread(target=come_second)
    with transaction.atomic():
        first(athlete)
        late.start()
        assert begun.wait(PATIENCE_S)
        until(lambda: somebody_waits_for_us() or done.is_set())
        assert not done.is_set(), "it takes its turn"
    late.join(PATIENCE_S)
    row = DailyTotal.objects.get(athlete=athlete, day=DAY)
    assert (row.activities_n, row.duration_s) == (left, left * 1800.0)


def test_athletes_do_not_wait_for_each_other(athlete: User, stranger: User) -> None:
    def other() -> None:
        try:
            told(stranger, "1")
        finally:
            database.close()

    with transaction.atomic():
        told(athlete, "1")
        beside = threading.Thread(target=other)
        beside.start()
        beside.join(PATIENCE_S)
        assert not beside.is_alive()
    assert set(DailyTotal.objects.values_list("athlete", "activities_n")) == {(athlete.pk, 1), (stranger.pk, 1)}


def test_a_day_that_lost_its_last_activity_has_no_total(athlete: User) -> None:
    told(athlete, "1")
    activity_sink.store(Origin(athlete.pk, "file"), [record("2", day=DAY - timedelta(days=1))])
    hidden(athlete, "1")
    assert list(DailyTotal.objects.values_list("day", flat=True)) == [DAY - timedelta(days=1)]
