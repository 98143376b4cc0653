"""One flight for all who ask at the same time."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from integrations import errors
from integrations.resilience.coalesce import SingleFlight


def test_who_waits_too_long_is_told_and_the_flight_goes_on() -> None:
    flight, entered, leave = SingleFlight("garmin"), threading.Event(), threading.Event()

    def slow() -> int:
        entered.set()
        leave.wait(5)
        return 7

    with ThreadPoolExecutor(1) as pool:
        leader = pool.submit(flight.do, "key", slow)
        assert entered.wait(5)
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
