"""An athlete with an account in Garmin's sandbox; the real adapter, client and HTTP stack in between."""

from typing import Any

import pytest
from django.test import Client

from accounts.models import User
from integrations import gateways
from integrations.models import Connection, Provider
from integrations.resilience.policies import PoolPolicy
from integrations.sandbox import RunningSandbox
from tests.coaching.world import GIVE_UP_S, Account, connect

FAST = 0.01  # of the engine's real times
EMAIL = "athlete2@sandbox.example"


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
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits 20 seconds for an answer that does not come."""
    monkeypatch.setattr(gateways, "POOL", PoolPolicy(read_timeout=GIVE_UP_S))


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
