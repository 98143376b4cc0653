from collections.abc import Iterator

import pytest

from integrations.sandbox import RunningSandbox, running
from tests.integrations.gateway_calls import EMAIL, Garmin
from tests.integrations.resilience.stub import Stub, running_stub
from tests.integrations.resilience.world import World


@pytest.fixture(params=["redis", "twin"])
def world(request: pytest.FixtureRequest) -> World:
    """The same rules hold in Redis and in the process that is left alone."""
    return World(with_redis=request.param == "redis")


@pytest.fixture
def shared() -> World:
    return World(with_redis=True)


@pytest.fixture(scope="module")
def server() -> Iterator[Stub]:
    with running_stub() as stub:
        yield stub


@pytest.fixture
def stub(server: Stub) -> Stub:
    vars(server).update(vars(Stub(server.url)))
    return server


@pytest.fixture(scope="module")
def sandbox() -> Iterator[RunningSandbox]:
    with running() as started:
        yield started


@pytest.fixture
def garmin(sandbox: RunningSandbox) -> Iterator[Garmin]:
    """Garmin's sandbox behind gateways, for those who call; well again for the next one."""
    yield Garmin(sandbox)
    box = sandbox["garmin"]
    box.set_fault(EMAIL, "")
    box.calls.clear()
    vars(box).pop("answer", None)
