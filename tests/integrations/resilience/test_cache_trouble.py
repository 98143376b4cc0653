"""What a cache withstands: spoilt entries, writes that overtake reads, Redis that forgets, and waiting that ends."""

import os
import signal
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import pytest
import redis
from django.conf import settings

from integrations import errors
from integrations.resilience import metrics
from integrations.resilience.cache import LayeredCache, cache_key
from integrations.resilience.policies import CachePolicy
from integrations.resilience.state import SharedState
from tests.integrations.resilience.test_cache import Caches, Source, key, read
from tests.patience import until

PAST_L1_S = 11


@pytest.fixture
def caches() -> Caches:
    return Caches()


class Slow:
    """A provider that answers when it is told to."""

    def __init__(self, answer: Any) -> None:
        self.answer, self.asked, self.leave = answer, threading.Event(), threading.Event()

    def __call__(self) -> Any:
        self.asked.set()
        assert self.leave.wait(60)
        return self.answer


def asking(pool: ThreadPoolExecutor, cache: LayeredCache, slow: Slow) -> Future[Any]:
    future = pool.submit(read, cache, slow)
    assert slow.asked.wait(60)
    return future


def ended(child: int) -> int:
    """The exit code of a forked process; one that hangs is killed."""
    statuses: list[int] = []

    def is_over() -> bool:
        pid, status = os.waitpid(child, os.WNOHANG)
        statuses.append(status)
        return pid == child

    try:
        until(is_over, words=lambda: "the child hangs")
    except AssertionError:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        raise
    return os.waitstatus_to_exitcode(statuses[-1])


def waiting(provider: str) -> float:
    return float(metrics.COALESCED.labels(provider)._value.get())


def text(client: redis.Redis, name: bytes, content: bytes) -> None:
    client.set(name, content, ex=60)


def a_list(client: redis.Redis, name: bytes, content: bytes) -> None:
    client.delete(name)
    client.lpush(name, content)


@pytest.mark.parametrize(
    ("spoil", "content"),
    [
        (text, b"\xff\xfe"),
        (text, b"[" * 200_000),
        (text, b"[1,2]"),
        (text, b'["a","b",1]'),
        (text, b""),
        (a_list, b"1"),
    ],
    ids=["no-utf8", "deep", "short", "no-times", "empty", "list"],
)
def test_a_spoilt_entry_is_a_miss_and_no_outage(
    caches: Caches, spoil: Callable[[redis.Redis, bytes, bytes], None], content: bytes
) -> None:
    one = caches.process()
    read(one, Source(1))
    with redis.Redis.from_url(settings.REDIS_URL) as client:
        for name in client.keys(f"tc:*{caches.slug}*:cache:*"):
            spoil(client, name, content)
    caches.clock.now += PAST_L1_S
    assert read(one, Source(2)).value == 2
    assert caches.states[0].is_up
    caches.clock.now += PAST_L1_S
    assert read(one, Source(3)).source == "l2", "and it is mended"


def test_a_spoilt_generation_begins_anew(caches: Caches) -> None:
    one = caches.process()
    read(one, Source(1))
    with redis.Redis.from_url(settings.REDIS_URL) as client:
        text(client, client.keys(f"tc:*{caches.slug}*:gen:*")[0], b"\xff")
    caches.clock.now += PAST_L1_S
    assert read(one, Source(2)).value == 2


def test_who_asks_after_a_write_does_not_join_a_flight_from_before_it(caches: Caches) -> None:
    one, slow = caches.process(), Slow("old")
    with ThreadPoolExecutor(1) as pool:
        asking(pool, one, slow)
        one.invalidate("ada")
        try:
            assert one.get_or_fetch(key(), Source("new"), data_type="workouts", timeout=1).value == "new"
        finally:
            slow.leave.set()
    assert read(one, Source("newer")).value == "new"


def test_an_entry_read_just_before_a_write_does_not_stay_in_the_process(caches: Caches) -> None:
    read(caches.process(), Source("old"))
    one = caches.process()
    overtaken = caches.states[1].run

    def run(operation: Callable[[], Any]) -> Any:
        answer = overtaken(operation)
        caches.states[1].run = overtaken  # type: ignore[method-assign]
        one.invalidate("ada")
        return answer

    caches.states[1].run = run  # type: ignore[method-assign]
    read(one, Source("old"))
    assert read(one, Source("new")).value == "new"


def test_a_write_while_redis_was_away_is_told_when_it_is_back(caches: Caches) -> None:
    one, other = caches.process(), caches.process()
    read(one, Source("old"))
    caches.states[0].is_cut_off = True
    one.invalidate("ada")
    caches.states[0].is_cut_off = False
    assert read(one, Source("his"), key("ben")).value == "his", "whichever key comes first"
    assert read(other, Source("new")).value == "new"


def test_a_generation_that_redis_lost_never_comes_again(caches: Caches) -> None:
    one = caches.process()
    read(one, Source("old"))
    for _ in range(2):
        one.invalidate("ada")
        with redis.Redis.from_url(settings.REDIS_URL) as client:
            client.delete(*client.keys(f"tc:*{caches.slug}*:gen:*"))
        assert one.get(key()) is None


def test_everything_kept_has_an_end(caches: Caches) -> None:
    one = caches.process()
    read(one, Source(1))
    one.invalidate("ben")
    with redis.Redis.from_url(settings.REDIS_URL) as client:
        ends = {name: client.ttl(name) for name in client.keys(f"tc:*{caches.slug}*")}
    assert len(ends) == 3
    assert all(300 + 86400 - 5 <= end <= 300 + 86400 + 60 for end in ends.values())


def test_those_who_waited_do_not_share_one_value(caches: Caches) -> None:
    one, slow = caches.process(), Slow({"steps": []})
    with ThreadPoolExecutor(3) as pool:
        futures = [asking(pool, one, slow), *(pool.submit(read, one, slow) for _ in range(2))]
        until(lambda: waiting(caches.slug) == 2)
        slow.leave.set()
        values = [future.result().value for future in futures]
    values[0]["steps"].append(1)
    assert values[1:] == [{"steps": []}, {"steps": []}]


def test_who_waits_too_long_in_the_process_gets_what_is_stale(caches: Caches) -> None:
    one, slow = caches.process(), Slow("new")
    read(one, Source("old"))
    caches.clock.now += 400
    with ThreadPoolExecutor(1) as pool:
        asking(pool, one, slow)
        found = one.get_or_fetch(key(), slow, data_type="workouts", timeout=0.02)
        slow.leave.set()
    assert (found.value, found.is_stale) == ("old", True)


def test_waiting_for_another_process_ends_with_the_callers_time(caches: Caches) -> None:
    one, other, slow = caches.process(), caches.process(), Slow(1)
    with ThreadPoolExecutor(1) as pool:
        asking(pool, one, slow)
        started = time.monotonic()
        with pytest.raises(errors.TimeoutError) as caught:
            other.get_or_fetch(key(), Source(2), data_type="workouts", timeout=0.04)
        slow.leave.set()
    assert caught.value.code == "coalesce_timeout"
    assert time.monotonic() - started < 2


def test_another_process_that_failed_leaves_the_question_to_who_waits(caches: Caches) -> None:
    one, other, slow = caches.process(), caches.process(), Slow(1)

    def fails() -> Any:
        slow()
        raise errors.ServerError

    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(read, one, fails)
        assert slow.asked.wait(60)
        second = pool.submit(read, other, Source(2))
        trips = caches.states[1].trips
        until(lambda: caches.states[1].trips > trips + 4)
        slow.leave.set()
        assert isinstance(first.exception(), errors.ServerError)
        assert second.result().value == 2


def test_what_another_process_brought_just_before_our_turn_is_not_asked_for_again(caches: Caches) -> None:
    one, other, source = caches.process(), caches.process(), Source(2)
    overtaken = caches.states[1].run

    def run(operation: Callable[[], Any]) -> Any:
        answer = overtaken(operation)
        caches.states[1].run = overtaken  # type: ignore[method-assign]
        read(one, Source(1))
        return answer

    caches.states[1].run = run  # type: ignore[method-assign]
    found = read(other, source)
    assert (found.value, found.source, source.calls) == (1, "l2", 0)


def test_what_is_gone_there_takes_nothing_else_along(caches: Caches) -> None:
    one = caches.process()
    read(one, Source(1), key(n=1))
    caches.clock.now += 400
    read(one, Source(2), key(n=2))
    with pytest.raises(errors.NotFoundError):
        read(one, Source(errors.NotFoundError()), key(n=1))
    assert one.get(key(n=1)) is None
    assert read(one, Source(3), key(n=2)).value == 2


def test_a_kind_without_a_life_is_never_fresh(caches: Caches) -> None:
    one = caches.process()
    assert [read(one, Source(n), kind="unheard of").value for n in (1, 2)] == [1, 2]
    assert read(one, Source(errors.ServerError()), kind="unheard of").is_stale


def test_every_answer_is_somebodys() -> None:
    with pytest.raises(ValueError, match="whose"):
        cache_key("count", {}, scope="")
    one = LayeredCache(uuid4().hex, CachePolicy(ttl={"workouts": 300}), SharedState(settings.REDIS_URL))
    one.set(cache_key("c", {}, scope="a:b"), "hers", data_type="workouts")
    assert one.get(cache_key("b:c", {}, scope="a")) is None


def test_by_hand_it_is_kept_and_read_by_all(caches: Caches) -> None:
    one, other = caches.process(), caches.process()
    assert one.get(key()) is None
    one.set(key(), {"n": 1}, data_type="workouts")
    assert [(found.value, found.source) for found in (one.get(key()), other.get(key())) if found] == [
        ({"n": 1}, "l1"),
        ({"n": 1}, "l2"),
    ]
    caches.clock.now += 400
    stale = other.get(key())
    assert stale
    assert stale.is_stale


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_fork_in_the_middle_of_a_flight_does_no_harm(caches: Caches) -> None:
    one, slow = caches.process(), Slow("parent's")
    caches.states[0].is_cut_off = True
    with ThreadPoolExecutor(1) as pool:
        future = asking(pool, one, slow)
        one._lock.acquire()  # as another thread may, just then
        one._flight._lock.acquire()
        child = os.fork()
        if child == 0:
            try:
                found = one.get_or_fetch(key(), Source("child's"), data_type="workouts", timeout=1)
                os._exit(0 if found.value == "child's" else 1)
            finally:
                os._exit(2)
        one._flight._lock.release()
        one._lock.release()
        try:
            assert ended(child) == 0
        finally:
            slow.leave.set()
        assert future.result().value == "parent's"
