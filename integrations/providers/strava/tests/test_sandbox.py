"""The stand-in keeps Strava's rules: refresh tokens are good once, permissions count, subscribers shake hands."""

from collections.abc import Iterator

import pytest
import requests

from integrations import errors
from integrations.providers.strava import webhooks
from integrations.providers.strava.adapter import Adapter, Subscriptions
from integrations.providers.strava.sandbox.strava import StravaSandbox
from integrations.resilience.gateway import Gateway
from integrations.sandbox import RunningSandbox
from integrations.spec import OAuthClient, Subscription
from tests.sandboxes import Listener, box_of, gateway_to, listening, told

ADA = "athlete1@sandbox.example"
TOKEN = "the-verify-token"
CLIENT = OAuthClient("10001", "sandbox-strava-client")


@pytest.fixture
def box(sandbox: RunningSandbox) -> StravaSandbox:
    return box_of(sandbox, StravaSandbox)


@pytest.fixture
def gateway(sandbox: RunningSandbox) -> Gateway:
    return gateway_to(sandbox, "strava")


def adapter(box: StravaSandbox, gateway: Gateway, *scopes: str) -> Adapter:
    granted = box.state.grant({"email": ADA, "scopes": list(scopes)})
    return Adapter(gateway, granted, "test")


@pytest.fixture
def listener() -> Iterator[Listener]:
    with listening(lambda query: webhooks.handshake(query, [TOKEN])) as server:
        yield server


def happen(box: StravaSandbox, what: str, value: str = "2026-11-20") -> None:
    box.change(ADA, what, "", value)
    told(box)


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


def test_nobody_is_sent_to_a_foreign_address(sandbox: RunningSandbox) -> None:
    there = f"{sandbox.base_urls('strava')['authorize']}/oauth/authorize"
    asked = {"client_id": "10001", "response_type": "code", "scope": "read", "state": "x", "account": ADA}
    for evil in (
        "https://evil.example/",
        "//evil.example",
        "http://127.0.0.1@evil.example/",
        "javascript:alert(1)",
        "",
    ):
        form = asked | {"redirect_uri": evil, "answer": "yes"}
        assert requests.get(there, params=form, timeout=60).status_code == 400
        assert requests.post(there, data=form, timeout=60, allow_redirects=False).status_code == 400


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
    events = [webhooks.parse(heard.body)[0] for heard in listener.heard]
    assert [event.name for event in events] == [
        *["activity.create"] * 4, "activity.update", "activity.create", "athlete.update", "athlete.update",
    ]  # fmt: skip
    assert events[0].object_id == str(box.state.counters["activity"]), "the one that was recorded"
    assert events[1].dedupe_key == events[2].dedupe_key
    assert events[3].happened_at
    assert events[2].happened_at
    assert (events[2].happened_at - events[3].happened_at).total_seconds() >= 3590
    taken = [webhooks.accepts({}, heard.body, "10001", {"subscription_id": number}) for heard in listener.heard]
    assert taken == [*[True] * 7, False], "a stranger does not know the number"


def test_a_subscriber_is_told_three_times_at_most(box: StravaSandbox, gateway: Gateway, listener: Listener) -> None:
    Subscriptions(gateway, CLIENT).create(listener.url, TOKEN)
    listener.statuses = [500, 500, 500]
    happen(box, "train")
    assert len(listener.heard) == 3
    listener.heard.clear()
    listener.statuses = [503]
    happen(box, "train")
    assert len(listener.heard) == 2
