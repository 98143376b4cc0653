"""A sender beside the real providers, its endpoint, and our own web server as production runs it."""

import base64
import os
import sys
from collections.abc import Iterator

import pytest

from accounts.models import User
from integrations import providers, registry
from integrations.models import Connection, Provider, ProviderMode, SyncStream
from tests.webhooks import processes
from tests.webhooks.processes import DOUBLES
from tests.webhooks.wire import Door, Sender
from webhooks import endpoints, outage
from webhooks.models import WebhookEndpoint
from webhooks.services import securing

PREFIX = "integrations.providers.sender"


def _forget() -> None:
    registry.specs.cache_clear()
    registry.part.cache_clear()
    endpoints.forget()
    outage.forget()
    for name in [name for name in sys.modules if name.startswith(PREFIX)]:
        del sys.modules[name]


@pytest.fixture
def doubles(transactional_db: None) -> Iterator[None]:
    """The tests' own provider folders count."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(providers, "__path__", [*providers.__path__, DOUBLES])
        _forget()
        yield
    _forget()


@pytest.fixture
def provider(doubles: None) -> Provider:
    row, _ = Provider.objects.update_or_create(
        slug="sender", defaults={"name": "Sender", "mode": ProviderMode.ENABLED, "client_id": "client"}
    )
    return row


@pytest.fixture
def endpoint(provider: Provider) -> WebhookEndpoint:
    return WebhookEndpoint.objects.create(provider=provider, name="events")


@pytest.fixture
def secret(endpoint: WebhookEndpoint) -> str:
    text = "whsec_" + base64.b64encode(os.urandom(32)).decode()
    securing.rotate(endpoint, text)
    return text


@pytest.fixture
def account(provider: Provider, athlete: User) -> Connection:
    return Connection.objects.create(
        user=athlete, provider=provider, status="active", external_account_id="a1", external_name="Ada"
    )


@pytest.fixture
def stream(account: Connection) -> SyncStream:
    return SyncStream.objects.create(connection=account, resource="workouts", next_run_at="2099-01-01T00:00Z")


@pytest.fixture
def sender(endpoint: WebhookEndpoint, secret: str) -> Sender:
    """Signs as the provider does, and posts through Django's own test client."""
    return Sender(path=f"/webhooks/sender/{endpoint.token}/", secret=secret)


@pytest.fixture(scope="session")
def web(django_db_setup: None) -> Iterator[int]:
    with processes.web() as port:
        yield port


@pytest.fixture
def door(web: int, endpoint: WebhookEndpoint, secret: str) -> Door:
    """The same over a real socket, to gunicorn."""
    return Door(path=f"/webhooks/sender/{endpoint.token}/", secret=secret, port=web)
