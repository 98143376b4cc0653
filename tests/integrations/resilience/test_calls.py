"""The gateway as a whole, against a server that counts what really reaches it."""

import itertools
import multiprocessing
import threading
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any
from uuid import uuid4

import pytest
from django.conf import settings
from prometheus_client import REGISTRY

from integrations import errors
from integrations.resilience.gateway import Gateway, Hooks
from integrations.resilience.policies import Policies, PoolPolicy, RateLimitPolicy, RetryPolicy
from integrations.resilience.state import SharedState
from tests.integrations.resilience.stub import Stub, status
from tests.integrations.resilience.world import Clock

LIVELY = RetryPolicy(base_delay=0.01, max_delay=0.05, jitter=0)


def gateway(
    url: str, slug: str = "", *, hooks: Hooks | None = None, clock: Clock | None = None, **policy: Any
) -> Gateway:
    time_of = {"clock": clock, "sleep": clock.sleep} if clock else {}
    return Gateway(
        slug or uuid4().hex,
        base_urls={"api": url},
        policies=Policies(**{"retry": LIVELY, **policy}),
        state=SharedState(settings.REDIS_URL),
        hooks=hooks or Hooks(),
        **time_of,  # type: ignore[arg-type]
    )


def get(one: Gateway, **kwargs: Any) -> Any:
    return one.request("GET", "/", operation="profile", **kwargs)


def post(one: Gateway, **kwargs: Any) -> Any:
    return one.request("POST", "/", operation="create_workout", json={}, **kwargs)


def test_a_read_is_repeated_until_it_succeeds(stub: Stub) -> None:
    stub.replies = [status(500), status(503)]
    answer = get(gateway(stub.url))
    assert (answer.data, answer.attempts, len(stub.calls)) == ({"ok": True}, 3, 3)


def test_three_requests_and_then_the_providers_error(stub: Stub) -> None:
    stub.reply = lambda: status(502)
    with pytest.raises(errors.ServerError) as caught:
        get(gateway(stub.url))
    assert len(stub.calls) == 3
    assert caught.value.context["attempts"] == 3


def test_a_write_that_may_have_been_done_is_sent_once(stub: Stub) -> None:
    stub.reply = lambda: status(500)
    with pytest.raises(errors.ServerError):
        post(gateway(stub.url), idempotent=False)
    assert len(stub.calls) == 1


def test_a_write_that_was_turned_away_at_the_door_is_sent_again(stub: Stub) -> None:
    stub.replies = [status(503, Retry_After="0"), status(429, Retry_After="0")]
    one = gateway(stub.url, clock=Clock(), retry=RetryPolicy())
    assert post(one).attempts == 3


def test_an_open_circuit_lets_nothing_out_and_stops_the_repetitions(stub: Stub) -> None:
    stub.reply = lambda: status(500)
    one = gateway(stub.url)
    for _ in range(3):
        with pytest.raises(errors.ServerError):
            get(one)
    with pytest.raises(errors.CircuitOpenError):
        get(one)
    assert len(stub.calls) == 10, "it opened at the tenth, in the middle of the fourth call"
    with pytest.raises(errors.CircuitOpenError) as caught:
        get(one)
    assert len(stub.calls) == 10
    assert caught.value.retry_after == pytest.approx(30, abs=2)


def test_another_workers_circuit_is_ours(stub: Stub) -> None:
    slug = uuid4().hex
    one, other = gateway(stub.url, slug), gateway(stub.url, slug)
    stub.reply = lambda: status(500)
    for _ in range(4):
        with pytest.raises(errors.IntegrationError):
            get(one)
    with pytest.raises(errors.CircuitOpenError):
        get(other)
    assert len(stub.calls) == 10


def test_nothing_serialises_calls_while_the_circuit_is_closed(stub: Stub) -> None:
    met = threading.Barrier(4)

    def meet() -> Any:
        met.wait(60)
        return status(200)

    stub.reply = meet
    one = gateway(stub.url, limits={"provider": RateLimitPolicy(1000, 1000)})
    with ThreadPoolExecutor(4) as pool:
        assert [answer.status for answer in pool.map(lambda _: get(one), range(4))] == [200] * 4


def test_no_more_connections_than_allowed_and_who_waits_too_long_is_told(stub: Stub) -> None:
    inside, leave = threading.Semaphore(0), threading.Event()

    def linger() -> Any:
        inside.release()
        leave.wait(60)
        return status(200)

    stub.reply = linger
    one = gateway(stub.url, pool=PoolPolicy(max_connections=2, acquire_timeout=0.05), retry=RetryPolicy(max_attempts=1))
    with ThreadPoolExecutor(2) as pool:
        busy = [pool.submit(get, one) for _ in range(2)]
        assert inside.acquire(timeout=60)
        assert inside.acquire(timeout=60)
        with pytest.raises(errors.ConnectionError) as caught:
            get(one)
        leave.set()
        assert [future.result().status for future in busy] == [200, 200]
    assert (caught.value.code, caught.value.retryable) == ("pool_timeout", True)
    assert len(stub.calls) == 2


def test_the_deadline_bounds_the_whole_call(stub: Stub) -> None:
    stub.reply = lambda: status(500)
    one = gateway(stub.url, retry=RetryPolicy(base_delay=600, max_delay=600))
    started = time.monotonic()
    with pytest.raises(errors.ServerError):
        get(one, deadline=started + 60)
    assert time.monotonic() - started < 30, "it does not begin to sleep for nothing"
    assert len(stub.calls) == 1


def test_the_gate_is_asked_before_anything_else(stub: Stub) -> None:
    asked: list[tuple[str, str]] = []

    def gate(provider: str, direction: str) -> None:
        asked.append((provider, direction))
        raise errors.IntegrationDisabled(provider=provider)

    one = gateway(stub.url, "garmin", hooks=Hooks(gate=gate))
    with pytest.raises(errors.IntegrationDisabled):
        one.facing("deliver").request("GET", "/", operation="profile")
    assert asked == [("garmin", "deliver")]
    assert stub.calls == []
    assert get(one).status == 200, "a look of operations has no direction"


def test_the_house_hears_of_a_turn_and_of_a_limit_once(stub: Stub) -> None:
    told: list[Any] = []
    hooks = Hooks(turned=lambda *what: told.append(what), limited=lambda *what: told.append(what))
    one = gateway(stub.url, hooks=hooks, limits={"provider": RateLimitPolicy(100, 100)})
    stub.replies = [status(429, Retry_After="77")] * 2
    for _ in range(2):
        with pytest.raises((errors.RateLimitError, errors.ThrottledError)):
            get(one)
    assert told == [("provider", 77)]
    other = gateway(stub.url, hooks=hooks)
    stub.reply = lambda: status(500)
    for _ in range(6):
        with pytest.raises(errors.IntegrationError):
            get(other)
    assert told[1:] == [("", "OPEN", "server")]


def test_a_stop_of_our_own_is_no_failure_in_the_metrics(stub: Stub) -> None:
    slug = uuid4().hex
    one = gateway(stub.url, slug, limits={"provider": RateLimitPolicy(1, 0.01)})
    get(one)
    with pytest.raises(errors.ThrottledError):
        get(one)

    def count(name: str, **labels: str) -> float:
        return REGISTRY.get_sample_value(name, {"provider": slug, **labels}) or 0

    assert count("integration_requests_total", operation="profile", outcome="success") == 1
    assert count("integration_requests_total", operation="profile", outcome="throttled") == 0
    assert count("integration_rate_limit_rejections_total", source="local") == 1


LOGINS = {"login": RateLimitPolicy(100, 100), "login_hour": RateLimitPolicy(100, 100)}


def test_logins_have_a_circuit_of_their_own(stub: Stub) -> None:
    one = gateway(stub.url, limits=LOGINS)
    for _ in range(10):
        with pytest.raises(errors.ServerError), one.guard("login"):
            raise errors.ServerError
    with pytest.raises(errors.CircuitOpenError), one.guard("login"):
        raise AssertionError("nobody logs in now")
    assert get(one).status == 200, "what is connected goes on working"


def test_a_wrong_password_says_nothing_about_the_provider(stub: Stub) -> None:
    one = gateway(stub.url, limits=LOGINS)
    for _ in range(20):
        with pytest.raises(errors.LoginRefused), one.guard("login"):
            raise errors.LoginRefused
    assert one.login.look({})[0].state == "CLOSED"


def storm(url: str, slug: str, seconds: float) -> None:
    """One worker that wants as much as it can get."""
    one = gateway(url, slug, limits={"provider": RateLimitPolicy(5, 5, max_wait=1)}, retry=LIVELY)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            get(one)
        except errors.IntegrationError as exc:
            time.sleep(min(0.05, exc.retry_after or 0.05))


def by_threads(*work: Any) -> None:
    with ThreadPoolExecutor(8) as pool:
        for future in [pool.submit(storm, *work) for _ in range(8)]:
            future.result()


def by_processes(*work: Any) -> None:
    with ProcessPoolExecutor(8, mp_context=multiprocessing.get_context("spawn")) as pool:
        for future in [pool.submit(storm, *work) for _ in range(8)]:
            future.result()


@pytest.mark.parametrize(
    ("workers", "seconds"),
    [
        pytest.param(by_threads, 3, id="short"),
        pytest.param(by_processes, 70, id="long", marks=pytest.mark.soak),
    ],
)
def test_in_a_storm_of_429_eight_workers_stay_within_the_bucket(stub: Stub, workers: Any, seconds: float) -> None:
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=2), usegmt=True)
    asks = itertools.cycle(["1", date, "-5"])

    def reply() -> Any:
        return status(429, Retry_After=next(asks)) if len(stub.calls) % 7 == 0 else status(200)

    stub.reply = reply
    started = time.monotonic()
    workers(stub.url, uuid4().hex, seconds)
    assert len(stub.calls) > 5
    assert stub.stays_within(5, 5, since=started)


def test_a_pause_of_ages_is_cut_to_an_hour(stub: Stub) -> None:
    stub.replies = [status(429, Retry_After=str(10**9))]
    one = gateway(stub.url, limits={"provider": RateLimitPolicy(100, 100)})
    with pytest.raises(errors.RateLimitError) as caught:
        get(one)
    assert caught.value.retry_after == 3600
    with pytest.raises(errors.ThrottledError) as throttled:
        get(one)
    assert throttled.value.retry_after == pytest.approx(3600, abs=2)
