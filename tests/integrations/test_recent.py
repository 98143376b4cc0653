"""What a process remembers for a moment: fresh by the clock, whole for all threads, empty in a forked child."""

import os
import signal
import sys
from collections.abc import Iterator
from threading import Event, Thread

import pytest

from integrations.recent import Recent


class Clock:
    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def hasty() -> Iterator[None]:
    """Threads take turns as often as can be, so that they meet in the middle of everything."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def test_it_is_read_anew_when_its_time_is_over_and_not_before(clock: Clock) -> None:
    recent = Recent[str, int](2.0, clock=clock)
    assert recent.get("a", lambda: 1) == 1
    clock.now_s += 1.9
    assert recent.get("a", lambda: 2) == 1
    clock.now_s += 0.2
    assert recent.get("a", lambda: 3) == 3


def test_what_is_empty_is_remembered_too(clock: Clock) -> None:
    recent = Recent[str, dict[str, int]](2.0, clock=clock)
    assert recent.get("a", dict) == {}
    assert recent.get("a", lambda: {"read": 1}) == {}


def test_no_more_than_the_most_is_kept(clock: Clock) -> None:
    recent = Recent[int, int](2.0, most=2, clock=clock)
    for key in (1, 2, 3):
        recent.get(key, lambda: 1)
    assert [recent.get(key, lambda: 2) for key in (3, 2)] == [1, 1]
    assert recent.get(1, lambda: 2) == 2


def test_what_was_read_before_somebody_forgot_is_not_kept(clock: Clock) -> None:
    recent = Recent[str, str](2.0, clock=clock)
    reading, forgotten = Event(), Event()

    def slow() -> str:
        reading.set()
        assert forgotten.wait(60)
        return "of before"

    reader = Thread(target=recent.get, args=("a", slow))
    reader.start()
    assert reading.wait(60)
    recent.forget()
    forgotten.set()
    reader.join()
    assert recent.get("a", lambda: "of now") == "of now"


def test_threads_look_while_others_forget(hasty: None) -> None:
    recent = Recent[int, int](2.0, most=20)
    troubles: list[Exception] = []

    def look(first: int) -> None:
        try:
            for key in range(first, first + 20_000):
                assert recent.get(key % 40, lambda key=key: key % 40) == key % 40  # type: ignore[misc]
        except (KeyError, RuntimeError, AssertionError) as exc:
            troubles.append(exc)

    threads = [Thread(target=look, args=(first,)) for first in range(4)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        recent.forget()
    assert troubles == []


def test_a_forked_child_reads_for_itself_whoever_held_the_lock() -> None:
    recent = Recent[str, str](60.0)
    recent.get("a", lambda: "parent's")
    with recent._lock:
        child = os.fork()
        if child == 0:  # nothing of the parent's may run on, so it leaves at once; what hangs is ended
            signal.alarm(5)
            os._exit(0 if recent.get("a", lambda: "own") == "own" else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert recent.get("a", lambda: "own") == "parent's"
