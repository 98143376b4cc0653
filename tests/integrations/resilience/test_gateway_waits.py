"""The gateway against a real server: who waits how long, and what holds a login back."""

import pytest
import structlog

from integrations import errors
from integrations.resilience.gateway import DEFAULT_PAUSE_S, LEAST_PAUSE_S
from integrations.resilience.policies import RateLimitPolicy
from integrations.resilience.state import DOWN_FOR_S, SharedState
from integrations.sandbox import faults
from tests.integrations.gateway_calls import Garmin
from tests.integrations.resilience.world import NO_REDIS, Clock

# --- who waits


@pytest.mark.parametrize(
    ("fault", "pause"),
    [("429", DEFAULT_PAUSE_S), ("429-retry:30", 30), ("429-retry:1000000000", errors.API_RETRY_AFTER_CAP_S)],
)
def test_a_429_pauses_the_accounts_bucket_and_no_other(garmin: Garmin, fault: str, pause: float) -> None:
    gateway = garmin.gateway()
    assert garmin.fails(fault, gateway=gateway).retry_after == pause
    asked = len(garmin.box.calls)
    with pytest.raises(errors.ThrottledError) as caught:
        garmin.call(gateway)
    assert caught.value.retry_after == pytest.approx(pause, rel=1e-3)
    assert len(garmin.box.calls) == asked, "the provider is not asked meanwhile"
    garmin.call(gateway, scope="another")
    garmin.clock.now += pause + 1
    garmin.call(gateway)


def test_a_429_with_a_date_is_understood(garmin: Garmin, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(faults, "DATE_AHEAD_S", 600)
    retry_after = garmin.fails("429-retry:date").retry_after
    assert retry_after is not None
    assert 500 < retry_after <= 600


def test_a_retry_after_in_the_past_pauses_for_a_moment(garmin: Garmin) -> None:
    gateway = garmin.gateway()
    assert garmin.fails("429-retry:-5", gateway=gateway).retry_after == LEAST_PAUSE_S
    garmin.call(gateway)
    assert garmin.clock.slept == [pytest.approx(LEAST_PAUSE_S, abs=0.01)]


def test_a_busy_account_waits_a_little_and_then_gives_up(garmin: Garmin) -> None:
    gateway = garmin.gateway({"account": RateLimitPolicy(2, 1)})
    for _ in range(3):
        garmin.call(gateway)
    assert garmin.clock.slept == [pytest.approx(1)]
    slow = garmin.gateway({"account": RateLimitPolicy(1, 0.1)})
    garmin.call(slow)
    with pytest.raises(errors.ThrottledError) as caught:
        garmin.call(slow)
    assert caught.value.retry_after == pytest.approx(10)
    assert caught.value.halted, "a stop of our own is no failure of the provider's"


def test_an_outage_of_redis_is_told_once_and_over_when_it_is_back() -> None:
    clock, asked = Clock(), []
    state = SharedState(NO_REDIS, clock=clock)
    away = state.script("return 1")
    with structlog.testing.capture_logs() as lines:
        assert [away([], []), away([], [])] == [None, None]
        assert state.run(lambda: asked.append(1)) is None
        assert asked == [], "not asked again while it is away"
        clock.now += DOWN_FOR_S
        assert away([], []) is None
    assert [line["event"] for line in lines] == ["shared_state_down"]
    clock.now += DOWN_FOR_S
    assert state.run(lambda: 7) == 7
    assert state.run(lambda: 8) == 8


# --- a library's own HTTP


LOGINS = {"login": RateLimitPolicy(1, 1 / 30), "login_hour": RateLimitPolicy(10, 10 / 3600)}


def test_a_second_login_is_held_back_and_told_for_how_long(garmin: Garmin) -> None:
    gateway, entered = garmin.gateway(LOGINS), []
    with gateway.guard("login"):
        entered.append(1)
    with pytest.raises(errors.ThrottledError) as caught, gateway.guard("login"):
        entered.append(2)
    assert caught.value.retry_after == pytest.approx(30)
    assert entered == [1]
    assert garmin.clock.slept == [], "a person waits for it"
    garmin.clock.now += 30
    with gateway.guard("login"):
        entered.append(3)
    assert entered == [1, 3]


def test_logins_of_an_hour_are_counted_too(garmin: Garmin) -> None:
    gateway = garmin.gateway(LOGINS)
    for _ in range(10):
        with gateway.guard("login"):
            garmin.clock.now += 30
    with pytest.raises(errors.ThrottledError), gateway.guard("login"):
        raise AssertionError("the hour is full")


def test_a_guarded_failure_passes_through_unchanged(garmin: Garmin) -> None:
    refused = errors.LoginRefused(provider="garmin")
    with pytest.raises(errors.LoginRefused) as caught, garmin.gateway(LOGINS).guard("login"):
        raise refused
    assert caught.value is refused
