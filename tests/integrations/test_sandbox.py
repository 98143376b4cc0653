"""The sandbox keeps to the provider's rules: what our code may rely on at the real one must hold here."""

from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest
import requests
from garminconnect import Garmin

from integrations.sandbox import RunningSandbox, Store, running

EMAIL, PASSWORD = "athlete2@sandbox.example", "sandbox-only"
ONE_STEP = {
    "workoutName": "Mine",
    "sportType": {"sportTypeId": 1, "sportTypeKey": "running"},
    "workoutSegments": [{"segmentOrder": 1, "workoutSteps": []}],
}


@pytest.fixture
def sandbox() -> Iterator[RunningSandbox]:
    with running() as started:
        yield started


def library_client(sandbox: RunningSandbox, email: str = EMAIL) -> Garmin:
    """The unmodified library, pointed at the sandbox."""
    garmin = Garmin(email, PASSWORD, return_on_mfa=True, retry_attempts=0)
    bases = sandbox.base_urls("garmin")
    client = garmin.client
    client._sso, client._connect, client._connectapi = bases["sso"], bases["connect"], bases["api"]
    client._di_token_url = bases["token"] + "/di-oauth2-service/oauth/token"
    return garmin


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("garminconnect.client.sso.MOBILE_DELAY_MIN_S", 0)
    monkeypatch.setattr("garminconnect.client.sso.MOBILE_DELAY_MAX_S", 0)


def test_the_unmodified_library_logs_in_and_works(sandbox: RunningSandbox) -> None:
    garmin = library_client(sandbox)
    garmin.login()
    assert garmin.connectapi("/userprofile-service/socialProfile")["fullName"] == "Ben Breeze"
    listed = garmin.get_workouts(0, 100)
    assert len(listed) >= 60
    assert "workoutSegments" not in listed[0]
    first, second = garmin.upload_workout(ONE_STEP), garmin.upload_workout(ONE_STEP)
    assert first["workoutId"] != second["workoutId"], "every create makes a new workout"
    garmin.schedule_workout(first["workoutId"], "2026-12-01")
    entries = sandbox["garmin"].accounts()[2]["calendar"]
    assert [(entry["on"], entry["name"]) for entry in entries] == [("2026-12-01", "Mine")]
    garmin.delete_workout(first["workoutId"])
    assert sandbox["garmin"].accounts()[2]["calendar"] == []


def test_a_second_factor_is_finished_by_another_instance(sandbox: RunningSandbox) -> None:
    word, state = library_client(sandbox, "coach@sandbox.example").login()
    assert word == "needs_mfa"
    code = sandbox["garmin"].accounts()[0]["code"]
    other = library_client(sandbox, "coach@sandbox.example")
    other.resume_login(state, code)
    assert other.client.di_token
    assert sandbox["garmin"].accounts()[0]["code"] == "", "a code works once"


def token(sandbox: RunningSandbox, refresh: str | None) -> requests.Response:
    form = {"grant_type": "refresh_token", "client_id": "x", "refresh_token": refresh}
    url = sandbox.base_urls("garmin")["token"] + "/di-oauth2-service/oauth/token"
    return requests.post(url, data=form, headers={"Authorization": "Basic eDo="}, timeout=5)


def test_a_refresh_token_used_twice_kills_its_family(sandbox: RunningSandbox) -> None:
    garmin = library_client(sandbox)
    garmin.login()
    first = garmin.client.di_refresh_token
    renewed = token(sandbox, first).json()["refresh_token"]
    assert token(sandbox, first).status_code == 400
    assert token(sandbox, renewed).json()["error"] == "invalid_grant"


def test_ids_and_workouts_survive_a_restart(tmp_path: Path) -> None:
    file = tmp_path / "sandbox.json"
    with running(file) as first:
        garmin = library_client(first)
        garmin.login()
        made = garmin.upload_workout(ONE_STEP)["workoutId"]
    with running(file) as second:
        garmin = library_client(second)
        garmin.login()
        assert garmin.get_workout_by_id(made)["workoutName"] == "Mine"
        assert garmin.upload_workout(ONE_STEP)["workoutId"] > made


def test_a_dropped_connection_after_the_act_has_acted(sandbox: RunningSandbox) -> None:
    garmin = library_client(sandbox)
    garmin.login()
    before = len(sandbox["garmin"].accounts()[2]["workouts"])
    sandbox["garmin"].set_fault(EMAIL, "drop-after-once")
    with pytest.raises(requests.ConnectionError):
        garmin.upload_workout(ONE_STEP)
    assert len(sandbox["garmin"].accounts()[2]["workouts"]) == before + 1
    assert sandbox["garmin"].fault_of(EMAIL) == ""


def test_the_page_shows_codes_and_takes_faults_and_refuses_foreign_hosts(sandbox: RunningSandbox) -> None:
    form = {"provider": "garmin", "account": EMAIL, "what": "fault", "value": "503"}
    assert requests.post(f"{sandbox.url}/control/", data=form, timeout=5, allow_redirects=False).status_code == 303
    assert sandbox["garmin"].fault_of(EMAIL) == "503"
    page = requests.get(sandbox.url, timeout=5).text
    assert "&lt;script&gt;alert(1)" in page
    assert "<script>alert" not in page
    assert requests.get(sandbox.url, headers={"Host": "evil.example"}, timeout=5).status_code == 400


def test_a_store_in_memory_writes_nothing(tmp_path: Path) -> None:
    store = Store()
    store.section("a", "b")["day"] = str(date(2026, 1, 1))
    store.save()
    assert list(tmp_path.iterdir()) == []
