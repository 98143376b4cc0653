"""The stand-in keeps Strava's rules: refresh tokens are good once, permissions count, subscribers shake hands."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from django.conf import settings

from integrations import errors
from integrations.providers.strava import webhooks
from integrations.providers.strava.adapter import Adapter, Subscriptions
from integrations.providers.strava.sandbox.strava import StravaSandbox
from integrations.resilience.gateway import Gateway, Hooks
from integrations.resilience.policies import Policies
from integrations.resilience.state import SharedState
from integrations.sandbox import RunningSandbox, running
from integrations.signatures import InvalidSignature
from integrations.spec import OAuthClient, Subscription

ADA = "athlete1@sandbox.example"
TOKEN = "the-verify-token"
CLIENT = OAuthClient("10001", "sandbox-strava-client")


@pytest.fixture
def site() -> Iterator[RunningSandbox]:
    with running() as started:
        yield started


@pytest.fixture
def box(site: RunningSandbox) -> StravaSandbox:
    found = site["strava"]
    assert isinstance(found, StravaSandbox)
    return found


@pytest.fixture
def gateway(site: RunningSandbox) -> Gateway:
    urls = site.base_urls("strava")
    return Gateway("strava", base_urls=urls, policies=Policies(), state=SharedState(settings.REDIS_URL), hooks=Hooks())


def adapter(box: StravaSandbox, gateway: Gateway, *scopes: str) -> Adapter:
    granted = box.state.grant({"email": ADA, "scopes": list(scopes)})
    return Adapter(gateway, granted, "test")


class Listener(HTTPServer):
    """An application's webhook address."""

    def __init__(self) -> None:
        self.heard: list[dict[str, Any]] = []
        self.statuses: list[int] = []
        super().__init__(("127.0.0.1", 0), _Handler)
        self.url = f"http://127.0.0.1:{self.server_address[1]}/hook/"


class _Handler(BaseHTTPRequestHandler):
    server: Listener

    def log_message(self, format: str, *args: Any) -> None:
        """Quiet."""

    def do_GET(self) -> None:
        try:
            told = webhooks.handshake(parse_qs(urlsplit(self.path).query), [TOKEN])
            self._say(200, json.dumps(told).encode())
        except (errors.DataError, InvalidSignature):
            self._say(403, b"{}")

    def do_POST(self) -> None:
        self.server.heard.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self._say(self.server.statuses.pop(0) if self.server.statuses else 200, b"{}")

    def _say(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture
def listener() -> Iterator[Listener]:
    server = Listener()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


def happen(box: StravaSandbox, what: str, value: str = "2026-11-20") -> None:
    box.change(ADA, what, "", value)
    assert box.last_told
    box.last_told.join(5)


def test_a_refresh_token_that_comes_twice_ends_its_family(box: StravaSandbox) -> None:
    first = box.state.grant({"email": ADA, "scopes": ["read"]})
    second = box.state.rotate(first["refresh_token"], life_s=60)
    assert second
    assert box.state.live_token(second["access_token"])
    assert box.state.rotate(first["refresh_token"], life_s=60) is None
    assert box.state.live_token(second["access_token"]) is None
    assert box.state.rotate(second["refresh_token"], life_s=60) is None


def test_what_only_the_athlete_sees_needs_the_larger_permission(box: StravaSandbox, gateway: Gateway) -> None:
    whole = adapter(box, gateway, "read", "activity:read_all").activity_page(0, since=None).items
    public = adapter(box, gateway, "read", "activity:read").activity_page(0, since=None).items
    hidden = [row for row in whole if row["private"]]
    assert hidden
    assert len(public) == len(whole) - len(hidden)
    one = adapter(box, gateway, "read", "activity:read_all").activity(str(hidden[0]["id"]))
    assert one["id"] == hidden[0]["id"]
    with pytest.raises(errors.NotFoundError):
        adapter(box, gateway, "read", "activity:read").activity(str(hidden[0]["id"]))


def test_a_missing_permission_is_told_from_a_token_that_ended(box: StravaSandbox, gateway: Gateway) -> None:
    with pytest.raises(errors.AuthorizationError) as missing:
        adapter(box, gateway, "read").activity_page(0, since=None)
    assert missing.value.code == "missing_scope"
    ended = adapter(box, gateway, "read", "activity:read_all")
    box.state.expire(ADA)
    with pytest.raises(errors.AuthenticationError):
        ended.activity_page(0, since=None)


def test_nobody_is_sent_to_a_foreign_address(site: RunningSandbox) -> None:
    there = f"{site.base_urls('strava')['authorize']}/oauth/authorize"
    asked = {"client_id": "10001", "response_type": "code", "scope": "read", "state": "x", "account": ADA}
    for evil in (
        "https://evil.example/",
        "//evil.example",
        "http://127.0.0.1@evil.example/",
        "javascript:alert(1)",
        "",
    ):
        form = asked | {"redirect_uri": evil, "answer": "yes"}
        assert requests.get(there, params=form, timeout=5).status_code == 400
        assert requests.post(there, data=form, timeout=5, allow_redirects=False).status_code == 400


def test_one_subscription_after_a_handshake(box: StravaSandbox, gateway: Gateway, listener: Listener) -> None:
    ours = Subscriptions(gateway, CLIENT)
    assert ours.present() == []
    with pytest.raises(errors.ValidationError):
        ours.create(listener.url, "another-token")
    number = ours.create(listener.url, TOKEN)
    assert ours.present() == [Subscription(number, listener.url)]
    with pytest.raises(errors.ValidationError):
        ours.create(listener.url, TOKEN)
    with pytest.raises(errors.ValidationError):
        Subscriptions(gateway, OAuthClient("10001", "wrong")).present()
    ours.delete(number)
    ours.delete(number)
    assert ours.present() == []


def test_a_subscriber_hears_what_happens(box: StravaSandbox, gateway: Gateway, listener: Listener) -> None:
    number = Subscriptions(gateway, CLIENT).create(listener.url, TOKEN)
    for what in ("train", "again", "late", "reorder", "revoke", "forge"):
        happen(box, what)
    told = [webhooks.parse(event)[0] for event in listener.heard]
    assert [event.name for event in told] == [
        *["activity.create"] * 4, "activity.update", "activity.create", "athlete.update", "athlete.update",
    ]  # fmt: skip
    assert told[0].object_id == str(box.state.counters["activity"]), "the one that was recorded"
    assert told[1].dedupe_key == told[2].dedupe_key
    assert told[3].happened_at
    assert told[2].happened_at
    assert (told[2].happened_at - told[3].happened_at).total_seconds() >= 3590
    heard = [webhooks.accepts({}, event, "10001", {"subscription_id": number}) for event in listener.heard]
    assert heard == [*[True] * 7, False], "a stranger does not know the number"


def test_a_subscriber_is_told_three_times_at_most(box: StravaSandbox, gateway: Gateway, listener: Listener) -> None:
    Subscriptions(gateway, CLIENT).create(listener.url, TOKEN)
    listener.statuses = [500, 500, 500]
    happen(box, "train")
    assert len(listener.heard) == 3
    listener.heard.clear()
    listener.statuses = [503]
    happen(box, "train")
    assert len(listener.heard) == 2
