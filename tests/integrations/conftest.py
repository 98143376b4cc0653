"""A provider whose tokens are good once, put beside the real folders; and Strava's sandbox."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from integrations import providers, registry
from integrations.models import Provider
from integrations.sandbox import RunningSandbox
from integrations.spec import Part
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
