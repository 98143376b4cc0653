"""Redis refused, hung, full, flushed, back again: the calls go on, and nobody waits for it twice."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import redis
import structlog
from django.conf import settings

from integrations.resilience.admission import Admission
from integrations.resilience.policies import BreakerPolicy, RateLimitPolicy
from integrations.resilience.state import DOWN_FOR_S, WARN_EVERY_S, SharedState
from tests.integrations.resilience.world import NO_REDIS, Clock, World, let_in, open_up, state_of

TEN = {"provider": RateLimitPolicy(10, 1)}
SLOW_TEN = {"provider": RateLimitPolicy(10, 0.001)}  # gives no more within the test, however long that takes
TIMEOUT_S = 0.25  # as the product has it


def alone(state: SharedState) -> Admission:
    return Admission("garmin", state, breaker=BreakerPolicy())


@contextmanager
def server(answer: bytes) -> Iterator[str]:
    """Something on Redis' port that says `answer` to everything, or nothing at all."""

    def talk(caller: socket.socket) -> None:
        with caller:
            while caller.recv(65536):
                if answer:
                    caller.sendall(answer)

    def accept() -> None:
        while True:
            try:
                caller, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=talk, args=(caller,), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=accept, daemon=True).start()
        yield f"redis://127.0.0.1:{listener.getsockname()[1]}/0"
        listener.shutdown(socket.SHUT_RDWR)


@pytest.mark.parametrize(
    "answer",
    [b"", b"-OOM command not allowed when used memory > 'maxmemory'.\r\n", b"-LOADING Redis is loading\r\n", b"?\r\n"],
    ids=["hung", "full", "loading", "garbled"],
)
def test_a_redis_in_trouble_costs_a_third_of_a_second_once(answer: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("integrations.resilience.state.TIMEOUT_S", TIMEOUT_S)
    with server(answer) as url:
        one = alone(SharedState(url))
        started = time.monotonic()
        assert let_in(one, SLOW_TEN) is not None
        assert time.monotonic() - started < 10 * TIMEOUT_S
        assert sum(let_in(one, SLOW_TEN, max_wait=0) is not None for _ in range(20)) == 9, "the twin keeps the limit"


def test_one_caller_in_five_seconds_tries_whether_it_is_back() -> None:
    clock, asked = Clock(), []
    state = SharedState(NO_REDIS, clock=clock)
    assert state.script("return 1")([], []) is None
    assert not state.is_up
    clock.now += DOWN_FOR_S
    inside = threading.Barrier(2)

    def trying() -> int:
        asked.append(1)
        inside.wait(60)
        inside.wait(60)
        return 1

    prober = threading.Thread(target=state.run, args=(trying,))
    prober.start()
    inside.wait(60)
    assert [state.run(lambda: asked.append(2)) for _ in range(5)] == [None] * 5
    inside.wait(60)
    prober.join()
    assert asked == [1]
    assert state.is_up


def test_a_flapping_redis_warns_once_a_minute() -> None:
    clock = Clock()
    state = SharedState(NO_REDIS, clock=clock)
    away = state.script("return 1")
    with structlog.testing.capture_logs() as lines:
        for _ in range(11):
            assert away([], []) is None
            clock.now += DOWN_FOR_S
            assert state.run(lambda: 1) == 1
    assert len(lines) == 1
    with structlog.testing.capture_logs() as lines:
        clock.now += WARN_EVERY_S
        away([], [])
    assert len(lines) == 1


def test_when_it_is_back_its_word_counts_and_the_twins_is_forgotten(shared: World) -> None:
    one, other = shared.process(), shared.process()
    cut_off = shared.states[0]
    cut_off.is_cut_off = True
    for _ in range(10):
        one.enter({}).failure("server")
    assert let_in(one) is None, "alone it opened"
    assert let_in(other) is not None, "the others did not"
    cut_off.is_cut_off = False
    assert let_in(one) is not None
    cut_off.is_cut_off = True
    assert let_in(one) is not None, "the next outage starts with a new twin"


@pytest.mark.parametrize("command", ["FLUSHALL", "SCRIPT FLUSH"])
def test_a_flush_in_mid_run_does_no_harm(shared: World, command: str) -> None:
    one = shared.process()
    open_up(one)
    with redis.Redis.from_url(settings.REDIS_URL) as client:
        if command == "FLUSHALL":
            client.delete(*client.keys(f"tc:*{shared.slug}*"))  # all there is of it; other tests use the server, too
        else:
            client.script_flush()
    assert state_of(one) == ("CLOSED" if command == "FLUSHALL" else "OPEN")
    assert (let_in(one, TEN) is not None) == (command == "FLUSHALL")
    assert shared.states[0].is_up


def test_every_key_ends_by_itself(shared: World) -> None:
    """So that a Redis that is full can drop them."""
    one = shared.process()
    one.enter(TEN).ignore()
    one.pause("provider", TEN["provider"], 30)
    open_up(one)
    shared.clock.now += 31
    one.enter({})
    one.force_open("because")
    with redis.Redis.from_url(settings.REDIS_URL) as client:
        keys = client.keys(f"tc:*{shared.slug}*")
        assert keys
        assert all(client.ttl(key) > 0 for key in keys)
