"""An athlete with an account in Garmin's sandbox; the real adapter, client and HTTP stack in between."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client

from accounts.models import User
from integrations.models import Connection, Provider
from integrations.sandbox import RunningSandbox, running
from tests.coaching.world import Account, connect

FAST = 0.01  # of the engine's real times
EMAIL = "athlete2@sandbox.example"


@pytest.fixture
def garmin(garmin_provider: Provider) -> Iterator[RunningSandbox]:
    """Garmin's sandbox, with the row pointing there and no bucket in the way."""
    with running() as sandbox:
        wide = {"capacity": 1000, "per_s": 1000}
        garmin_provider.base_urls = sandbox.base_urls("garmin")
        garmin_provider.limits = {"account": wide, "login": wide, "login_hour": wide}
        garmin_provider.save()
        yield sandbox


@pytest.fixture
def connection(athlete: User, garmin: RunningSandbox, garmin_provider: Provider, transactional_db: None) -> Connection:
    return connect(athlete, garmin, garmin_provider, EMAIL)


@pytest.fixture
def account(garmin: RunningSandbox, connection: Connection) -> Account:
    """The athlete's own, at the provider."""
    return Account(garmin, EMAIL)


@pytest.fixture
def fast(settings: Any) -> None:
    """The engine's waits, a hundredth of what they are."""
    settings.TIME_SCALE = FAST


@pytest.fixture
def as_coach(coach: User) -> Client:
    client = Client()
    client.force_login(coach)
    return client


@pytest.fixture
def as_athlete(athlete: User) -> Client:
    client = Client()
    client.force_login(athlete)
    return client
