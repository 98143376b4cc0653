"""Every door of the product, tried by somebody new: other companies' accounts, an authenticator app, a passkey."""

import re

import pytest
from playwright.sync_api import expect

from tests.authenticator_app import code_of
from tests.journeys.conftest import Enter, Stack, Visitor

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("demo")]  # one demo at a time


def log_out(visitor: Visitor) -> None:
    visitor.page.context.clear_cookies()
    visitor.go("/account/login/")


def expect_home(visitor: Visitor) -> None:
    """Of somebody who is neither coach nor athlete yet."""
    expect(visitor.page.get_by_role("button", name="Start coaching")).to_be_visible()


@pytest.mark.parametrize(
    ("company", "width", "theme", "person"),
    [("Google", 390, "light", "Nora Newcomer"), ("GitHub", 1440, "dark", "Nils Newcomer")],
)
def test_a_stranger_comes_in_by_the_account_of_another_company(
    enter: Enter, company: str, width: int, theme: str, person: str
) -> None:
    visitor = enter(width=width, theme=theme)
    for label in ("new", "again"):
        log_out(visitor)
        visitor.page.get_by_role("button", name=f"Continue with {company}").click()
        visitor.page.get_by_role("link", name=person).click()
        expect_home(visitor)
        visitor.shot(f"door-{company.lower()}-{label}")
    visitor.go("/account/3rdparty/")
    expect(visitor.page.get_by_role("main").get_by_text(company).first).to_be_visible()
    visitor.shot(f"door-{company.lower()}-connected")


def test_an_account_of_another_company_with_the_coachs_address_does_not_open_the_coachs(enter: Enter) -> None:
    visitor = enter(width=390, theme="dark")
    visitor.go("/account/login/")
    visitor.page.get_by_role("button", name="Continue with Google").click()
    visitor.page.get_by_role("link", name="Carla Coach").click()
    expect(visitor.page.get_by_role("main").get_by_text(re.compile("log in", re.IGNORECASE)).first).to_be_visible()
    visitor.shot("door-google-address-taken")
    visitor.complaints.clear()  # the browser notes the status that the page is answered with
    visitor.go("/today/")
    expect(visitor.page).to_have_url(re.compile("/account/login/"))


def test_an_authenticator_app_is_asked_for_from_then_on(enter: Enter) -> None:
    visitor = enter(width=390, theme="light")
    page = visitor.page
    visitor.log_in("dana@demo.example")
    visitor.go("/account/2fa/totp/activate/")
    secret = page.get_by_label("Or type this secret into the app").input_value()
    visitor.shot("door-totp-set-up")
    page.get_by_label("Authenticator code").fill(code_of(secret))
    page.get_by_role("button", name="Switch on").click()
    expect(page.get_by_text(re.compile("recovery codes", re.IGNORECASE)).first).to_be_visible()
    visitor.shot("door-totp-codes")


def test_a_passkey_is_a_way_in(enter: Enter, stack: Stack) -> None:
    visitor = enter(width=1440, theme="light")
    visitor.stack = Stack(stack.url.replace("127.0.0.1", "localhost"), stack.sandbox_url, stack.process)
    page = visitor.page
    device = page.context.new_cdp_session(page)
    device.send("WebAuthn.enable")
    keys = {"protocol": "ctap2", "transport": "internal", "hasResidentKey": True, "hasUserVerification": True}
    keys |= {"isUserVerified": True, "automaticPresenceSimulation": True}
    device.send("WebAuthn.addVirtualAuthenticator", {"options": keys})
    visitor.log_in("elif@demo.example")
    visitor.go("/account/2fa/webauthn/add/")
    page.get_by_label("Name").fill("My phone")
    page.get_by_label(re.compile("passwordless|without a password", re.IGNORECASE)).check()
    visitor.shot("door-passkey-add")
    page.get_by_role("button", name="Go on").click()
    expect(page.get_by_text(re.compile("My phone|recovery codes", re.IGNORECASE)).first).to_be_visible()
    log_out(visitor)
    page.get_by_role("button", name="Log in with a passkey").click()
    expect(page.get_by_role("link", name=re.compile("Settings|My week|Inbox")).first).to_be_visible()
    visitor.shot("door-passkey-in")
