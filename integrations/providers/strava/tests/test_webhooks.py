"""What Strava's events are taken for, and what its handshake gets for an answer."""

from typing import Any

import pytest

from integrations import errors
from integrations.providers.strava import webhooks
from integrations.records import EventKind
from integrations.signatures import InvalidSignature

TOKEN = "the-verify-token"
EVENT = {
    "object_type": "activity", "object_id": 15000000123, "aspect_type": "create", "updates": {},
    "owner_id": 7300001, "subscription_id": 120475, "event_time": 1_790_000_000,
}  # fmt: skip


def event(**changes: Any) -> dict[str, Any]:
    return EVENT | changes


def asked(**changes: list[str]) -> dict[str, list[str]]:
    query = {"hub.mode": ["subscribe"], "hub.verify_token": [TOKEN], "hub.challenge": ["15f7d1a91c1f40f8"]}
    return query | {name.replace("_", ".", 1): values for name, values in changes.items()}


def test_the_handshake_echoes_the_challenge() -> None:
    assert webhooks.handshake(asked(), ["another", TOKEN]) == {"hub.challenge": "15f7d1a91c1f40f8"}


@pytest.mark.parametrize("token", ["", "wrong", TOKEN + "x", TOKEN.upper(), "\udce4"])
def test_a_wrong_token_is_refused(token: str) -> None:
    with pytest.raises(InvalidSignature):
        webhooks.handshake(asked(hub_verify_token=[token]), [TOKEN])
    with pytest.raises(InvalidSignature):
        webhooks.handshake(asked(hub_verify_token=[token]), ["", *([] if token else [""])])


@pytest.mark.parametrize(
    "changes",
    [
        {"hub_mode": ["unsubscribe"]},
        {"hub_mode": []},
        {"hub_mode": ["subscribe", "subscribe"]},
        {"hub_verify_token": [TOKEN, TOKEN]},
        {"hub_verify_token": []},
        {"hub_challenge": []},
        {"hub_challenge": ["a", "b"]},
        {"hub_challenge": [""]},
        {"hub_challenge": ["<script>"]},
        {"hub_challenge": ["a\n"]},
        {"hub_challenge": ["x" * 129]},
        {"hub_challenge": ["ä"]},
    ],
    ids=str,
)
def test_an_odd_question_gets_no_echo(changes: dict[str, list[str]]) -> None:
    with pytest.raises(errors.DataError):
        webhooks.handshake(asked(**changes), [TOKEN])


@pytest.mark.parametrize(
    ("told", "ours", "taken"),
    [
        (120475, 120475, True), (120475, 1, False), ("120475", 120475, False), (120475, "120475", False),
        (None, None, False), (True, 1, False), (1, True, False), (120475, None, False),
    ],
)  # fmt: skip
def test_only_our_subscription_is_heard(told: Any, ours: Any, *, taken: bool) -> None:
    assert webhooks.accepts({}, event(subscription_id=told), "10001", {"subscription_id": ours}) is taken
    assert not webhooks.accepts({}, [EVENT], "10001", {"subscription_id": ours})
    assert not webhooks.accepts({}, EVENT, "10001", {})


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        ({}, EventKind.RESOURCE_CHANGED),
        ({"aspect_type": "update", "updates": {"title": "x"}}, EventKind.RESOURCE_CHANGED),
        ({"aspect_type": "delete"}, EventKind.RESOURCE_DELETED),
        ({"aspect_type": "merge"}, EventKind.UNKNOWN),
        ({"object_type": "segment"}, EventKind.UNKNOWN),
        (
            {"object_type": "athlete", "aspect_type": "update", "updates": {"authorized": "false"}},
            EventKind.DEAUTHORIZED,
        ),
        ({"object_type": "athlete", "aspect_type": "update", "updates": {"authorized": False}}, EventKind.DEAUTHORIZED),
        ({"object_type": "athlete", "aspect_type": "update", "updates": {"authorized": "true"}}, EventKind.UNKNOWN),
        ({"object_type": "athlete", "aspect_type": "update", "updates": []}, EventKind.UNKNOWN),
        ({"object_type": "activity", "updates": {"authorized": "false"}}, EventKind.RESOURCE_CHANGED),
    ],
    ids=str,
)
def test_an_event_is_taken_for_what_it_says(changes: dict[str, Any], kind: EventKind) -> None:
    [found] = webhooks.parse(event(**changes))
    assert (found.kind, found.account_id, found.object_id) == (kind, "7300001", "15000000123")
    assert found.resource == ("activities" if event(**changes)["object_type"] == "activity" else "")
    assert found.happened_at
    assert found.happened_at.timestamp() == EVENT["event_time"]


@pytest.mark.parametrize(
    "odd",
    [
        None, [], "x", 1, {}, event(object_type=None), event(aspect_type=3), event(owner_id=None),
        event(owner_id="7300001"), event(owner_id=True), event(object_id=-1), event(object_id=2**70),
        event(event_time="now"), event(event_time=10**30), event(event_time=[]),
    ],
    ids=str,
)  # fmt: skip
def test_an_odd_event_is_no_event(odd: Any) -> None:
    with pytest.raises(errors.DataError):
        webhooks.parse(odd)


def test_two_tellings_of_one_thing_are_one() -> None:
    one = webhooks.identify({}, event(updates={"title": "a", "type": "Run"}))
    assert one == webhooks.identify({"x": "y"}, event(updates={"type": "Run", "title": "a"}))
    others = [event(), event(updates={"title": "b"}), event(aspect_type="update"), event(event_time=1)]
    others += [event(object_id=1), event(subscription_id=1), event(object_type="athlete")]
    keys = {one, *(webhooks.identify({}, other) for other in others)}
    assert len(keys) == 8
    assert all(len(key) == 64 for key in keys)
    assert webhooks.identify({}, []) == ""
