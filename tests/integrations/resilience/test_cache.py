"""What is kept, for whom, how long, and what is served when the provider cannot be asked."""

import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import redis
from django.conf import settings

from integrations import errors
from integrations.resilience.cache import CacheKey, LayeredCache, cache_key
from integrations.resilience.gateway import Fallback
from integrations.resilience.policies import CachePolicy
from tests.integrations.resilience.stub import Stub, status
from tests.integrations.resilience.test_calls import gateway, get, post
from tests.integrations.resilience.world import Clock, Counting

POLICY = CachePolicy(ttl={"workouts": 300, "quick": 5})
ROOT = Path(__file__).resolve().parents[3]


class Caches:
    """Processes that share one provider's cache, on one clock."""

    def __init__(self) -> None:
        self.slug, self.clock = uuid4().hex, Clock()
        self.clock.now = time.time()
        self.states: list[Counting] = []

    def process(self) -> LayeredCache:
        self.states.append(Counting(settings.REDIS_URL))
        return LayeredCache(self.slug, POLICY, self.states[-1], clock=self.clock)


@pytest.fixture
def caches() -> Caches:
    return Caches()


class Source:
    """The provider: counts how often it is asked."""

    def __init__(self, *answers: Any) -> None:
        self.answers, self.calls = list(answers), 0

    def __call__(self) -> Any:
        self.calls += 1
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer


def key(scope: str = "ada", **params: Any) -> CacheKey:
    return cache_key("count", params, scope=scope)


def read(cache: LayeredCache, source: Callable[[], Any], at: CacheKey | None = None, kind: str = "workouts") -> Any:
    return cache.get_or_fetch(at or key(), source, data_type=kind)


def test_it_is_asked_once_and_then_known(caches: Caches) -> None:
    source, one, other = Source({"n": 1}), caches.process(), caches.process()
    assert [read(one, source).source for _ in range(2)] == ["network", "l1"]
    found = read(other, source)
    assert (found.source, found.value, source.calls) == ("l2", {"n": 1}, 1)


def test_a_hit_in_the_process_costs_no_trip(caches: Caches) -> None:
    one = caches.process()
    read(one, Source(1))
    trips = caches.states[0].trips
    for _ in range(50):
        read(one, Source(2))
    assert caches.states[0].trips == trips


def test_what_is_no_longer_fresh_is_asked_for_again(caches: Caches) -> None:
    source, one = Source(1, 2), caches.process()
    assert read(one, source).value == 1
    caches.clock.now += 299
    assert read(one, source).source == "l2", "in the process it lives for seconds"
    caches.clock.now += 2
    assert read(one, source).value == 2


def test_a_short_life_is_short_in_the_process_too(caches: Caches) -> None:
    source, one = Source(1, 2), caches.process()
    read(one, source, kind="quick")
    caches.clock.now += 6
    assert read(one, source, kind="quick").value == 2


def test_two_peoples_answers_never_cross(caches: Caches) -> None:
    one = caches.process()
    assert read(one, Source("hers"), key("ada")).value == "hers"
    assert read(one, Source("his"), key("ben")).value == "his"
    assert read(caches.process(), Source("nobody's"), key("ben")).value == "his"
    assert key("ada", page=1) != key("ada", page=2)


def test_who_changes_what_he_read_changes_nothing_for_others(caches: Caches) -> None:
    one = caches.process()
    for _ in range(3):
        read(one, Source({"steps": [1]})).value["steps"].append(2)
    assert read(one, Source(None)).value == {"steps": [1]}


def test_after_a_write_nothing_of_before_is_served(caches: Caches) -> None:
    one, other = caches.process(), caches.process()
    read(one, Source(1))
    read(other, Source(0))
    one.invalidate("ada")
    assert read(one, Source(2)).value == 2
    caches.clock.now += 11  # what the other process holds
    assert read(other, Source(3)).value == 2


def test_an_answer_from_before_the_write_is_not_kept(caches: Caches) -> None:
    one, other = caches.process(), caches.process()

    def overtaken() -> str:
        one.invalidate("ada")
        return "old"

    assert read(one, overtaken).value == "old"
    assert read(one, Source("new")).value == "new"
    assert read(other, Source("newer")).value == "new"


@pytest.mark.parametrize(
    "error",
    [
        errors.ServerError(),
        errors.TimeoutError(),
        errors.CircuitOpenError(),
        errors.ThrottledError(),
        errors.IntegrationDisabled(),
    ],
    ids=lambda error: error.code,
)
def test_in_trouble_what_is_stale_is_served_with_its_age(caches: Caches, error: errors.IntegrationError) -> None:
    one = caches.process()
    stored = read(one, Source(1)).stored_at
    caches.clock.now += 4000
    found = read(one, Source(error))
    assert (found.value, found.is_stale, found.stored_at) == (1, True, stored)


@pytest.mark.parametrize("error", [errors.AuthenticationError(), errors.AuthorizationError(), errors.DataError()])
def test_a_refusal_is_told_and_nothing_stale_is_served(caches: Caches, error: errors.IntegrationError) -> None:
    one = caches.process()
    read(one, Source(1))
    caches.clock.now += 4000
    with pytest.raises(type(error)):
        read(one, Source(error))


def test_what_is_gone_there_is_forgotten_here(caches: Caches) -> None:
    one = caches.process()
    read(one, Source(1))
    caches.clock.now += 4000
    with pytest.raises(errors.NotFoundError):
        read(one, Source(errors.NotFoundError()))
    with pytest.raises(errors.ServerError):
        read(one, Source(errors.ServerError()))


def test_what_nobody_can_read_is_a_miss(caches: Caches) -> None:
    one = caches.process()
    read(one, Source(1))
    with redis.Redis.from_url(settings.REDIS_URL) as client:
        for name in client.keys(f"tc:*{caches.slug}*:cache:*"):
            client.set(name, b"\x00 no json", ex=60)
    caches.clock.now += 11
    assert read(one, Source(2)).value == 2


def test_without_redis_the_process_remembers_alone(caches: Caches) -> None:
    one = caches.process()
    caches.states[0].is_cut_off = True
    source = Source(1)
    assert [read(one, source).source for _ in range(2)] == ["network", "l1"]
    one.invalidate("ada")
    read(one, source)
    assert source.calls == 2


def test_a_flush_in_mid_run_costs_one_question(caches: Caches) -> None:
    source, one = Source(1), caches.process()
    read(one, source)
    with redis.Redis.from_url(settings.REDIS_URL) as client:
        client.delete(*client.keys(f"tc:*{caches.slug}*"))
    caches.clock.now += 11
    assert [read(one, source).source for _ in range(2)] == ["network", "l1"]


def test_twenty_threads_and_one_key_are_one_question(caches: Caches) -> None:
    one, entered, asked = caches.process(), threading.Semaphore(0), threading.Event()

    def slow() -> int:
        source.calls += 1
        asked.set()
        entered.acquire(timeout=60)
        return 7

    source = Source(0)
    with ThreadPoolExecutor(20) as pool:
        futures = [pool.submit(read, one, slow) for _ in range(20)]
        assert asked.wait(60)
        entered.release()
        assert {future.result().value for future in futures} == {7}
    assert source.calls == 1


def test_an_error_is_told_to_all_who_waited(caches: Caches) -> None:
    one, entered, asked = caches.process(), threading.Semaphore(0), threading.Event()

    def slow() -> int:
        asked.set()
        entered.acquire(timeout=60)
        raise errors.ServerError("no luck", status=502)

    with ThreadPoolExecutor(8) as pool:
        futures = [pool.submit(read, one, slow) for _ in range(4)]
        assert asked.wait(60)
        entered.release(4)
        told = [future.exception() for future in futures]
    assert [(type(error), getattr(error, "status", 0)) for error in told] == [(errors.ServerError, 502)] * 4
    assert len({id(error) for error in told}) == len(told)


PROCESS = """
import sys
from integrations.resilience.cache import LayeredCache, cache_key
from integrations.resilience.policies import CachePolicy
from integrations.resilience import state
import requests
state.TIMEOUT_S = 30.0
url, slug, redis_url = sys.argv[1:]
cache = LayeredCache(slug, CachePolicy(ttl={"workouts": 300}), state.SharedState(redis_url))
print("asking", flush=True)
fetch = lambda: requests.get(url, timeout=60).json()
print(cache.get_or_fetch(cache_key("count", {}, scope="ada"), fetch, data_type="workouts").source)
"""


def test_processes_that_ask_at_once_are_one_question(stub: Stub) -> None:
    all_ask = threading.Event()

    def slow() -> Any:
        assert all_ask.wait(60)
        return status(200)

    stub.reply = slow
    arguments = [sys.executable, "-c", PROCESS, stub.url, uuid4().hex, settings.REDIS_URL]
    workers = [subprocess.Popen(arguments, cwd=ROOT, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    for worker in workers:
        assert worker.stdout is not None
        assert worker.stdout.readline() == "asking\n"
    all_ask.set()
    told = sorted(worker.communicate(timeout=60)[0].strip() for worker in workers)
    assert told == ["l2", "l2", "network"]
    assert len(stub.calls) == 1


# --- as the gateway uses it


def test_a_cached_read_reaches_the_provider_once(stub: Stub) -> None:
    one = gateway(stub.url)
    answers = [get(one, scope="ada", data_type="workouts") for _ in range(3)]
    assert [answer.source for answer in answers] == ["network", "l1", "l1"]
    assert len(stub.calls) == 1
    get(one, scope="ben", data_type="workouts")
    assert len(stub.calls) == 2


@pytest.mark.parametrize("answer", [200, 500])
def test_a_write_of_the_account_forgets_what_was_read_whatever_became_of_it(stub: Stub, answer: int) -> None:
    one = gateway(stub.url)
    for scope in ("ada", "ben"):
        get(one, scope=scope, data_type="workouts")
    stub.replies = [status(answer)]
    try:
        post(one, scope="ada", idempotent=False)
    except errors.ServerError:
        assert answer == 500
    assert get(one, scope="ada", data_type="workouts").source == "network"
    assert get(one, scope="ben", data_type="workouts").source == "l1"


def test_a_fallback_answers_in_trouble_and_never_for_a_refusal(stub: Stub) -> None:
    one = gateway(stub.url)
    stub.reply = lambda: status(503)
    answer = get(one, scope="ada", data_type="workouts", fallback=Fallback({}))
    assert (answer.data, answer.source) == ({}, "default")
    stub.reply = lambda: status(401)
    with pytest.raises(errors.AuthenticationError):
        get(one, scope="ada", data_type="workouts", fallback=Fallback({}))
