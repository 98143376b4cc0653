"""Login and profile against the stand-in, which keeps Garmin's rules: consent, codes and tokens that are good once."""

from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests

from integrations import errors, oauth
from integrations.providers.garmin_partner import translator
from integrations.providers.garmin_partner.login import Login
from integrations.providers.garmin_partner.provider import SPEC
from integrations.providers.garmin_partner.sandbox.partner import GarminPartnerSandbox
from integrations.providers.garmin_partner.tests.conftest import ADA, ALL, adapter
from integrations.resilience.gateway import Gateway
from integrations.sandbox import RunningSandbox

BACK = "http://127.0.0.1:9/back/"


def allow(sandbox: RunningSandbox, *permissions: str, verifier: str, **changes: Any) -> requests.Response:
    there = oauth.authorize_url(
        SPEC.oauth, base_url=sandbox.base_urls("garmin_partner")["authorize"], client_id="20002-partner",  # type: ignore[arg-type]
        redirect_uri=BACK, scopes=SPEC.oauth.scopes, state="s", verifier=verifier,  # type: ignore[union-attr]
    )  # fmt: skip
    assert "scope" not in there
    form = parse_qs(urlsplit(there).query) | {"account": ADA, "allow": permissions, "answer": "yes"} | changes
    return requests.post(there.partition("?")[0], data=form, timeout=60, allow_redirects=False)


def code_of(answer: requests.Response) -> str:
    return parse_qs(urlsplit(answer.headers["Location"]).query)["code"][0]


def test_what_the_person_ticked_is_what_was_given(sandbox: RunningSandbox, login: Login) -> None:
    verifier = oauth.new_verifier()
    code = code_of(allow(sandbox, "WORKOUT_IMPORT", "HISTORICAL_DATA_EXPORT", verifier=verifier))
    grant = login.exchange(code, redirect_uri=BACK, verifier=verifier)
    assert grant.scopes == ("WORKOUT_IMPORT", "HISTORICAL_DATA_EXPORT")
    assert login.renew(grant.secrets).scopes == ()


def test_nothing_ticked_is_not_all_given(sandbox: RunningSandbox, login: Login) -> None:
    verifier = oauth.new_verifier()
    with pytest.raises(errors.AuthorizationError) as caught:
        login.exchange(code_of(allow(sandbox, verifier=verifier)), redirect_uri=BACK, verifier=verifier)
    assert caught.value.code == oauth.MISSING_SCOPE


def test_a_code_is_worth_nothing_without_its_verifier_and_address(sandbox: RunningSandbox, login: Login) -> None:
    verifier = oauth.new_verifier()
    for wrong in ({"verifier": oauth.new_verifier()}, {"verifier": ""}, {"redirect_uri": "http://127.0.0.1:9/other/"}):
        code = code_of(allow(sandbox, *ALL, verifier=verifier))
        with pytest.raises(errors.AuthenticationError):
            login.exchange(code, **{"redirect_uri": BACK, "verifier": verifier} | wrong)


def test_the_page_asks_for_a_challenge_and_sends_nobody_elsewhere(sandbox: RunningSandbox) -> None:
    verifier = oauth.new_verifier()
    there = f"{sandbox.base_urls('garmin_partner')['authorize']}/oauth2Confirm"
    assert allow(sandbox, *ALL, verifier=verifier).status_code == 302
    for odd in (
        {"code_challenge": ""}, {"code_challenge_method": "plain"}, {"client_id": "another"},
        {"response_type": "token"}, {"redirect_uri": "https://evil.example/"}, {"redirect_uri": "//evil.example"},
        {"redirect_uri": "http://127.0.0.1@evil.example/"},
    ):  # fmt: skip
        assert allow(sandbox, *ALL, verifier=verifier, **odd).status_code == 400
        assert requests.get(there, params=odd, timeout=60).status_code == 400
    declined = allow(sandbox, *ALL, verifier=verifier, answer="no")
    assert parse_qs(urlsplit(declined.headers["Location"]).query) == {"state": ["s"], "error": ["access_denied"]}


def test_history_is_unticked_at_first(sandbox: RunningSandbox) -> None:
    query = {
        "client_id": "20002-partner", "redirect_uri": BACK, "response_type": "code", "code_challenge": "x" * 43,
        "code_challenge_method": "S256",
    }  # fmt: skip
    page = requests.get(
        f"{sandbox.base_urls('garmin_partner')['authorize']}/oauth2Confirm", params=query, timeout=5
    ).text
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
