"""When the circuit opens, whom it lets in then, and how it heals."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from integrations import errors
from integrations.resilience.breaker import CircuitBreaker, judge
from integrations.resilience.policies import BreakerPolicy
from integrations.resilience.state import SharedState
from tests.integrations.resilience.world import NO_REDIS, World, fail, let_in, open_up, state_of, succeed


def test_nine_failures_are_too_few_to_judge_by_and_the_tenth_opens(world: World) -> None:
    one = world.process()
    fail(one, 9)
    assert state_of(one) == "CLOSED"
    fail(one)
    assert state_of(one) == "OPEN"
    assert world.turns == [("OPEN", "server")]


def test_four_failures_of_many_calls_do_not_open_and_the_fifth_does(world: World) -> None:
    one = world.process()
    succeed(one, 20)
    fail(one, 4)
    assert state_of(one) == "CLOSED"
    fail(one)
    assert state_of(one) == "OPEN"


def test_in_a_busy_window_five_failures_are_noise(world: World) -> None:
    one = world.process()
    succeed(one, 100)
    fail(one, 11)
    assert state_of(one) == "CLOSED"
    fail(one)  # 12 of 112
    assert state_of(one) == "OPEN"


def test_a_success_never_opens(world: World) -> None:
    one = world.process()
    fail(one, 9)
    succeed(one, 5)
    assert state_of(one) == "CLOSED"
    fail(one)
    assert state_of(one) == "OPEN"


def test_what_is_older_than_the_window_is_forgotten(world: World) -> None:
    one = world.process()
    fail(one, 9)
    world.clock.now += 61
    fail(one, 9)
    assert state_of(one) == "CLOSED"


def test_an_open_circuit_refuses_and_says_for_how_long(world: World) -> None:
    one = world.process()
    open_up(one)
    world.clock.now += 10
    with pytest.raises(errors.CircuitOpenError) as caught:
        one.enter({})
    assert caught.value.retry_after == pytest.approx(20, abs=0.5)
    assert caught.value.halted, "an expected stop, no failure"


def test_after_thirty_seconds_three_may_try_and_no_more(world: World) -> None:
    one = world.process()
    open_up(one)
    world.clock.now += 31
    permits = [let_in(one) for _ in range(5)]
    assert [permit is not None for permit in permits] == [True, True, True, False, False]
    assert state_of(one) == "HALF_OPEN"


def test_three_successes_close_it_with_an_empty_window(world: World) -> None:
    one = world.process()
    open_up(one)
    world.clock.now += 31
    for _ in range(3):
        one.enter({}).success()
    assert state_of(one) == "CLOSED"
    fail(one, 9)
    assert state_of(one) == "CLOSED", "the failures of before are forgotten"
    assert [state for state, _ in world.turns] == ["OPEN", "HALF_OPEN", "CLOSED"]


def test_one_failed_probe_opens_it_for_another_thirty_seconds(world: World) -> None:
    one = world.process()
    open_up(one)
    world.clock.now += 31
    one.enter({}).success()
    one.enter({}).failure("timeout")
    world.clock.now += 29
    assert let_in(one) is None
    world.clock.now += 2
    assert let_in(one) is not None


def test_a_permit_that_a_killed_worker_held_lapses_after_a_minute(world: World) -> None:
    one = world.process()
    open_up(one)
    world.clock.now += 31
    lost = [one.enter({}) for _ in range(3)]
    world.clock.now += 59
    assert let_in(one) is None
    world.clock.now += 2
    assert let_in(one) is not None
    for permit in lost:
        permit.success()
    assert state_of(one) == "HALF_OPEN", "what comes back after its lease no longer counts"


def test_a_permit_given_back_unused_is_free_again(world: World) -> None:
    one = world.process()
    open_up(one)
    world.clock.now += 31
    for _ in range(9):
        one.enter({}).ignore()
    assert state_of(one) == "HALF_OPEN"


def test_late_results_of_an_open_circuit_change_nothing(world: World) -> None:
    one = world.process()
    late = [one.enter({}) for _ in range(4)]
    open_up(one)
    world.clock.now += 20
    late[0].failure("server")
    late[1].success()
    world.clock.now += 11
    assert let_in(one) is not None, "a late failure does not make it longer"
    late[2].failure("server")
    late[3].success()
    assert state_of(one) == "HALF_OPEN", "who went out without a permit is no probe"


def test_a_trip_by_hand_holds_until_it_is_reset(world: World) -> None:
    one = world.process()
    one.force_open("their status page says so")
    world.clock.now += 3600
    assert let_in(one) is None
    assert one.look({})[0].forced == "their status page says so"
    one.reset()
    assert let_in(one) is not None
    assert one.look({})[0].forced == ""


def test_all_processes_have_one_circuit(shared: World) -> None:
    one, other = shared.process(), shared.process()
    fail(one, 5)
    fail(other, 5)
    assert (state_of(one), state_of(other)) == ("OPEN", "OPEN")
    assert shared.turns == [("OPEN", "server")], "told once"
    shared.clock.now += 31
    assert [let_in(each) is not None for each in (one, other, one, other)] == [True, True, True, False]


def test_threads_that_meet_at_the_half_open_door_get_three_permits(shared: World) -> None:
    processes = [shared.process() for _ in range(8)]
    open_up(processes[0])
    shared.clock.now += 31
    with ThreadPoolExecutor(8) as pool:
        permits = list(pool.map(let_in, processes * 5))
    assert sum(permit is not None for permit in permits) == 3


def test_a_process_with_tokens_in_hand_hears_of_an_open_circuit_within_a_second(shared: World) -> None:
    one, other = shared.process(), shared.process()
    one.enter({}, may_lease=True)
    open_up(other)
    assert let_in(one, may_lease=True) is not None
    shared.clock.now += 1.1
    assert let_in(one, may_lease=True) is None


def test_its_own_failure_it_hears_of_at_once(world: World) -> None:
    one = world.process()
    for _ in range(10):
        one.enter({}, may_lease=True).failure("server")
    assert let_in(one, may_lease=True) is None


def test_the_snapshot_tells_what_operations_want_to_know(world: World) -> None:
    one = world.process()
    succeed(one, 6)
    fail(one, 4)
    seen = one.look({})[0]
    assert (seen.state, seen.calls, seen.failures, seen.last_failure_code) == ("CLOSED", 10, 4, "server")
    assert seen.last_ok_at is not None
    assert seen.opened_at is None
    fail(one)
    seen = one.look({})[0]
    assert seen.opened_at is not None
    assert seen.retry_after == pytest.approx(30, abs=0.5)


@pytest.mark.parametrize(
    ("error", "failures", "calls"),
    [
        (errors.ConnectionError(), 1, 1),
        (errors.TimeoutError(), 1, 1),
        (errors.ServerError(), 1, 1),
        (errors.DataError(code="provider_bad_answer"), 1, 1),
        (errors.NotFoundError(), 0, 1),
        (errors.AuthenticationError(), 0, 1),
        (errors.AuthorizationError(), 0, 1),
        (errors.ConflictError(), 0, 1),
        (errors.ValidationError(), 0, 1),
        (errors.RateLimitError(), 0, 0),
        (errors.LoginBlocked(), 0, 0),
        (errors.ConnectionError(code="pool_timeout"), 0, 0),
        (errors.TimeoutError(code="deadline"), 0, 0),
        (errors.ThrottledError(), 0, 0),
        (errors.DataError(code="answer_too_large"), 0, 0),
        (KeyError("a mistake of ours"), 0, 0),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_counts_as_a_failure_of_the_provider(world: World, error: Exception, failures: int, calls: int) -> None:
    one = world.process()
    judge(one.enter({}), error, one.breaker)
    one.enter({}).ignore()  # takes noted successes along
    seen = one.look({})[0]
    assert (seen.failures, seen.calls) == (failures, calls)


def test_a_filter_overrides_what_counts(world: World) -> None:
    one = world.process(BreakerPolicy(is_failure=lambda error: isinstance(error, errors.NotFoundError)))
    judge(one.enter({}), errors.NotFoundError(), one.breaker)
    judge(one.enter({}), errors.ServerError(), one.breaker)
    assert one.look({})[0].failures == 1


def test_the_breaker_alone_counts_what_it_calls() -> None:
    breaker = CircuitBreaker("alone", BreakerPolicy(volume_threshold=2, failure_threshold=2), SharedState(NO_REDIS))
    assert breaker.call(lambda: 7) == 7

    def fails() -> None:
        raise errors.ServerError

    for _ in range(2):
        with pytest.raises(errors.ServerError):
            breaker.call(fails)
    assert breaker.state == "OPEN"
    with pytest.raises(errors.CircuitOpenError):
        breaker.call(lambda: 7)
    breaker.reset()
    assert breaker.call(lambda: 7) == 7
