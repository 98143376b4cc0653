"""Items that come whole: through translator, validator and sink, in the event's transaction, a bad one for itself."""

from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import pytest
from django.db.models.functions import Now

from accounts.models import AuditEntry
from integrations import sinks
from integrations.models import Connection, SyncStream
from integrations.records import ActivityRecord
from tests.webhooks.test_processing import is_nudged, make_due, only
from tests.webhooks.wire import Sender, body_of, event
from webhooks.models import WebhookAttempt, WebhookEvent
from webhooks.services import operating, processing

FAR = "2099-01-01T00:00Z"


@dataclass
class Shelf:
    """A sink that remembers, and writes a row of the real database so that an undone transaction shows."""

    kept: list[tuple[int, ActivityRecord]] = field(default_factory=list)
    breaks: bool = False

    def adopt(self, connection: Connection) -> None: ...

    def known(self, connection: Connection, external_ids: Sequence[str]) -> Mapping[str, str]:
        return {}

    def upsert(self, connection: Connection, records: Sequence[Any]) -> sinks.Changes:
        self.kept += [(connection.pk, record) for record in records]
        Connection.objects.filter(pk=connection.pk).update(external_name=records[0].name)
        if self.breaks:
            raise OSError("the shelf broke")
        return sinks.Changes(created=len(records))

    def missing(
        self, connection: Connection, seen: Container[str], *, since: date | None = None, until: date | None = None
    ) -> tuple[set[str], int]:
        return set(), 0

    def sweep(
        self, connection: Connection, seen: Container[str], *, since: date | None = None, until: date | None = None
    ) -> int:
        return 0


@pytest.fixture
def shelf() -> Iterator[Shelf]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sinks, "_sinks", dict(sinks._sinks))
        found = Shelf()
        sinks.register("activities", found)
        yield found


@pytest.fixture
def stream(account: Connection) -> SyncStream:
    return SyncStream.objects.create(connection=account, resource="activities", next_run_at=FAR)


def whole(number: str = "r1", **changes: Any) -> dict[str, Any]:
    item = {**event(number=number), "object": "activities", "whole": True, "name": f"run {number}"}
    return {**item, "start": 1_790_000_000, "seconds": 1800, "owner": "a1", **changes}


def told(sender: Sender, *items: dict[str, Any]) -> WebhookEvent:
    assert sender.send(body_of(*items)).status == 200
    processing.process_due()
    found = WebhookEvent.objects.order_by("pk").last()
    assert found is not None
    return found


def test_an_item_that_comes_whole_is_stored_and_nothing_is_fetched(
    sender: Sender, stream: SyncStream, shelf: Shelf
) -> None:
    row = told(sender, whole())
    assert (row.status, row.reason, row.connection_id) == ("processed", "", stream.connection_id)
    [(connection_id, record)] = shelf.kept
    assert (connection_id, record.external_id, record.duration_s) == (stream.connection_id, "r1", 1800)
    assert not is_nudged(stream)


def test_a_hint_without_the_item_makes_the_stream_due(sender: Sender, stream: SyncStream, shelf: Shelf) -> None:
    told(sender, whole(whole=False))
    assert shelf.kept == []
    assert is_nudged(stream)


def test_a_deleted_item_is_looked_for_and_not_stored(sender: Sender, stream: SyncStream, shelf: Shelf) -> None:
    told(sender, whole(type="deleted"))
    assert shelf.kept == []
    assert is_nudged(stream)


@pytest.mark.parametrize(
    ("odd", "words"),
    [
        ({"seconds": "long"}, "seconds or start cannot be read"),
        ({"seconds": 0}, "it lasts no time at all"),
        ({"owner": "a2"}, "it belongs to another account"),
    ],
)
def test_a_bad_item_costs_itself_alone(
    sender: Sender, stream: SyncStream, shelf: Shelf, odd: dict[str, Any], words: str
) -> None:
    row = told(sender, whole("r1"), whole("r2", **odd), whole("r3"))
    assert {record.external_id for _, record in shelf.kept} == {"r1", "r3"}
    assert (row.status, row.reason, row.error_code) == ("processed", "bad_item", "bad_item")
    assert row.error_detail == f"1 of 3 set aside, the first one since {words}"
    assert WebhookAttempt.objects.get().error_detail == row.error_detail


def test_nothing_but_bad_items_is_over_and_can_be_replayed(sender: Sender, stream: SyncStream, shelf: Shelf) -> None:
    row = told(sender, whole(seconds=-1))
    assert (row.status, row.reason, row.attempts) == ("ignored", "bad_item", 1)
    assert operating.replay(row)
    processing.process_due()
    row.refresh_from_db()
    assert (row.status, row.reason, row.replays) == ("ignored", "bad_item", 1)


def test_somebody_elses_item_is_told_to_security(sender: Sender, stream: SyncStream, shelf: Shelf) -> None:
    told(sender, whole(owner="a2"))
    entry = AuditEntry.objects.get(action="connection.foreign_item")
    assert (entry.level, entry.data["item"]) == (AuditEntry.Level.SECURITY, "r1")


def test_items_and_the_events_end_are_one_transaction(sender: Sender, stream: SyncStream, shelf: Shelf) -> None:
    shelf.breaks = True
    row = told(sender, whole())
    assert (row.status, row.error_code) == ("received", "OSError")
    assert Connection.objects.get().external_name == "Ada", "what the sink wrote was undone"
    shelf.breaks = False
    make_due()
    processing.process_due()
    assert only().status == "processed"
    assert Connection.objects.get().external_name == "run r1"


def test_the_same_item_twice_in_one_body_and_again_later_ends_alike(
    sender: Sender, stream: SyncStream, shelf: Shelf
) -> None:
    told(sender, whole(name="newer", at=200), whole(name="older", at=100))
    told(sender, whole(name="oldest", at=50))
    assert [record.name for _, record in shelf.kept] == ["older", "newer"]


@pytest.mark.parametrize(("status", "kept"), [("active", 1), ("needs_reauth", 1), ("paused", 0), ("pending", 0)])
def test_who_paused_is_sent_nothing(sender: Sender, stream: SyncStream, shelf: Shelf, status: str, kept: int) -> None:
    Connection.objects.update(status=status, status_changed_at=Now())
    row = told(sender, whole())
    assert len(shelf.kept) == kept
    assert (row.status, row.reason) == (("processed", "") if kept else ("ignored", "unused"))


def test_where_nobody_takes_activities_they_are_of_no_use(sender: Sender, stream: SyncStream) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sinks, "_sinks", {})
        row = told(sender, whole())
    assert (row.status, row.reason) == ("ignored", "unused")
