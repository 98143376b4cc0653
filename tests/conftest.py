"""The cast and the edges of the world: loopback only, nobody sleeps for long, every cache starts empty."""

import socket
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import redis
from allauth.mfa.models import Authenticator
from django.conf import settings
from django.core.cache import cache
from django.test import Client

from accounts.models import User
from coaching import policies
from coaching.models import CoachingLink, Scope
from config import limits
from integrations import control, flags, gateways, health, publishing
from integrations.models import Provider, ProviderMode
from integrations.registry import spec_for
from integrations.resilience import state
from integrations.resilience.policies import RetryPolicy
from integrations.sandbox import RunningSandbox
from tests.sandboxes import point_at, sandbox

__all__ = ["sandbox"]

PASSWORD = "correct horse battery"

# A Redis that is a quarter of a second late is taken for one that is away: on a busy machine it is only late.
state.TIMEOUT_S = 30.0


@pytest.fixture(autouse=True)
def _own_files(settings: Any, tmp_path: Path) -> None:
    """Files go where the test ends."""
    settings.MEDIA_ROOT = tmp_path / "files"


@pytest.fixture(autouse=True)
def _empty_cache() -> Iterator[None]:
    cache.clear()
    yield
    cache.clear()


@pytest.fixture(autouse=True)
def _calm_providers(monkeypatch: pytest.MonkeyPatch) -> None:
    """No circuit or bucket of another test, and a gateway that repeats without making anybody wait."""
    for memory in (gateways, control, flags, health, publishing, policies):
        memory.forget()
    limits.admission.cache_clear()
    with redis.Redis.from_url(settings.REDIS_URL) as client:
        client.delete("", *client.keys("tc:*"))
    monkeypatch.setattr(gateways, "RETRY", RetryPolicy(base_delay=0.01, max_delay=0.02, jitter=0))


@pytest.fixture
def no_repeats(monkeypatch: pytest.MonkeyPatch) -> None:
    """A gateway that asks once."""
    monkeypatch.setattr(gateways, "RETRY", RetryPolicy(max_attempts=1))


@pytest.fixture
def nowhere() -> Iterator[str]:
    """An address of this machine where nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{taken.getsockname()[1]}"


def make_user(email: str, name: str, **fields: object) -> User:
    user = User.objects.create_user(email, PASSWORD, display_name=name, **fields)
    if user.is_staff:  # who works in operations has a second factor, or gets nowhere
        Authenticator.objects.create(user=user, type=Authenticator.Type.TOTP, data={"secret": "JBSWY3DPEHPK3PXP"})
    return user


@pytest.fixture
def coach(db: None) -> User:
    return make_user("coach@example.org", "Carla Coach", coaching_since=datetime(2026, 1, 1, tzinfo=UTC))


@pytest.fixture
def other_coach(db: None) -> User:
    return make_user("rival@example.org", "Rita Rival", coaching_since=datetime(2026, 1, 1, tzinfo=UTC))


@pytest.fixture
def athlete(db: None) -> User:
    return make_user("athlete@example.org", "Ada Athlete", time_zone="Europe/Lisbon")


@pytest.fixture
def stranger(db: None) -> User:
    return make_user("stranger@example.org", "Sam Stranger")


@pytest.fixture
def operator(db: None) -> User:
    return make_user("ops@example.org", "Olga Operator", is_staff=True, is_superuser=True)


@pytest.fixture
def link(coach: User, athlete: User) -> CoachingLink:
    return CoachingLink.objects.create(coach=coach, athlete=athlete, scopes=[Scope.PLAN])


@pytest.fixture
def garmin_provider(db: None) -> Provider:
    """The Garmin row, switched on."""
    provider, _ = Provider.objects.update_or_create(
        slug="garmin", defaults={"name": spec_for("garmin").label, "mode": ProviderMode.ENABLED}
    )
    return provider


@pytest.fixture
def garmin(sandbox: RunningSandbox, garmin_provider: Provider) -> RunningSandbox:
    """Garmin's sandbox, with the row pointing there."""
    point_at(garmin_provider, sandbox)
    return sandbox


@pytest.fixture
def ops(client: Client, operator: User) -> Client:
    """Operations in front of the admin."""
    client.force_login(operator)
    return client
