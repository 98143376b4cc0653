"""The sandbox's login and tokens, as the unmodified library meets them."""

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import requests
from garminconnect import (
    Garmin,
    GarminConnectAuthenticationError,
    GarminConnectConnectionError,
    GarminConnectTooManyRequestsError,
)

from integrations.providers.garmin.sandbox.garmin import GarminSandbox
from integrations.providers.garmin.tests.conftest import STRATEGIES, NewClient, pointed_at
from integrations.sandbox import RunningSandbox, running

BEN, CARLA = "athlete2@sandbox.example", "coach@sandbox.example"
MOBILE_LOGIN = "/sso/mobile/api/login"
TOKEN = "/token/di-oauth2-service/oauth/token"


def shown(box: GarminSandbox, email: str) -> dict[str, Any]:
    return next(row for row in box.accounts() if row["email"] == email)


@pytest.mark.parametrize("strategy", sorted(STRATEGIES))
def test_every_way_in_leads_to_the_same_account(new_client: NewClient, box: GarminSandbox, strategy: str) -> None:
    client = new_client(only=strategy)
    client.login()
    assert client.connectapi("/userprofile-service/socialProfile")["fullName"] == "Ben Breeze"
    settings = client.connectapi("/userprofile-service/userprofile/user-settings")
    assert settings["userData"]["measurementSystem"] == "metric"
    assert box.count("POST " + TOKEN) == 1


@pytest.mark.parametrize("strategy", sorted(STRATEGIES))
def test_another_instance_finishes_a_login_with_the_code_of_the_page(
    new_client: NewClient, box: GarminSandbox, strategy: str
) -> None:
    word, state = new_client(CARLA, only=strategy).login()
    assert word == "needs_mfa"
    code = shown(box, CARLA)["code"]
    other = new_client(CARLA, only=strategy)
    other.resume_login(json.loads(json.dumps(state)), code)
    assert other.client.di_token
    assert shown(box, CARLA)["code"] == "", "a code works once"
    assert [row["used"] for row in shown(box, CARLA)["codes"]] == [True]


@pytest.mark.parametrize("strategy", ["mobile+requests", "widget+cffi", "portal+requests"])
def test_a_wrong_code_leaves_the_login_to_be_finished(new_client: NewClient, box: GarminSandbox, strategy: str) -> None:
    _, state = new_client(CARLA, only=strategy).login()
    code = shown(box, CARLA)["code"]
    other = new_client(CARLA, only=strategy)
    with pytest.raises((GarminConnectAuthenticationError, GarminConnectConnectionError)):
        other.resume_login(state, "123456" if code != "123456" else "654321")
    other.resume_login(state, code)
    assert other.client.di_token


def test_each_login_has_a_code_of_its_own(new_client: NewClient, box: GarminSandbox) -> None:
    _, first = new_client(CARLA).login()
    first_code = shown(box, CARLA)["code"]
    _, second = new_client(CARLA).login()
    second_code = shown(box, CARLA)["code"]
    with pytest.raises((GarminConnectAuthenticationError, GarminConnectConnectionError)):
        new_client(CARLA).resume_login(second, first_code if first_code != second_code else "none")
    one, two = new_client(CARLA), new_client(CARLA)
    one.resume_login(first, first_code)
    two.resume_login(second, second_code)
    assert one.client.di_token != two.client.di_token


def test_an_old_code_is_refused(new_client: NewClient, box: GarminSandbox) -> None:
    _, state = new_client(CARLA).login()
    code = shown(box, CARLA)["code"]
    box.state.people[CARLA]["codes"][0]["at"] -= 3600
    with pytest.raises((GarminConnectAuthenticationError, GarminConnectConnectionError)):
        new_client(CARLA).resume_login(state, code)
    assert shown(box, CARLA)["code"] == ""


@pytest.mark.parametrize("strategy", sorted(STRATEGIES))
def test_a_wrong_password_is_told_at_once(new_client: NewClient, box: GarminSandbox, strategy: str) -> None:
    with pytest.raises(GarminConnectAuthenticationError):
        new_client(password="wrong", only=strategy).login()
    assert not box.state.tokens
    assert (
        sum(box.count(f"POST {path}", BEN) for path in (MOBILE_LOGIN, "/sso/portal/api/login", "/sso/sso/signin")) == 1
    )


@pytest.mark.parametrize("fault", ["login-429", "login-427"])
def test_a_block_answers_every_way_in(new_client: NewClient, box: GarminSandbox, fault: str) -> None:
    box.set_fault(BEN, fault)
    with pytest.raises(GarminConnectTooManyRequestsError):
        new_client().login()
    assert box.count("POST /sso/sso/signin", BEN) == 1
    box.set_fault(BEN, "")
    new_client().login()


@pytest.mark.parametrize("fault", ["captcha", "login-403", "login-500", "login-body-429"])
def test_no_way_in_is_open_while_the_login_is_troubled(new_client: NewClient, box: GarminSandbox, fault: str) -> None:
    box.set_fault(BEN, fault)
    with pytest.raises((GarminConnectConnectionError, GarminConnectTooManyRequestsError)):
        new_client().login()
    assert not box.state.tokens


def test_a_post_without_the_pages_cookie_and_address_is_taken_for_a_robot(sandbox: RunningSandbox) -> None:
    sso = sandbox.base_urls("garmin")["sso"]
    values = {"username": BEN, "password": "sandbox-only"}
    session = requests.Session()
    assert session.post(f"{sso}/mobile/api/login", json=values, timeout=60).status_code == 429
    page = f"{sso}/mobile/sso/en_US/sign-in"
    session.get(page, timeout=60)
    assert session.post(f"{sso}/mobile/api/login", json=values, timeout=60).status_code == 429
    known = session.post(f"{sso}/mobile/api/login", json=values, headers={"Referer": page}, timeout=60)
    assert known.json()["responseStatus"]["type"] == "SUCCESSFUL"
    stranger = requests.post(f"{sso}/mobile/api/login", json=values, headers={"Referer": page}, timeout=60)
    assert stranger.status_code == 429


def refresh(sandbox: RunningSandbox, garmin: Garmin, token: str | None = None) -> requests.Response:
    form = {
        "grant_type": "refresh_token",
        "client_id": garmin.client.di_client_id,
        "refresh_token": token or garmin.client.di_refresh_token,
    }
    url = sandbox.base_urls("garmin")["token"] + "/di-oauth2-service/oauth/token"
    return requests.post(url, data=form, headers={"Authorization": "Basic eDo="}, timeout=60)


def profile(sandbox: RunningSandbox, access: str) -> int:
    url = sandbox.base_urls("garmin")["api"] + "/userprofile-service/socialProfile"
    return requests.get(url, headers={"Authorization": f"Bearer {access}"}, timeout=60).status_code


def test_a_refresh_token_used_twice_kills_its_family_and_no_other(
    sandbox: RunningSandbox, new_client: NewClient, garmin: Garmin
) -> None:
    other = new_client()
    other.login()
    renewed = refresh(sandbox, garmin).json()
    assert profile(sandbox, renewed["access_token"]) == 200
    again = refresh(sandbox, garmin)
    assert (again.status_code, again.json()["error"]) == (400, "invalid_grant")
    assert refresh(sandbox, garmin, renewed["refresh_token"]).json()["error"] == "invalid_grant"
    assert profile(sandbox, renewed["access_token"]) == 401
    assert profile(sandbox, str(other.client.di_token)) == 200


def test_of_many_renewals_at_once_one_gets_tokens(sandbox: RunningSandbox, garmin: Garmin) -> None:
    with ThreadPoolExecutor(12) as pool:
        answers = list(pool.map(lambda _: refresh(sandbox, garmin).status_code, range(12)))
    assert sorted(answers) == [200] + [400] * 11


def test_a_ticket_buys_tokens_once(sandbox: RunningSandbox, box: GarminSandbox) -> None:
    ticket = box.state.ticket_for(BEN, "https://service.example")
    form = {
        "grant_type": "https://connectapi.garmin.com/di-oauth2-service/oauth/grant/service_ticket",
        "client_id": "GARMIN_CONNECT_MOBILE_ANDROID_DI_2025Q2",
        "service_ticket": ticket,
        "service_url": "https://service.example",
    }
    url = sandbox.base_urls("garmin")["token"] + "/di-oauth2-service/oauth/token"

    def buy() -> int:
        return requests.post(url, data=form, headers={"Authorization": "Basic eDo="}, timeout=60).status_code

    assert [buy(), buy()] == [200, 400]
    form["service_ticket"] = box.state.ticket_for(BEN, "https://another.example")
    assert buy() == 400, "it is good for the service that the login named"
    assert requests.post(url, data=form, timeout=60).status_code == 401


def test_the_library_renews_before_the_end_and_after_a_401(garmin: Garmin, box: GarminSandbox) -> None:
    first = garmin.client.di_token
    box.state.expire(BEN)
    assert len(garmin.get_workouts(0, 5)) == 5
    assert garmin.client.di_token != first
    assert box.count("POST " + TOKEN, BEN) == 2
    box.set_fault(BEN, "short-token")
    box.state.expire(BEN)
    garmin.get_workouts(0, 5)
    garmin.get_workouts(0, 5)
    assert box.count("POST " + TOKEN, BEN) == 4, "a token with little time left is renewed before every call"


def test_who_logged_out_everywhere_needs_a_new_login(garmin: Garmin, box: GarminSandbox) -> None:
    box.change(BEN, "revoke", "", "")
    with pytest.raises(GarminConnectAuthenticationError):
        garmin.get_workouts(0, 5)


def test_a_login_survives_a_restart_of_the_sandbox(tmp_path: Path, new_client: NewClient) -> None:
    file = tmp_path / "sandbox.json"
    with running(file) as first:
        garmin = pointed_at(first, BEN)
        garmin.login()
        made = garmin.upload_workout({"workoutName": "Mine", "sportType": {"sportTypeId": 1}, "workoutSegments": [{}]})
    with running(file) as second:
        later = pointed_at(second, BEN)
        later.client.loads(garmin.client.dumps())
        assert later.get_workout_by_id(made["workoutId"])["workoutName"] == "Mine"
        assert refresh(second, later).status_code == 200
