"""A lock of all processes that saves work. It proves nothing: what must be right stands in database constraints."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Literal
from uuid import uuid4

from integrations.resilience import metrics
from integrations.resilience.state import SharedState

POLL_S = 0.05

# Key: the lock. Argument: its owner. Only the owner takes it away.
RELEASE = "return redis.call('GET', KEYS[1]) == ARGV[1] and redis.call('DEL', KEYS[1]) or 0"


@contextmanager
def lock(
    name: str,
    *,
    state: SharedState,
    ttl: float = 30.0,
    wait: float = 0.0,
    on_unavailable: Literal["refuse", "run"] = "refuse",
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[bool]:
    """Yields whether it is ours, for `ttl` seconds at most; waits `wait` seconds for it.

    While Redis is away "refuse" yields False, so that the work waits, and "run" yields True, for work that may be done
    twice. Releasing is safe when the lock was lost meanwhile: another's is left alone.
    """
    key, owner = _key(name), uuid4().hex
    started = clock()
    while True:
        taken = state.run(lambda: bool(state.client.set(key, owner, nx=True, px=max(int(ttl * 1000), 1))))
        if taken is not False or clock() - started >= wait:
            break
        sleep(min(POLL_S, wait))
    metrics.LOCK_WAIT.observe(clock() - started)
    try:
        yield on_unavailable == "run" if taken is None else taken
    finally:
        if taken:
            state.script(RELEASE)([key], [owner])


def is_held(name: str, *, state: SharedState) -> bool:
    """Whether somebody has it now; False while Redis is away."""
    return bool(state.run(lambda: state.client.exists(_key(name))))


def _key(name: str) -> str:
    return f"tc:lock:{name}"
