"""Activities and their history against the stand-in, which keeps Garmin's rules: windows, once only, permissions."""

import time
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
import requests

from integrations import errors, oauth
from integrations.providers.garmin_partner.adapter import Adapter
from integrations.providers.garmin_partner.sandbox.partner import GarminPartnerSandbox
from integrations.providers.garmin_partner.tests.conftest import ADA, adapter
from integrations.resilience.gateway import Gateway
from integrations.sandbox import RunningSandbox

ACTIVITIES, BACKFILL = "/api/wellness-api/rest/activities", "/api/wellness-api/rest/backfill/activities"
DAY_S = 86_400


def uploads(box: GarminPartnerSandbox, *ago: timedelta) -> list[str]:
    """Ada's only activities, uploaded so long ago; their ids, the latest first."""
    now, person = datetime.now(UTC), box.state.people[ADA]
    person["activities"].clear()
    made = [box.state.record(person, now - each - timedelta(hours=2), uploaded=now - each) for each in ago]
    return [row["summaryId"] for row in made]


def walk(reader: Adapter, since: date | None = None, until: date | None = None) -> list[list[str]]:
    pages, start = [], 0
    for _ in range(40):
        page = reader.activity_page(start, since=since, until=until)
        if page.items:
            pages.append([row["summaryId"] for row in page.items])
        if page.next_start is None:
            return pages
        start = page.next_start
    raise AssertionError("the listing has no end")


# --- activities


def test_days_without_uploads_are_passed_over(box: GarminPartnerSandbox, gateway: Gateway) -> None:
    ids = uploads(box, *(timedelta(days=days, minutes=5) for days in (0, 3, 3.2, 29)))
    assert walk(adapter(box, gateway)) == [[ids[0]], [ids[1], ids[2]], [ids[3]]], "the latest first"


def test_a_window_is_a_day_at_most_and_no_second_is_asked_for_twice(
    box: GarminPartnerSandbox, gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[int, int]] = []

    def note(_: object, first: int, last: int) -> list[Any]:
        asked.append((first, last))
        return []

    monkeypatch.setattr(box.state, "uploaded", note)
    walk(adapter(box, gateway))
    assert len(asked) == 30
    assert all(last - first < DAY_S for first, last in asked)
    assert all(later[0] == earlier[1] + 1 for later, earlier in pairwise(asked))


def test_what_is_read_slowly_brings_nothing_twice(
    box: GarminPartnerSandbox, gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A page alone on its day is the first of it: twice the same would look like a listing without an end."""
    ids = uploads(box, timedelta(days=1, seconds=-2), timedelta(days=2))
    ours, clock = adapter(box, gateway), time.time()
    page = ours.activity_page(0, since=None)
    assert [row["summaryId"] for row in page.items] == [ids[0]]
    monkeypatch.setattr(time, "time", lambda: clock + 600)
    again = ours.activity_page(page.next_start or 0, since=None)
    assert [row["summaryId"] for row in again.items] == [ids[1]]


def test_a_listing_goes_back_to_its_day_in_the_earliest_zone(box: GarminPartnerSandbox, gateway: Gateway) -> None:
    since = datetime.now(UTC).date() - timedelta(days=4)
    walk(adapter(box, gateway), since)
    assert box.count(f"GET {ACTIVITIES}", ADA) in {5, 6}
    assert walk(adapter(box, gateway), date(2020, 1, 1), date(2020, 2, 1)) == [], "long ago: it comes by a backfill"
    assert box.count(f"GET {ACTIVITIES}", ADA) in {5, 6}


def test_what_a_watch_sent_late_is_found(box: GarminPartnerSandbox, gateway: Gateway) -> None:
    person, now = box.state.people[ADA], datetime.now(UTC)
    person["activities"].clear()
    late = box.state.record(person, now - timedelta(days=20), uploaded=now - timedelta(hours=1))
    assert walk(adapter(box, gateway), now.date() - timedelta(days=1)) == [[late["summaryId"]]]


def test_legs_are_left_to_their_parent(box: GarminPartnerSandbox, gateway: Gateway) -> None:
    ids = uploads(box, timedelta(hours=1), timedelta(hours=2))
    box.state.people[ADA]["activities"][0]["summary"]["parentSummaryId"] = int(ids[0])
    assert walk(adapter(box, gateway)) == [[ids[0]]]


def test_a_longer_window_is_refused(sandbox: RunningSandbox, box: GarminPartnerSandbox, gateway: Gateway) -> None:
    headers = adapter(box, gateway).headers
    for query in (
        {"uploadStartTimeInSeconds": 1, "uploadEndTimeInSeconds": DAY_S + 2},
        {"uploadStartTimeInSeconds": 9, "uploadEndTimeInSeconds": 1},
        {},
    ):
        url = f"{sandbox.base_urls('garmin_partner')['api']}/wellness-api/rest/activities"
        assert requests.get(url, params=query, headers=headers, timeout=60).status_code == 400


# --- permissions, backfill


@pytest.mark.parametrize(
    ("permission", "call"),
    [
        ("ACTIVITY_EXPORT", lambda ours: ours.create_workout({"workoutName": "x"})),
        ("ACTIVITY_EXPORT", lambda ours: ours.calendar(2026, 12)),
        ("WORKOUT_IMPORT", lambda ours: ours.activity_page(0, since=None)),
        ("WORKOUT_IMPORT", lambda ours: ours.request_backfill(starts_on=date(2026, 1, 1), ends_on=date(2026, 1, 2))),
    ],
)
def test_a_missing_permission_is_told_from_a_refused_content(
    box: GarminPartnerSandbox, gateway: Gateway, permission: str, call: Any
) -> None:
    with pytest.raises(errors.AuthorizationError) as caught:
        call(adapter(box, gateway, permission))
    assert (caught.value.code, caught.value.status) == (oauth.MISSING_SCOPE, 412)


def test_history_needs_a_permission_of_its_own(box: GarminPartnerSandbox, gateway: Gateway) -> None:
    with pytest.raises(errors.AuthorizationError):
        adapter(box, gateway, "ACTIVITY_EXPORT").request_backfill(starts_on=date(2026, 1, 1), ends_on=date(2026, 1, 2))


def test_a_backfill_is_asked_for_in_pieces_and_once(box: GarminPartnerSandbox, gateway: Gateway) -> None:
    ours, first = adapter(box, gateway), date(2026, 1, 1)
    ours.request_backfill(starts_on=first, ends_on=first + timedelta(days=64))
    ranges = box.state.people[ADA]["backfilled"]
    assert [last - start + 1 for start, last in ranges] == [30 * DAY_S, 30 * DAY_S, 5 * DAY_S]
    assert all(later[0] == earlier[1] + 1 for earlier, later in pairwise(ranges))
    assert ranges[0][0] == datetime(2026, 1, 1, tzinfo=UTC).timestamp()
    asked = box.count(BACKFILL, ADA)
    ours.request_backfill(starts_on=first, ends_on=first + timedelta(days=64))
    assert len(ranges) == 3
    assert box.count(BACKFILL, ADA) == 2 * asked == 6, "answered 409, which counts as done"
