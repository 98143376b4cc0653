"""What Garmin's bodies are taken for, and which of them are refused before anything is stored."""

from typing import Any

import pytest

from integrations import errors
from integrations.providers.garmin_partner import webhooks
from integrations.records import EventKind, ProviderEvent

OURS = "20002-partner"
CALLBACK = "https://apis.garmin.com/wellness-api/rest/activities?uploadStartTimeInSeconds=1&token=made-up"
SUMMARY = {"userId": "d3a1", "summaryId": "22000000001", "activityType": "RUNNING", "durationInSeconds": 1800}
HOSTILE = [
    "https://evil.example/wellness-api/rest/activities",
    "https://apis.garmin.com.evil.example/x",
    "https://apis.garmin.com@evil.example/x",
    "https://user:pass@apis.garmin.com/x",
    "http://apis.garmin.com/x",
    "https://apis.garmin.com:8443/x",
    "https://127.0.0.1/x",
    "http://127.0.0.1:8000/x",
    "https://169.254.169.254/latest/meta-data",
    "https://[::1]/x",
    "https://2130706433/x",
    "https://apis.garmin.com./x",
    "https://apis.garmin.com\\@evil.example/x",
    "https://apis.garmin.com/x#@evil.example",
    "https://connect.garmin.com/x",
    "https://аpis.garmin.com/x",  # its first letter is Cyrillic
    "//apis.garmin.com/x",
    "file:///etc/passwd",
    "gopher://apis.garmin.com/x",
    "",
    "apis.garmin.com",
    {"url": CALLBACK},
    7,
    True,
]


def ping(link: Any = CALLBACK, kind: str = "activities") -> dict[str, Any]:
    return {kind: [{"userId": "d3a1", "callbackURL": link}]}


def accepts(payload: Any, told: str = OURS, ours: str = OURS) -> bool:
    return webhooks.accepts({"garmin-client-id": told}, payload, ours, {})


def only(payload: Any) -> ProviderEvent:
    [found] = webhooks.parse(payload)
    return found


def test_only_who_names_our_key_is_heard() -> None:
    assert accepts({"activities": [SUMMARY]})
    for told in ("", "another", OURS + "x", OURS.upper(), "\udce4", "é"):
        assert not accepts({"activities": [SUMMARY]}, told)
    assert not webhooks.accepts({}, {"activities": []}, OURS, {})


def test_without_a_key_of_ours_nobody_is_heard() -> None:
    assert not accepts({"activities": [SUMMARY]}, "", "")


def test_a_link_to_garmins_api_is_taken() -> None:
    assert accepts(ping())
    assert accepts({"activities": [SUMMARY, SUMMARY | {"callbackURL": None}]})


@pytest.mark.parametrize("link", HOSTILE, ids=str)
def test_a_hostile_link_spoils_the_whole_body(link: Any) -> None:
    for kind in ("activities", "activityFiles", "dailies", "unheard-of"):
        with pytest.raises(errors.DataError) as caught:
            accepts({"activities": [SUMMARY], **ping(link, kind)})
        assert "evil" not in str(caught.value)


def test_who_does_not_name_our_key_learns_nothing_of_links() -> None:
    assert not accepts(ping(HOSTILE[0]), "another")


def test_a_pushed_summary_is_a_whole_activity() -> None:
    found = only({"activities": [SUMMARY]})
    assert (found.kind, found.resource, found.is_whole) == (EventKind.RESOURCE_CHANGED, "activities", True)
    assert (found.account_id, found.object_id, found.name) == ("d3a1", "22000000001", "activities")
    assert found.data == SUMMARY
    assert only({"manuallyUpdatedActivities": [SUMMARY]}).is_whole


def test_a_ping_is_a_hint_and_its_link_is_not_kept() -> None:
    for kind in ("activities", "activityFiles", "activityDetails"):
        found = only(ping(kind=kind))
        assert (found.kind, found.resource, found.is_whole) == (EventKind.RESOURCE_CHANGED, "activities", False)
        assert "made-up" not in repr(found)
    assert not only({"activities": [SUMMARY | {"callbackURL": CALLBACK}]}).is_whole


def test_what_is_not_a_summary_is_a_hint() -> None:
    assert not only({"activityDetails": [SUMMARY]}).is_whole
    assert not only({"activities": [{"userId": "d3a1"}]}).is_whole


@pytest.mark.parametrize("key", ["userPermissionsChange", "userPermissions"])
def test_a_change_of_permissions_is_told_under_either_name(key: str) -> None:
    found = only({key: [{"userId": "d3a1", "permissions": ["ACTIVITY_EXPORT"]}]})
    assert (found.kind, found.account_id, found.resource) == (EventKind.PERMISSIONS_CHANGED, "d3a1", "")


def test_a_deregistration_is_told_without_its_token() -> None:
    found = only({"deregistrations": [{"userId": "d3a1", "userAccessToken": "old-token"}]})
    assert (found.kind, found.account_id) == (EventKind.DEAUTHORIZED, "d3a1")
    assert "old-token" not in repr(found)


def test_one_body_tells_of_several_people_and_kinds() -> None:
    body = {"activities": [SUMMARY, SUMMARY | {"userId": "e4b2"}], "deregistrations": [{"userId": "f5c3"}]}
    told = [(event.kind, event.account_id) for event in webhooks.parse(body)]
    assert told == [
        (EventKind.RESOURCE_CHANGED, "d3a1"),
        (EventKind.RESOURCE_CHANGED, "e4b2"),
        (EventKind.DEAUTHORIZED, "f5c3"),
    ]


@pytest.mark.parametrize("entry", [None, 7, "x", [], {}, {"userId": None}, {"userId": ["d3a1"]}, {"userId": "é" * 3}])
def test_an_entry_that_cannot_be_read_spoils_none_of_its_neighbours(entry: Any) -> None:
    kinds = [event.kind for event in webhooks.parse({"activities": [entry, SUMMARY]})]
    assert kinds == [EventKind.UNKNOWN, EventKind.RESOURCE_CHANGED]


def test_other_kinds_of_data_and_legs_of_an_activity_are_left() -> None:
    assert only({"dailies": [SUMMARY]}).kind == EventKind.UNKNOWN
    assert only({"activities": [SUMMARY | {"parentSummaryId": "1"}]}).kind == EventKind.UNKNOWN
    assert webhooks.parse({}) == []
    assert webhooks.parse({"activities": []}) == []


@pytest.mark.parametrize(
    "odd", [None, [], "x", 1, {"activities": None}, {"activities": {}}, {"activities": "x"}], ids=str
)
def test_an_odd_body_is_no_event(odd: Any) -> None:
    with pytest.raises(errors.DataError):
        webhooks.parse(odd)
    with pytest.raises(errors.DataError):
        accepts(odd)


def test_two_tellings_of_one_thing_are_one() -> None:
    key = only({"activities": [SUMMARY]}).dedupe_key
    assert key == only({"activities": [dict(reversed(SUMMARY.items()))]}).dedupe_key
    others = [
        {"manuallyUpdatedActivities": [SUMMARY]},
        *({"activities": [SUMMARY | {field: "another"}]} for field in ("userId", "summaryId", "activityType")),
    ]
    keys = {key, *(only(other).dedupe_key for other in others)}
    assert len(keys) == 5
    assert webhooks.identify({}, {"activities": [SUMMARY]}) == "", "the body's hash tells repeated requests"


def test_garmin_shakes_no_hands() -> None:
    assert webhooks.handshake({"hub.challenge": ["x"]}, ["secret"]) is None
