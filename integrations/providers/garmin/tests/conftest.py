"""The sandbox, and the unmodified library pointed at it."""

from collections.abc import Callable

import pytest
from garminconnect import Garmin

from integrations.providers.garmin.sandbox.garmin import GarminSandbox
from integrations.sandbox import RunningSandbox
from tests.sandboxes import box_of

PASSWORD = "sandbox-only"
PAUSES = [f"{flow}_DELAY_{bound}_S" for flow in ("MOBILE", "WIDGET", "LOGIN") for bound in ("MIN", "MAX")]
STRATEGIES = {"mobile+cffi", "mobile+requests", "widget+cffi", "portal+cffi", "portal+requests"}

type NewClient = Callable[..., Garmin]


@pytest.fixture
def box(sandbox: RunningSandbox) -> GarminSandbox:
    return box_of(sandbox, GarminSandbox)


@pytest.fixture
def new_client(sandbox: RunningSandbox, monkeypatch: pytest.MonkeyPatch) -> NewClient:
    """Clients of the library without its pauses; `only` names the one strategy that is tried."""
    for name in PAUSES:
        monkeypatch.setattr(f"garminconnect.client.sso.{name}", 0)

    def make(email: str = "athlete2@sandbox.example", password: str = PASSWORD, *, only: str = "") -> Garmin:
        return pointed_at(sandbox, email, password, only=only)

    return make


def pointed_at(sandbox: RunningSandbox, email: str, password: str = PASSWORD, *, only: str = "") -> Garmin:
    garmin = Garmin(email, password, return_on_mfa=True, retry_attempts=0)
    bases = sandbox.base_urls("garmin")
    client = garmin.client
    client._sso, client._connect, client._connectapi = bases["sso"], bases["connect"], bases["api"]
    client._di_token_url = bases["token"] + "/di-oauth2-service/oauth/token"
    client.skip_strategies = STRATEGIES - {only} if only else set()
    return garmin


@pytest.fixture
def garmin(new_client: NewClient) -> Garmin:
    """Logged in as Ben."""
    client = new_client()
    client.login()
    return client
