"""A lock that saves work: one owner at a time, none for ever, and another's is never taken away."""

from uuid import uuid4

import redis
from django.conf import settings

from integrations.resilience.locks import lock
from integrations.resilience.state import SharedState
from tests.integrations.resilience.world import NO_REDIS, Clock


def test_one_at_a_time_across_processes() -> None:
    name, one, other = uuid4().hex, SharedState(settings.REDIS_URL), SharedState(settings.REDIS_URL)
    with lock(name, state=one) as mine, lock(name, state=other) as yours:
        assert (mine, yours) == (True, False)
    with lock(name, state=other) as mine:
        assert mine


def test_it_waits_as_long_as_it_is_told() -> None:
    name, clock = uuid4().hex, Clock()
    state = SharedState(settings.REDIS_URL)
    with lock(name, state=state), lock(name, state=state, wait=1, clock=clock, sleep=clock.sleep) as mine:
        assert not mine
    assert 0.9 < sum(clock.slept) < 1.2


def test_a_lock_that_was_lost_is_not_taken_from_its_new_owner() -> None:
    name, state = uuid4().hex, SharedState(settings.REDIS_URL)
    with redis.Redis.from_url(settings.REDIS_URL) as client:
        with lock(name, state=state):
            client.set(f"tc:lock:{name}", "another", px=60_000)
        assert client.get(f"tc:lock:{name}") == b"another"
        client.delete(f"tc:lock:{name}")
        with lock(name, state=state, ttl=5):
            assert 0 < client.pttl(f"tc:lock:{name}") <= 5000
        assert not client.exists(f"tc:lock:{name}")


def test_without_redis_the_caller_has_chosen() -> None:
    state = SharedState(NO_REDIS)
    with lock("anything", state=state) as mine:
        assert not mine
    with lock("anything", state=state, on_unavailable="run") as mine:
        assert mine
