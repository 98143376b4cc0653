"""One flight for all who ask at the same time."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from integrations import errors
from integrations.resilience import metrics
from integrations.resilience.coalesce import SingleFlight
from tests.patience import until


def until_waiting(provider: str, number: float) -> None:
    """Until so many have begun to wait since the beginning of the test run."""
    until(lambda: waiting(provider) >= number)


def waiting(provider: str) -> float:
    return float(metrics.COALESCED.labels(provider)._value.get())


def test_who_waits_too_long_is_told_and_the_flight_goes_on() -> None:
    flight, entered, leave = SingleFlight("garmin"), threading.Event(), threading.Event()

    def slow() -> int:
        entered.set()
        leave.wait(60)
        return 7

    with ThreadPoolExecutor(1) as pool:
        leader = pool.submit(flight.do, "key", slow)
        assert entered.wait(60)
        with pytest.raises(errors.TimeoutError) as caught:
            flight.do("key", slow, timeout=0.01)
        leave.set()
        assert leader.result() == (7, False)
    assert (caught.value.code, caught.value.retryable) == ("coalesce_timeout", True)


def test_another_key_is_another_flight_and_the_next_call_a_new_one() -> None:
    flight, calls = SingleFlight("garmin"), []

    def ask(key: str) -> tuple[int, bool]:
        return flight.do(key, lambda: calls.append(key) or len(calls))  # type: ignore[func-returns-value]

    assert [ask("a"), ask("b"), ask("a")] == [(1, False), (2, False), (3, False)]


def test_a_flight_that_ends_in_a_mistake_of_ours_leaves_the_key_free() -> None:
    flight = SingleFlight("garmin")
    nothing: dict[str, int] = {}
    with pytest.raises(KeyError):
        flight.do("key", lambda: nothing["there"])
    assert flight.do("key", lambda: 7) == (7, False)


class Stopped(BaseException):
    """As when a worker is told to end."""


@pytest.mark.parametrize("error", [Stopped(), errors.TimeoutError(code="coalesce_timeout")], ids=["stop", "own wait"])
def test_when_the_leader_is_stopped_one_who_waits_leads_anew(error: BaseException) -> None:
    flight, entered, leave = SingleFlight("garmin"), threading.Event(), threading.Event()

    def stopped() -> int:
        entered.set()
        leave.wait(60)
        raise error

    before = waiting("garmin")
    with ThreadPoolExecutor(2) as pool:
        leader = pool.submit(flight.do, "key", stopped)
        assert entered.wait(60)
        follower = pool.submit(flight.do, "key", lambda: 7, timeout=60)
        until_waiting("garmin", before + 1)
        leave.set()
        assert follower.result() == (7, False)
        assert leader.exception() is error


class Awkward(Exception):
    """Its constructor wants what its arguments do not hold."""

    def __init__(self, first: str, *, second: int) -> None:
        super().__init__(first)
        self.second = second


@pytest.mark.parametrize(
    "error",
    [Awkward("a", second=2), TimeoutError("the flight's own"), errors.ServerError("no", context={"operation": "x"})],
    ids=["awkward", "builtin", "ours"],
)
def test_each_who_waited_gets_a_copy_of_the_error(error: Exception) -> None:
    flight, entered, leave = SingleFlight("copies"), threading.Event(), threading.Event()

    def fails() -> int:
        entered.set()
        leave.wait(60)
        raise error

    before = waiting("copies")
    with ThreadPoolExecutor(3) as pool:
        futures = [pool.submit(flight.do, "key", fails)]
        assert entered.wait(60)
        futures += [pool.submit(flight.do, "key", fails, timeout=60) for _ in range(2)]
        until_waiting("copies", before + 2)
        leave.set()
        told = [future.exception() for future in futures]
    assert [type(one) for one in told] == [type(error)] * 3
    assert [str(one) for one in told] == [str(error)] * 3
    assert len({id(one) for one in told}) == 3
    assert [getattr(one, "second", None) for one in told] == [getattr(error, "second", None)] * 3
    if isinstance(error, errors.IntegrationError):
        assert len({id(getattr(one, "context")) for one in told}) == 3  # noqa: B009
