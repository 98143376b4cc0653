"""Adapter and login against the stand-in, which keeps Garmin's rules: windows, once only, rotation, permissions."""

import json
import threading
import time
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from itertools import pairwise
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from django.conf import settings

from integrations import errors, oauth
from integrations.providers.garmin_partner import translator, webhooks
from integrations.providers.garmin_partner.adapter import Adapter
from integrations.providers.garmin_partner.login import Login
from integrations.providers.garmin_partner.provider import SPEC
from integrations.providers.garmin_partner.sandbox.partner import GarminPartnerSandbox
from integrations.records import EventKind, ProviderEvent
from integrations.resilience.gateway import Gateway, Hooks
from integrations.resilience.policies import Policies
from integrations.resilience.state import SharedState
from integrations.sandbox import RunningSandbox, running
from integrations.spec import OAuthClient

ADA = "athlete1@sandbox.example"
BACK = "http://127.0.0.1:9/back/"
ALL = ("ACTIVITY_EXPORT", "WORKOUT_IMPORT", "HISTORICAL_DATA_EXPORT")
ACTIVITIES, BACKFILL = "/api/wellness-api/rest/activities", "/api/wellness-api/rest/backfill/activities"
DAY_S = 86_400


@pytest.fixture
def site() -> Iterator[RunningSandbox]:
    with running() as started:
        yield started


@pytest.fixture
def box(site: RunningSandbox) -> GarminPartnerSandbox:
    found = site["garmin_partner"]
    assert isinstance(found, GarminPartnerSandbox)
    return found


@pytest.fixture
def gateway(site: RunningSandbox) -> Gateway:
    urls, state = site.base_urls("garmin_partner"), SharedState(settings.REDIS_URL)
    return Gateway("garmin_partner", base_urls=urls, policies=Policies(), state=state, hooks=Hooks())


@pytest.fixture
def login(gateway: Gateway, box: GarminPartnerSandbox) -> Login:
    return Login(gateway, OAuthClient(*box.client))


def adapter(box: GarminPartnerSandbox, gateway: Gateway, *permissions: str) -> Adapter:
    box.state.people[ADA]["permissions"] = list(permissions or ALL)
    return Adapter(gateway, box.state.grant(ADA), "test")


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


# --- consent and tokens


def allow(site: RunningSandbox, *permissions: str, verifier: str, **changes: Any) -> requests.Response:
    there = oauth.authorize_url(
        SPEC.oauth, base_url=site.base_urls("garmin_partner")["authorize"], client_id="20002-partner",  # type: ignore[arg-type]
        redirect_uri=BACK, scopes=SPEC.oauth.scopes, state="s", verifier=verifier,  # type: ignore[union-attr]
    )  # fmt: skip
    assert "scope" not in there
    form = parse_qs(urlsplit(there).query) | {"account": ADA, "allow": permissions, "answer": "yes"} | changes
    return requests.post(there.partition("?")[0], data=form, timeout=5, allow_redirects=False)


def code_of(answer: requests.Response) -> str:
    return parse_qs(urlsplit(answer.headers["Location"]).query)["code"][0]


def test_what_the_person_ticked_is_what_was_given(site: RunningSandbox, login: Login) -> None:
    verifier = oauth.new_verifier()
    code = code_of(allow(site, "WORKOUT_IMPORT", "HISTORICAL_DATA_EXPORT", verifier=verifier))
    grant = login.exchange(code, redirect_uri=BACK, verifier=verifier)
    assert grant.scopes == ("WORKOUT_IMPORT", "HISTORICAL_DATA_EXPORT")
    assert login.renew(grant.secrets).scopes == ()


def test_nothing_ticked_is_not_all_given(site: RunningSandbox, login: Login) -> None:
    verifier = oauth.new_verifier()
    with pytest.raises(errors.AuthorizationError) as caught:
        login.exchange(code_of(allow(site, verifier=verifier)), redirect_uri=BACK, verifier=verifier)
    assert caught.value.code == oauth.MISSING_SCOPE


def test_a_code_is_worth_nothing_without_its_verifier_and_address(site: RunningSandbox, login: Login) -> None:
    verifier = oauth.new_verifier()
    for wrong in ({"verifier": oauth.new_verifier()}, {"verifier": ""}, {"redirect_uri": "http://127.0.0.1:9/other/"}):
        code = code_of(allow(site, *ALL, verifier=verifier))
        with pytest.raises(errors.AuthenticationError):
            login.exchange(code, **{"redirect_uri": BACK, "verifier": verifier} | wrong)


def test_the_page_asks_for_a_challenge_and_sends_nobody_elsewhere(site: RunningSandbox) -> None:
    verifier = oauth.new_verifier()
    there = f"{site.base_urls('garmin_partner')['authorize']}/oauth2Confirm"
    assert allow(site, *ALL, verifier=verifier).status_code == 302
    for odd in (
        {"code_challenge": ""}, {"code_challenge_method": "plain"}, {"client_id": "another"},
        {"response_type": "token"}, {"redirect_uri": "https://evil.example/"}, {"redirect_uri": "//evil.example"},
        {"redirect_uri": "http://127.0.0.1@evil.example/"},
    ):  # fmt: skip
        assert allow(site, *ALL, verifier=verifier, **odd).status_code == 400
        assert requests.get(there, params=odd, timeout=5).status_code == 400
    declined = allow(site, *ALL, verifier=verifier, answer="no")
    assert parse_qs(urlsplit(declined.headers["Location"]).query) == {"state": ["s"], "error": ["access_denied"]}


def test_history_is_unticked_at_first(site: RunningSandbox) -> None:
    query = {
        "client_id": "20002-partner", "redirect_uri": BACK, "response_type": "code", "code_challenge": "x" * 43,
        "code_challenge_method": "S256",
    }  # fmt: skip
    page = requests.get(f"{site.base_urls('garmin_partner')['authorize']}/oauth2Confirm", params=query, timeout=5).text
    assert "value='WORKOUT_IMPORT' checked" in page
    assert "value='HISTORICAL_DATA_EXPORT'> " in page


def test_a_refresh_token_that_comes_twice_ends_its_family(box: GarminPartnerSandbox, login: Login) -> None:
    first = box.state.grant(ADA)
    second = login.renew(first)
    with pytest.raises(errors.AuthenticationError) as caught:
        login.renew(first)
    assert caught.value.code == oauth.INVALID_GRANT
    assert box.state.live_token(second.secrets["access_token"]) is None
    with pytest.raises(errors.AuthenticationError):
        login.renew(second.secrets)


@pytest.mark.parametrize("has_run_out", [False, True])
def test_to_revoke_is_to_deregister(
    box: GarminPartnerSandbox, gateway: Gateway, login: Login, *, has_run_out: bool
) -> None:
    adapter(box, gateway)
    held = box.state.grant(ADA)
    if has_run_out:
        box.state.expire(ADA)
    login.revoke(held)
    assert box.state.people[ADA]["permissions"] == []
    assert not box.state.refreshes
    assert box.count("DELETE /user/user/registration", "") == (2 if has_run_out else 1)
    login.revoke(held)


def test_a_revocation_that_did_not_get_through_is_no_success(box: GarminPartnerSandbox, login: Login) -> None:
    held = box.state.grant(ADA)
    box.set_fault(ADA, "503", on="/user/user/registration")
    with pytest.raises(errors.ServerError):
        login.revoke(held)


def test_permissions_come_as_a_list_or_in_an_object(box: GarminPartnerSandbox, gateway: Gateway) -> None:
    ours = adapter(box, gateway, "WORKOUT_IMPORT")
    named = ours.account()
    box.set_fault(ADA, "bare-permissions")
    assert ours.account() == named
    assert translator.to_account(named).permissions == ("WORKOUT_IMPORT",)
    assert named["userId"] == box.state.people[ADA]["user"]


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


def test_a_longer_window_is_refused(site: RunningSandbox, box: GarminPartnerSandbox, gateway: Gateway) -> None:
    headers = adapter(box, gateway).headers
    for query in (
        {"uploadStartTimeInSeconds": 1, "uploadEndTimeInSeconds": DAY_S + 2},
        {"uploadStartTimeInSeconds": 9, "uploadEndTimeInSeconds": 1},
        {},
    ):
        url = f"{site.base_urls('garmin_partner')['api']}/wellness-api/rest/activities"
        assert requests.get(url, params=query, headers=headers, timeout=5).status_code == 400


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


# --- what it sends


class Listener(HTTPServer):
    """A partner's webhook address."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, dict[str, Any]]] = []
        self.statuses: list[int] = []
        super().__init__(("127.0.0.1", 0), _Handler)
        self.url = f"http://127.0.0.1:{self.server_address[1]}/hook/"


class _Handler(BaseHTTPRequestHandler):
    server: Listener

    def log_message(self, format: str, *args: Any) -> None:
        """Quiet."""

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.heard.append((self.headers.get("garmin-client-id", ""), body))
        self.send_response(self.server.statuses.pop(0) if self.server.statuses else 200)
        self.send_header("Content-Length", "0")
        self.end_headers()


@pytest.fixture
def listener(box: GarminPartnerSandbox) -> Iterator[Listener]:
    server = Listener()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    box.listen(server.url)
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


def told(box: GarminPartnerSandbox) -> None:
    """All that it wanted to send was answered."""
    assert box.last_told
    box.last_told.join(5)


def happen(box: GarminPartnerSandbox, listener: Listener, what: str) -> list[ProviderEvent]:
    """What we make of what was sent."""
    listener.heard.clear()
    box.change(ADA, what, "", datetime.now(UTC).date().isoformat())
    told(box)
    return [event for _, body in listener.heard for event in webhooks.parse(body)]


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
        return [webhooks.accepts({"garmin-client-id": us}, body, "20002-partner", {}) for us, body in listener.heard]

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
    [(_, body)] = listener.heard
    query = parse_qs(urlsplit(body["activities"][0]["callbackURL"]).query)
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
    [(_, body)] = listener.heard
    days = {datetime.fromtimestamp(row["startTimeInSeconds"], UTC).date() for row in body["activities"]}
    assert len(days) == 5
    assert min(days) >= today - timedelta(days=60)
    assert max(days) <= today - timedelta(days=51)


def test_the_portal_takes_addresses_of_this_machine_alone(site: RunningSandbox, box: GarminPartnerSandbox) -> None:
    there = f"{site.base_urls('garmin_partner')['authorize']}/portal"
    assert requests.post(there, data={"url": "http://127.0.0.1:1/x", "mode": "ping"}, timeout=5).ok
    assert box.state.portal == {"url": "http://127.0.0.1:1/x", "mode": "ping"}
    assert "value='http://127.0.0.1:1/x'" in requests.get(there, timeout=5).text
    for odd in ({"url": "https://evil.example/"}, {"url": "", "mode": "pigeon"}):
        assert requests.post(there, data=odd, timeout=5).status_code == 400
    assert box.state.portal["mode"] == "ping"
