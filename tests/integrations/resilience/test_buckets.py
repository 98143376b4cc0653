"""Who gets a token, who waits, who leaves some for others, and what a 429 does to all of them."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from integrations import errors
from integrations.resilience.admission import BACKGROUND
from integrations.resilience.policies import BreakerPolicy, RateLimitPolicy
from integrations.resilience.ratelimit import RateLimit
from integrations.resilience.state import SharedState
from tests.integrations.resilience.world import NO_REDIS, World, let_in, open_up, state_of

TEN = {"provider": RateLimitPolicy(10, 1)}
BUSY = {"provider": RateLimitPolicy(500, 0.01)}


def taken(admissions: object, *, times: int = 20, buckets: dict[str, RateLimitPolicy] = TEN, **how: object) -> int:
    """How many of so many calls get a token without waiting."""
    return sum(let_in(admissions, buckets, max_wait=0, **how) is not None for _ in range(times))  # type: ignore[arg-type]


def test_a_bucket_gives_what_it_holds_and_refills(world: World) -> None:
    one = world.process()
    assert taken(one) == 10
    world.clock.now += 4
    assert taken(one) == 4
    world.clock.now += 3600
    assert taken(one) == 10, "never more than it holds"


def test_background_work_leaves_the_last_third_to_people(world: World) -> None:
    one = world.process()
    assert taken(one, lane=BACKGROUND) == 7
    assert taken(one) == 3


@pytest.mark.parametrize("capacity", [1, 2])
def test_background_work_gets_through_a_tiny_bucket(world: World, capacity: int) -> None:
    tiny = {"account": RateLimitPolicy(capacity, 1)}
    one = world.process()
    for _ in range(5):
        assert let_in(one, tiny, lane=BACKGROUND) is not None


def test_a_person_waits_a_little_in_turn(world: World) -> None:
    one = world.process()
    assert taken(one) == 10
    one.enter(TEN)
    assert world.clock.slept == [pytest.approx(1, abs=0.05)]


def test_what_was_reserved_is_not_given_to_another(world: World) -> None:
    one = world.process()
    taken(one)
    world.clock.while_asleep = lambda: asked.append(let_in(one, TEN, max_wait=0))
    asked: list[object] = []
    one.enter(TEN)
    assert asked == [None], "the second that passed belongs to who waited"


def test_who_would_wait_too_long_is_told_when_and_takes_nothing(world: World) -> None:
    slow = {"account": RateLimitPolicy(1, 0.1)}
    one = world.process()
    one.enter(slow)
    for _ in range(3):
        with pytest.raises(errors.ThrottledError) as caught:
            one.enter(slow)
        assert caught.value.retry_after == pytest.approx(10, abs=0.05)
    assert world.clock.slept == []


def test_both_buckets_or_none(world: World) -> None:
    one = world.process()
    both = {"provider": RateLimitPolicy(10, 1), "account:1": RateLimitPolicy(1, 0.01)}
    one.enter(both)
    assert taken(one, buckets=both) == 0
    assert taken(one) == 9, "the refused ones cost the provider's bucket nothing"


def test_a_429_empties_the_bucket_for_as_long_as_it_says(world: World) -> None:
    one = world.process()
    assert one.pause("provider", TEN["provider"], 30)
    assert not one.pause("provider", TEN["provider"], 10), "no news, and no shorter"
    with pytest.raises(errors.ThrottledError) as caught:
        one.enter(TEN)
    assert caught.value.retry_after == pytest.approx(31, abs=0.1)
    world.clock.now += 30.5
    assert taken(one) == 0, "then it fills from nothing, so that nobody storms off"
    world.clock.now += 3
    assert taken(one) == 3


def test_a_pause_reaches_who_waits_already(world: World) -> None:
    one, other = world.process(), world.process()
    other = other if world.with_redis else one
    taken(one)

    def pause() -> None:
        other.pause("provider", TEN["provider"], 60)

    world.clock.while_asleep = pause
    with pytest.raises(errors.ThrottledError):
        one.enter(TEN)


def test_an_open_circuit_costs_no_token(world: World) -> None:
    one = world.process()
    open_up(one)
    assert taken(one) == 0
    one.reset()
    assert taken(one) == 10


def test_an_empty_bucket_costs_no_permit(world: World) -> None:
    one = world.process()
    open_up(one)
    one.pause("provider", TEN["provider"], 31)
    world.clock.now += 30.5
    assert taken(one) == 0
    assert state_of(one) == "HALF_OPEN"
    assert sum(let_in(one) is not None for _ in range(5)) == 3


def test_processes_share_a_bucket(shared: World) -> None:
    processes = [shared.process() for _ in range(4)]
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda each: taken(each, times=5), processes * 2))
    assert sum(found) == 10


def test_one_trip_to_redis_brings_fifty_tokens(shared: World) -> None:
    one = shared.process()
    for _ in range(500):
        one.enter(BUSY, may_lease=True)
    assert shared.states[0].trips == 10
    assert let_in(one, BUSY, may_lease=True, max_wait=0) is None, "and no more than there are"


def test_who_may_not_lease_takes_one(shared: World) -> None:
    one = shared.process()
    one.enter(BUSY)
    assert one.look(BUSY)[1][0].remaining == pytest.approx(499, abs=0.9)


def test_tokens_in_hand_lapse_after_a_second(shared: World) -> None:
    one = shared.process()
    one.enter(BUSY, may_lease=True)
    shared.clock.now += 1.1
    one.enter(BUSY, may_lease=True)
    assert shared.states[0].trips == 2


def test_the_twin_keeps_to_its_share(world: World) -> None:
    alone = World(with_redis=False).process(processes=5)
    assert taken(alone) == 2


def test_the_status_says_how_full_it_is_and_until_when_it_is_paused(world: World) -> None:
    one = world.process()
    for _ in range(4):
        one.enter(TEN)
    (status,) = one.look(TEN)[1]
    assert (status.key, status.limit) == ("provider", 10)
    assert status.remaining == pytest.approx(6, abs=0.1)
    assert status.reset_at is not None
    assert status.paused_until is None
    one.pause("provider", TEN["provider"], 30)
    (status,) = one.look(TEN)[1]
    assert status.remaining == 0
    assert status.paused_until is not None


def test_the_bucket_alone() -> None:
    bucket = RateLimit("alone", "login", RateLimitPolicy(2, 0.01), SharedState(NO_REDIS))
    assert [bucket.try_acquire() for _ in range(3)] == [True, True, False]
    with pytest.raises(errors.ThrottledError):
        bucket.acquire()
    assert bucket.status().remaining == pytest.approx(0, abs=0.1)
    bucket.pause(30)
    assert bucket.status().paused_until is not None


def test_the_window_of_the_policy_counts(world: World) -> None:
    one = world.process(BreakerPolicy(volume_threshold=1, failure_threshold=1, open_timeout=5))
    one.enter({}).failure("server")
    assert let_in(one) is None
    world.clock.now += 5.1
    assert let_in(one) is not None
