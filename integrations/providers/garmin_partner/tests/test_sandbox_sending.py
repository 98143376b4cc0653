"""What the stand-in tells us of its own accord, and what we make of it."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
import requests

from integrations import errors
from integrations.providers.garmin_partner import translator, webhooks
from integrations.providers.garmin_partner.sandbox.partner import GarminPartnerSandbox
from integrations.providers.garmin_partner.tests.conftest import ADA, adapter
from integrations.records import EventKind, ProviderEvent
from integrations.resilience.gateway import Gateway
from integrations.sandbox import RunningSandbox
from tests.sandboxes import Listener, listening, told


@pytest.fixture
def listener(box: GarminPartnerSandbox) -> Iterator[Listener]:
    with listening() as server:
        box.listen(server.url)
        yield server


def happen(box: GarminPartnerSandbox, listener: Listener, what: str) -> list[ProviderEvent]:
    """What we make of what was sent."""
    listener.heard.clear()
    box.change(ADA, what, "", datetime.now(UTC).date().isoformat())
    told(box)
    return [event for heard in listener.heard for event in webhooks.parse(heard.body)]


def test_each_happening_is_worded_as_garmin_words_it(box: GarminPartnerSandbox, listener: Listener) -> None:
    [came] = happen(box, listener, "train")
    assert (came.kind, came.is_whole) == (EventKind.RESOURCE_CHANGED, True)
    assert translator.to_activity(came.data).external_id == came.object_id == str(box.state.counters["activity"])
    again = happen(box, listener, "again")
    assert [event.dedupe_key for event in again] == [came.dedupe_key] * 2
    later, earlier = happen(box, listener, "reorder")
    assert later.object_id == earlier.object_id
    assert later.data["activityName"] == f"{earlier.data['activityName']}, renamed"
    assert len({event.account_id for event in happen(box, listener, "batch")}) == len(box.state.people)
    [ping] = happen(box, listener, "ping")
    assert not ping.is_whole
    assert [event.kind for event in happen(box, listener, "forge")] == [EventKind.DEAUTHORIZED]
    assert box.state.people[ADA]["activities"], "a forger ends nothing"
    assert [event.kind for event in happen(box, listener, "permit")] == [EventKind.PERMISSIONS_CHANGED]
    assert [event.kind for event in happen(box, listener, "revoke")] == [EventKind.DEAUTHORIZED]


def test_only_a_stranger_does_not_name_our_key(box: GarminPartnerSandbox, listener: Listener) -> None:
    def taken() -> list[bool]:
        return [webhooks.accepts(heard.headers, heard.body, "20002-partner", {}) for heard in listener.heard]

    happen(box, listener, "stranger")
    assert taken() == [False]
    happen(box, listener, "ping")
    assert taken() == [True]
    happen(box, listener, "hostile")
    with pytest.raises(errors.DataError):
        taken()


def test_a_ping_leads_to_what_it_announces(box: GarminPartnerSandbox, gateway: Gateway, listener: Listener) -> None:
    box.listen(listener.url, "ping")
    happen(box, listener, "train")
    [heard] = listener.heard
    query = parse_qs(urlsplit(heard.body["activities"][0]["callbackURL"]).query)
    window = [int(query[f"upload{end}TimeInSeconds"][0]) for end in ("Start", "End")]
    [found] = adapter(box, gateway)._uploaded(*window)
    assert found["summaryId"] == str(box.state.counters["activity"])


def test_it_tries_again_until_it_is_answered_200(box: GarminPartnerSandbox, listener: Listener) -> None:
    listener.statuses = [503, 202, 500]
    happen(box, listener, "train")
    assert len(listener.heard) == 4
    listener.statuses = [500] * 9
    happen(box, listener, "train")
    assert len(listener.heard) == 4


def test_a_backfill_brings_what_was_recorded_in_its_days(
    box: GarminPartnerSandbox, gateway: Gateway, listener: Listener
) -> None:
    today = datetime.now(UTC).date()
    adapter(box, gateway).request_backfill(starts_on=today - timedelta(days=60), ends_on=today - timedelta(days=51))
    told(box)
    [heard] = listener.heard
    days = {datetime.fromtimestamp(row["startTimeInSeconds"], UTC).date() for row in heard.body["activities"]}
    assert len(days) == 5
    assert min(days) >= today - timedelta(days=60)
    assert max(days) <= today - timedelta(days=51)


def test_the_portal_takes_addresses_of_this_machine_alone(sandbox: RunningSandbox, box: GarminPartnerSandbox) -> None:
    there = f"{sandbox.base_urls('garmin_partner')['authorize']}/portal"
    assert requests.post(there, data={"url": "http://127.0.0.1:1/x", "mode": "ping"}, timeout=60).ok
    assert box.state.portal == {"url": "http://127.0.0.1:1/x", "mode": "ping"}
    assert "value='http://127.0.0.1:1/x'" in requests.get(there, timeout=60).text
    for odd in ({"url": "https://evil.example/"}, {"url": "", "mode": "pigeon"}):
        assert requests.post(there, data=odd, timeout=60).status_code == 400
    assert box.state.portal["mode"] == "ping"
