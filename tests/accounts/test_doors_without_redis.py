"""Login doors while Redis is away: they open, they count, and nobody is told of it but the log."""

import logging
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from allauth.account.models import EmailAddress
from django.core.cache import cache
from django.test import Client
from pytest_django import Settings

from accounts.models import User
from config import limits
from config.embedded import servers
from integrations.resilience import state
from integrations.resilience.state import SharedState
from tests.conftest import PASSWORD

TRIES = 5  # of one person in five minutes


class OwnRedis:
    """A server that a test may stop and start."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.url = folder, f"unix://{folder / 'redis.sock'}?db=0"
        self.start()

    def start(self) -> None:
        self.server = servers.start_redis(self.folder / "data", self.folder)

    def stop(self) -> None:
        self.server.stop()


@pytest.fixture
def own_redis(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[OwnRedis]:
    """The cache and the limits as in production, at a server of their own."""
    with tempfile.TemporaryDirectory(prefix="tc-") as folder:
        own = OwnRedis(Path(folder))
        settings.REDIS_URL = own.url
        settings.CACHES = {
            "default": {
                "BACKEND": "config.caches.SharedOrOwnCache",
                "LOCATION": own.url,
                "KEY_PREFIX": "tc",
                "OPTIONS": {"socket_connect_timeout": 30, "socket_timeout": 30},  # late is not away
            }
        }
        limits.admission.cache_clear()
        monkeypatch.setattr(state, "DOWN_FOR_S", 0.0)  # so that each command looks whether it is back
        yield own
        limits.admission.cache_clear()
        own.stop()
        cache.clear()


@pytest.fixture
def settled(coach: User) -> User:
    EmailAddress.objects.create(user=coach, email=coach.email, verified=True, primary=True)
    return coach


def knock(user: User, password: str, number: int = 1) -> str:
    """What somebody at an address of his own is told at the door."""
    client = Client(REMOTE_ADDR=f"10.9.0.{number}")
    assert client.get("/account/login/").status_code == 200
    answer = client.post("/account/login/", {"login": user.email, "password": password})
    if answer.status_code == 302:
        assert "_auth_user_id" in client.session
        return "inside"
    assert answer.status_code == 200
    return "slow" if "Too many failed login attempts" in answer.text else "wrong"


def test_the_door_opens_and_the_log_tells_it_once(
    own_redis: OwnRedis, settled: User, caplog: pytest.LogCaptureFixture
) -> None:
    assert knock(settled, PASSWORD) == "inside"
    own_redis.stop()
    with caplog.at_level(logging.WARNING):
        assert [knock(settled, PASSWORD, number) for number in (2, 3, 4)] == ["inside"] * 3
    told = [record for record in caplog.records if "shared_state_down" in str(record.msg)]
    assert len(told) == 2, "once for the cache and once for the limits of requests"


def test_tries_are_counted_in_the_process_meanwhile(own_redis: OwnRedis, settled: User) -> None:
    own_redis.stop()
    answers = [knock(settled, "wrong horse", number) for number in range(TRIES + 1)]
    assert answers == ["wrong"] * TRIES + ["slow"]
    assert knock(settled, PASSWORD, 99) == "slow", "not even the right one, for the guesser would learn it"


def test_redis_counts_again_once_it_is_back(own_redis: OwnRedis, settled: User) -> None:
    own_redis.stop()
    assert knock(settled, "wrong horse") == "wrong"
    own_redis.start()
    answers = [knock(settled, "wrong horse", number) for number in range(TRIES + 1)]
    assert answers == ["wrong"] * TRIES + ["slow"]
    with SharedState(own_redis.url).client as client:
        assert client.keys("tc:*login_failed*"), "for all processes, not for this one"


def test_what_the_cache_keeps_is_no_code(own_redis: OwnRedis, db: None) -> None:
    cache.set("tries", [1.5, True, "x"], 60)
    with SharedState(own_redis.url).client as client:
        held = [client.get(key) for key in client.keys("tc:*tries")]
    assert held == ['[1.5,true,"x"]']
    assert cache.get("tries") == [1.5, True, "x"]
