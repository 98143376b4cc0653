"""What the contract of provider folders is asked of: all of them, as the registry finds them."""

import pytest

from integrations import registry
from integrations.spec import (
    ProviderSpec,
)

SLUGS = list(registry.specs())
each_provider = pytest.mark.parametrize("slug", SLUGS)


def spec(slug: str) -> ProviderSpec:
    return registry.spec_for(slug)
