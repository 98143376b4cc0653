import pytest

from tests.integrations.resilience.world import World


@pytest.fixture(params=["redis", "twin"])
def world(request: pytest.FixtureRequest) -> World:
    """The same rules hold in Redis and in the process that is left alone."""
    return World(with_redis=request.param == "redis")


@pytest.fixture
def shared() -> World:
    return World(with_redis=True)
