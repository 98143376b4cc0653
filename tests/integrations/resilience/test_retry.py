"""What is repeated, how often, after how long, and what is never sent twice."""

from typing import Any

import pytest

from integrations import errors
from integrations.resilience.policies import RetryPolicy
from integrations.resilience.retry import Retry
from tests.integrations.resilience.world import Clock


class Provider:
    """Answers with the given failures, one after the other, then with success."""

    def __init__(self, *failures: errors.IntegrationError) -> None:
        self.failures, self.calls = list(failures), 0

    def __call__(self) -> str:
        self.calls += 1
        if self.failures:
            raise self.failures.pop(0)
        return "done"


def retry(clock: Clock, **policy: Any) -> Retry:
    return Retry("garmin", RetryPolicy(**policy), clock=clock, sleep=clock.sleep, rng=lambda low, high: high)


def test_three_requests_in_all_at_growing_distance() -> None:
    clock, provider = Clock(), Provider(*(errors.ServerError() for _ in range(5)))
    with pytest.raises(errors.ServerError):
        retry(clock).call(provider)
    assert provider.calls == 3
    assert clock.slept == [pytest.approx(1.3), pytest.approx(2.3)]


def test_the_delay_is_jittered_and_capped() -> None:
    drawn: list[tuple[float, float]] = []
    plain = Retry("garmin", RetryPolicy(), rng=lambda low, high: drawn.append((low, high)) or 0.0)  # type: ignore[func-returns-value]
    assert [plain.delay(n) for n in range(7)] == [1, 2, 4, 8, 16, 30, 30]
    assert set(drawn) == {(0, 0.3)}


def test_success_ends_it() -> None:
    clock, provider = Clock(), Provider(errors.TimeoutError(), errors.ConnectionError())
    assert retry(clock).call(provider) == "done"
    assert provider.calls == 3


@pytest.mark.parametrize(
    "error",
    [
        errors.AuthenticationError(status=401),
        errors.AuthorizationError(status=403),
        errors.NotFoundError(status=404),
        errors.ConflictError(status=409),
        errors.ValidationError(status=400),
        errors.ServerError(status=501, retryable=False),
        errors.DataError(),
        errors.ConnectionError(code="tls", retryable=False),
        errors.CircuitOpenError(retry_after=1),
        errors.ThrottledError(retry_after=1),
        errors.IntegrationDisabled(),
    ],
    ids=lambda error: error.code,
)
def test_what_would_fail_again_or_is_a_stop_of_ours_is_not_repeated(error: errors.IntegrationError) -> None:
    clock, provider = Clock(), Provider(error)
    with pytest.raises(type(error)):
        retry(clock).call(provider)
    assert (provider.calls, clock.slept) == (1, [])


def test_a_circuit_that_opens_in_between_ends_it() -> None:
    clock, provider = Clock(), Provider(errors.ServerError(), errors.CircuitOpenError(retry_after=30))
    with pytest.raises(errors.CircuitOpenError):
        retry(clock).call(provider)
    assert provider.calls == 2


def test_it_waits_as_long_as_the_provider_asks_and_never_less() -> None:
    clock, provider = Clock(), Provider(errors.RateLimitError(retry_after=7), errors.ServerError(retry_after=12))
    assert retry(clock).call(provider) == "done"
    assert clock.slept == [pytest.approx(7.3), pytest.approx(12.3)]


@pytest.mark.parametrize("error", [errors.RateLimitError(retry_after=31), errors.RateLimitError()])
def test_a_long_or_unknown_wait_is_the_callers_to_write_down(error: errors.IntegrationError) -> None:
    clock, provider = Clock(), Provider(error)
    with pytest.raises(errors.RateLimitError):
        retry(clock).call(provider)
    assert (provider.calls, clock.slept) == (1, [])


def test_no_wait_is_begun_that_ends_after_the_deadline() -> None:
    clock, provider = Clock(), Provider(*(errors.ServerError() for _ in range(3)))
    with pytest.raises(errors.ServerError):
        retry(clock).call(provider, deadline=clock() + 3)
    assert (provider.calls, len(clock.slept)) == (2, 1)


@pytest.mark.parametrize(
    ("error", "calls"),
    [
        (errors.TimeoutError(), 1),
        (errors.TimeoutError(code="connection_lost"), 1),
        (errors.ServerError(status=500), 1),
        (errors.ServerError(status=503), 1),
        (errors.ServerError(status=503, retry_after=2), 2),
        (errors.ConnectionError(), 2),
        (errors.RateLimitError(status=429, retry_after=2), 2),
    ],
    ids=lambda value: str(getattr(value, "code", value)),
)
def test_a_write_is_sent_again_only_when_it_surely_was_not_done(error: errors.IntegrationError, calls: int) -> None:
    clock, provider = Clock(), Provider(error)
    if calls == 1:
        with pytest.raises(type(error)):
            retry(clock).call(provider, safe=False)
    else:
        assert retry(clock).call(provider, safe=False) == "done"
    assert provider.calls == calls


def test_a_mistake_of_ours_is_not_repeated() -> None:
    def broken() -> None:
        calls.append(1)
        raise KeyError("ours")

    calls: list[int] = []
    with pytest.raises(KeyError):
        retry(Clock()).call(broken)
    assert calls == [1]
