"""A history of any length is read page by page: what was stored is let go."""

import gc
from datetime import timedelta
from typing import Any
from weakref import WeakSet

import pytest
from django.utils import timezone

from accounts.models import User
from coaching.models import Activity
from integrations import client as clients
from integrations.records import ActivityRecord
from integrations.sandbox import RunningSandbox
from integrations.spec import RawPage
from tests.coaching import history
from tests.coaching.history import sync, there

pytestmark = pytest.mark.django_db(transaction=True)

PAGE = 100


class Row(dict[str, Any]):
    """A provider's row whose end is seen."""

    __hash__ = object.__hash__  # type: ignore[assignment]


class Listing:
    """So many activities within four weeks, made page by page; notes how many rows are held when the next is asked."""

    def __init__(self, row: dict[str, Any], size: int) -> None:
        self.row, self.size, self.now = row, size, timezone.now()
        self.apart = timedelta(days=28) / size
        self.alive: WeakSet[Row] = WeakSet()
        self.most_rows = self.records = 0

    def page(self, start: int) -> RawPage:
        is_last = start + PAGE >= self.size
        gc.collect()
        self.most_rows = max(self.most_rows, len(self.alive))
        if start == 0:
            self.records = -records_held()  # of the tests before
        if is_last:
            self.records += records_held()
        return RawPage(
            [self._row(n) for n in range(start, min(start + PAGE, self.size))], None if is_last else start + PAGE
        )

    def _row(self, number: int) -> Row:
        row = Row(history.at(self.row, self.now - self.apart * number) | {"activityId": 70_000_000 - number})
        self.alive.add(row)
        return row


def records_held() -> int:
    """By type, for some objects of Django do their work when they are asked for their class."""
    return sum(type(each) is ActivityRecord for each in gc.get_objects())


@pytest.mark.parametrize("size", [1_500, pytest.param(50_000, marks=pytest.mark.soak)])
def test_a_long_history_is_read_in_the_memory_of_a_short_one(
    garmin: RunningSandbox, athlete: User, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    stream = history.connect(garmin, athlete)
    listing = Listing(there(garmin)[0], size)
    adapter = clients.client_for(stream.connection)._adapter_class
    monkeypatch.setattr(adapter, "activity_page", lambda _, start, **days: listing.page(start))
    job = sync(stream)
    assert (job.status, job.created_n, job.bad_n) == ("succeeded", size, 0)
    assert Activity.objects.filter(athlete=athlete).count() == size
    assert (listing.most_rows <= 2 * PAGE, listing.records <= 2 * PAGE) == (True, True)
    assert history.totals(athlete) == history.summed(athlete)
