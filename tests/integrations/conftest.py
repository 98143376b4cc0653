"""A provider whose tokens are good once, put beside the real folders; and Strava's sandbox."""

import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from accounts.models import User
from integrations import credentials, providers, registry
from integrations.models import Connection, Credential, Provider, ProviderMode, SyncJob, SyncStream
from integrations.sandbox import RunningSandbox
from integrations.spec import Grant, Part
from tests.integrations.admin_pages import CANARY
from tests.sandboxes import point_at

DOUBLES = str(Path(__file__).parent / "doubles")


def _forget_parts() -> None:
    registry.specs.cache_clear()
    registry.part.cache_clear()
    for name in [name for name in sys.modules if name.startswith("integrations.providers.rotator")]:
        del sys.modules[name]


@pytest.fixture
def rotator(transactional_db: None) -> Iterator[Any]:
    """The provider's side of the double: counts calls and knows which token is good."""
    with pytest.MonkeyPatch.context() as patch:  # undone before the database is emptied, which makes provider rows
        patch.setattr(providers, "__path__", [*providers.__path__, DOUBLES])
        _forget_parts()
        yield registry.part("rotator", Part.LOGIN).site
    _forget_parts()


@pytest.fixture
def strava(sandbox: RunningSandbox, db: None) -> RunningSandbox:
    """Strava's sandbox, with the row pointing there."""
    provider, _ = Provider.objects.get_or_create(slug="strava", defaults={"name": "Strava"})
    point_at(provider, sandbox)
    return sandbox


@pytest.fixture
def connection(athlete: User, garmin_provider: Provider) -> Connection:
    """At Garmin, with tokens that end tomorrow."""
    made = Connection.objects.create(
        user=athlete, provider=garmin_provider, status=Connection.Status.ACTIVE, external_account_id="42"
    )
    grant = Grant({"access": CANARY, "refresh": CANARY}, timezone.now() + timedelta(days=1))
    credentials.store(made, grant, kind=Credential.Kind.SESSION)
    return made


@pytest.fixture
def stream(connection: Connection) -> SyncStream:
    return SyncStream.objects.create(connection=connection, resource="workouts")


@pytest.fixture
def job(stream: SyncStream) -> SyncJob:
    return SyncJob.objects.create(
        stream=stream, status=SyncJob.Status.RUNNING, lease_token="1" * 32, lease_until=timezone.now()
    )


@pytest.fixture
def rotating(rotator: Any, athlete: User) -> Connection:
    """An active connection to it, with fresh tokens."""
    provider = Provider.objects.create(slug="rotator", name="Rotator", mode=ProviderMode.ENABLED)
    connection = Connection.objects.create(
        user=athlete, provider=provider, status=Connection.Status.ACTIVE, external_account_id="7"
    )
    credentials.store(connection, rotator.grant(), kind=Credential.Kind.OAUTH2)
    return connection


@pytest.fixture
def with_pkce(strava: RunningSandbox, monkeypatch: pytest.MonkeyPatch) -> RunningSandbox:
    """Strava as if it offered PKCE; its sandbox checks a challenge that it was given."""
    spec = registry.spec_for("strava")
    assert spec.oauth
    wanted = replace(spec, oauth=replace(spec.oauth, pkce=True))
    monkeypatch.setattr(registry, "specs", lambda: {"strava": wanted})
    return strava
