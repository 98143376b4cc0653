"""A provider whose tokens are good once, put beside the real folders; and Garmin's sandbox, for the real one."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from config.demo import seeding
from integrations import providers, registry
from integrations.models import Provider, ProviderMode
from integrations.sandbox import RunningSandbox, running
from integrations.spec import Part

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
def garmin(garmin_provider: Provider) -> Iterator[RunningSandbox]:
    """Garmin's sandbox, with the row pointing there and no bucket in the way."""
    with running() as sandbox:
        wide = {"capacity": 1000, "per_s": 1000}
        garmin_provider.base_urls = sandbox.base_urls("garmin")
        garmin_provider.limits = {"account": wide, "login": wide, "login_hour": wide}
        garmin_provider.save()
        yield sandbox


@pytest.fixture
def strava(db: None) -> Iterator[RunningSandbox]:
    """Strava's sandbox, with the row pointing there as its application and no bucket in the way."""
    with running() as sandbox:
        wide = {"capacity": 1000, "per_s": 1000}
        provider, _ = Provider.objects.get_or_create(slug="strava", defaults={"name": "Strava"})
        provider.mode = ProviderMode.ENABLED
        provider.base_urls = sandbox.base_urls("strava")
        provider.limits = {"provider": wide, "account": wide}
        seeding.register_client(provider)
        yield sandbox
