"""What the resilience layer costs a call when nothing is wrong, beside a bare session and beside the usual libraries.

`python -m tests.bench.gateway [--calls 3000]`. It starts a Redis of its own and a server on loopback; the contestants
take turns in short blocks of one run, so a busy machine troubles them alike.
"""

import argparse
import multiprocessing
import os
import shutil
import socket
import statistics
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pybreaker
import redis
import requests
from tenacity import retry, stop_after_attempt, wait_exponential_jitter

from config.embedded import servers
from integrations.resilience.gateway import Gateway, Hooks
from integrations.resilience.policies import Policies, RateLimitPolicy
from integrations.resilience.state import SharedState

BLOCK = 100
BODY = b'{"userName": "athlete", "displayName": "Ada", "id": 12345}'
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (len(BODY), BODY)
BUCKET = """
local left = tonumber(redis.call('GET', KEYS[1]) or ARGV[1])
if left < 1 then return 0 end
redis.call('SET', KEYS[1], left - 1, 'EX', 60)
return 1
"""


def serve(listener: socket.socket) -> None:
    """Answers every request of a kept connection alike, as fast as Python can."""

    def answer(caller: socket.socket) -> None:
        with caller:
            caller.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            while caller.recv(65536):
                caller.sendall(ANSWER)

    while True:
        threading.Thread(target=answer, args=(listener.accept()[0],), daemon=True).start()


def bare(url: str) -> Callable[[], object]:
    session = requests.Session()
    return lambda: session.get(url, timeout=20).json()


def usual(url: str, redis_url: str) -> Callable[[], object]:
    """tenacity around pybreaker on Redis around a token bucket on Redis around a session."""
    session, client = requests.Session(), redis.Redis.from_url(redis_url)
    storage = pybreaker.CircuitRedisStorage(pybreaker.STATE_CLOSED, client)
    breaker = pybreaker.CircuitBreaker(fail_max=5, reset_timeout=30, state_storage=storage)
    take = client.register_script(BUCKET)

    @retry(stop=stop_after_attempt(3), wait=wait_exponential_jitter(1, 30), reraise=True)
    @breaker
    def get() -> object:
        if not take(keys=["bench:bucket"], args=[10**9]):
            raise RuntimeError
        return session.get(url, timeout=20).json()

    return get


class Counting(SharedState):
    """Notes how often Redis is asked."""

    trips = 0

    def run(self, operation: Callable[[], object]) -> object | None:
        self.trips += 1
        return super().run(operation)


def ours(url: str, state: SharedState) -> Callable[[], object]:
    policies = Policies(limits={"provider": RateLimitPolicy(capacity=1_000_000, refill_rate=1_000_000)})
    gateway = Gateway("bench", base_urls={"api": url}, policies=policies, state=state, hooks=Hooks())
    return lambda: gateway.request("GET", "/", operation="profile").data


def race(contestants: dict[str, Callable[[], object]], calls: int) -> dict[str, list[float]]:
    """Microseconds a call, a figure a block."""
    found: dict[str, list[float]] = {name: [] for name in contestants}
    for call in contestants.values():
        for _ in range(BLOCK):
            call()
    for _ in range(calls // BLOCK):
        for name, call in contestants.items():
            started = time.perf_counter()
            for _ in range(BLOCK):
                call()
            found[name].append((time.perf_counter() - started) / BLOCK * 1e6)
    return found


def without_redis(url: str) -> tuple[float, float]:
    """Seconds of the first call, and milliseconds a call after, beyond a bare session, while Redis hangs."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as silent:
        state = SharedState(f"redis://127.0.0.1:{silent.getsockname()[1]}/0")
        call, plain = ours(url, state), bare(url)
        plain()
        started = time.perf_counter()
        call()
        first = time.perf_counter() - started
        found = race({"ours": call, "bare": plain}, 600)
    return first, (statistics.median(found["ours"]) - statistics.median(found["bare"])) / 1000


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--calls", type=int, default=3000)
    calls = arguments.parse_args().calls
    folder = Path(tempfile.mkdtemp(prefix="coaching-bench-"))
    running = servers.start(folder, durable=False)
    listener = socket.create_server(("127.0.0.1", 0))
    process = multiprocessing.get_context("fork").Process(target=serve, args=(listener,), daemon=True)
    process.start()
    try:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        redis_url = running.environment()["REDIS_URL"]
        state = Counting(redis_url)
        ours_call = ours(url, state)
        found = race({"bare session": bare(url), "gateway": ours_call, "usual libraries": usual(url, redis_url)}, calls)
        base = statistics.median(found["bare session"])
        print(f"{calls} calls each, in turns of {BLOCK}; median of the turns (fastest turn)")
        for name, figures in found.items():
            middle = statistics.median(figures)
            print(
                f"  {name:16} {middle:7.1f} us ({min(figures):7.1f})   {middle - base:+7.1f} us   {middle / base:6.3f}"
            )
        made = calls + BLOCK
        print(f"  Redis trips of the gateway: {state.trips} for {made} calls, one in {made / max(state.trips, 1):.0f}")
        first, later = without_redis(url)
        print(f"  Redis hangs: first call {first:.3f} s, then {later:+.3f} ms a call beyond a bare session")
    finally:
        process.terminate()
        running.stop()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    os.environ.setdefault("NO_PROXY", "127.0.0.1")
    main()
