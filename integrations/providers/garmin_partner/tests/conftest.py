"""The sandbox of Garmin's partner programme, and ours in front of it."""

import pytest

from integrations.providers.garmin_partner.adapter import Adapter
from integrations.providers.garmin_partner.login import Login
from integrations.providers.garmin_partner.sandbox.partner import GarminPartnerSandbox
from integrations.resilience.gateway import Gateway
from integrations.sandbox import RunningSandbox
from integrations.spec import OAuthClient
from tests.sandboxes import box_of, gateway_to

ADA = "athlete1@sandbox.example"
ALL = ("ACTIVITY_EXPORT", "WORKOUT_IMPORT", "HISTORICAL_DATA_EXPORT")


@pytest.fixture
def box(sandbox: RunningSandbox) -> GarminPartnerSandbox:
    return box_of(sandbox, GarminPartnerSandbox)


@pytest.fixture
def gateway(sandbox: RunningSandbox) -> Gateway:
    return gateway_to(sandbox, "garmin_partner")


@pytest.fixture
def login(gateway: Gateway, box: GarminPartnerSandbox) -> Login:
    return Login(gateway, OAuthClient(*box.client))


def adapter(box: GarminPartnerSandbox, gateway: Gateway, *permissions: str) -> Adapter:
    """Ada's, who allowed these, or all."""
    box.state.people[ADA]["permissions"] = list(permissions or ALL)
    return Adapter(gateway, box.state.grant(ADA), "test")
