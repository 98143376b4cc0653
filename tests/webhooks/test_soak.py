"""The long rounds of what the in-box must withstand, with the real web server, worker and beat. Run by `make soak`."""

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.client import HTTPException
from pathlib import Path

import pytest
from django.core.management import call_command

from config.embedded import servers
from integrations.models import SyncStream
from tests.webhooks import processes
from tests.webhooks.processes import Line
from tests.webhooks.wire import Door, Reply, body_of, event
from webhooks.models import WebhookAttempt, WebhookEndpoint, WebhookEvent

pytestmark = pytest.mark.soak

SEED = 20261121
EVENTS = 1_000
KILLS = 25
REDIS_AWAY_S, POSTGRES_AWAY_S = 60.0, 30.0
DRAINED_WITHIN_S = 120.0


@dataclass
class Stack:
    """Web, worker and beat, each in a process group of its own, to be killed and started anew."""

    env: Mapping[str, str]
    port: int = field(default_factory=processes.free_port)
    running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def commands(self) -> dict[str, list[str]]:
        web = ["gunicorn", "tests.webhooks.server", "--bind", f"127.0.0.1:{self.port}", "--worker-class", "gthread"]
        celery = ["celery", "-A", "tests.webhooks.celery_app"]
        return {
            "web": [*web, "--threads", "8", "--no-control-socket", "--log-level", "error", "--reuse-port"],
            "worker": [*celery, "worker", "-P", "threads", "-c", "4", "-Q", "webhooks,sync,housekeeping"],
            "beat": [*celery, "beat", "--pidfile", ""],
        }

    def start(self, name: str) -> None:
        self.running[name] = subprocess.Popen(
            [sys.executable, "-m", *self.commands()[name]],
            cwd=processes.ROOT,
            env=dict(self.env),
            start_new_session=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def kill(self, name: str) -> None:
        """Without a word of warning, its children as well."""
        process = self.running.pop(name)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(60)


@contextmanager
def stack(**more: str) -> Iterator[Stack]:
    call_command("sync_schedules", verbosity=0)
    whole = Stack(processes.environment(**more))
    try:
        for name in whole.commands():
            whole.start(name)
        yield whole
    finally:
        for name in list(whole.running):
            whole.kill(name)


def until(truth: Callable[[], bool], *, within_s: float) -> float:
    """How long it took."""
    started = time.monotonic()
    while not truth():
        assert time.monotonic() - started < within_s, "it took too long"
        time.sleep(0.05)
    return time.monotonic() - started


def try_once(door: Door, body: bytes, identity: str) -> Reply | None:
    with suppress(OSError, HTTPException):
        return door.send(body, headers=door.signed(body, identity=identity))
    return None


def is_up(door: Door) -> bool:
    with suppress(OSError, HTTPException):
        return door.ask("GET", path="/health/live").status == 200
    return False


def persist(door: Door, number: int) -> None:
    """As a provider does: the same event again until somebody says 200."""
    body, identity = body_of(event(number=f"o{number}", at=number + 1)), f"msg_soak_{number}"
    until(lambda: (reply := try_once(door, body, identity)) is not None and reply.status == 200, within_s=180)


def all_over() -> bool:
    return not WebhookEvent.objects.unfinished().exists()


def assert_each_had_its_effect_once(number: int) -> None:
    assert WebhookEvent.objects.count() == number
    assert set(WebhookEvent.objects.values_list("status", flat=True)) == {"processed"}
    ended = WebhookAttempt.objects.filter(outcome="processed")
    assert ended.count() == ended.values("event").distinct().count() == number


def test_a_thousand_events_while_everything_is_killed_at_random(
    endpoint: WebhookEndpoint, secret: str, stream: SyncStream
) -> None:
    chance, done = random.Random(SEED), threading.Event()
    kills: list[str] = []
    with stack(TIME_SCALE="0.05") as whole:
        door = Door(path=f"/webhooks/sender/{endpoint.token}/", secret=secret, port=whole.port)
        until(lambda: is_up(door), within_s=60)

        def havoc() -> None:
            while not done.wait(chance.uniform(0.5, 2)) and len(kills) < KILLS:
                name = chance.choice(["web", "worker", "beat"])
                whole.kill(name)
                whole.start(name)
                kills.append(name)

        killer = threading.Thread(target=havoc)
        killer.start()
        started = time.monotonic()
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda number: persist(door, number), range(EVENTS)))
        sent_s = time.monotonic() - started
        killer.join(120)
        done.set()
        drained_s = until(all_over, within_s=DRAINED_WITHIN_S)
    print(
        f"\n{EVENTS} events, {len(kills)} kills -9 ({sent_s:.0f} s to send, drained {drained_s:.1f} s after the last)"
    )
    assert set(kills) == {"web", "worker", "beat"}
    assert_each_had_its_effect_once(EVENTS)


def test_redis_stopped_for_a_minute(endpoint: WebhookEndpoint, secret: str, stream: SyncStream, tmp_path: Path) -> None:
    sockets = tmp_path / "s"
    sockets.mkdir(mode=0o700)
    redis = servers.start_redis(tmp_path / "redis", sockets)
    path = sockets / "redis.sock"
    urls = {"REDIS_URL": f"unix://{path}?db=0", "CELERY_BROKER_URL": f"redis+socket://{path}?virtual_host=1"}
    slowest, number = 0.0, 0
    try:
        with stack(**urls) as whole:
            door = Door(path=f"/webhooks/sender/{endpoint.token}/", secret=secret, port=whole.port)
            until(lambda: is_up(door), within_s=60)
            persist(door, 0)
            until(all_over, within_s=60)
            redis.stop()
            ends = time.monotonic() + REDIS_AWAY_S
            while time.monotonic() < ends:
                number += 1
                asked = time.monotonic()
                reply = try_once(door, body_of(event(number=f"o{number}", at=number + 1)), f"msg_{number}")
                slowest = max(slowest, time.monotonic() - asked)
                assert reply is not None
                assert reply.status == 200
                time.sleep(0.05)
            redis = servers.start_redis(tmp_path / "redis", sockets)
            drained_s = until(all_over, within_s=DRAINED_WITHIN_S)
    finally:
        redis.stop()
    print(
        f"\nRedis away {REDIS_AWAY_S:.0f} s: {number} events, slowest answer {slowest:.3f} s, "
        f"drained {drained_s:.1f} s after its return"
    )
    assert slowest < 2
    assert_each_had_its_effect_once(number + 1)


def test_postgresql_away_for_half_a_minute(
    endpoint: WebhookEndpoint, secret: str, stream: SyncStream, tmp_path: Path
) -> None:
    line = Line(tmp_path, f"{processes.database_folder()}/{processes.SOCKET}")
    with stack(database_folder=str(tmp_path)) as whole:
        door = Door(path=f"/webhooks/sender/{endpoint.token}/", secret=secret, port=whole.port)
        until(lambda: is_up(door), within_s=60)
        persist(door, 0)
        until(all_over, within_s=60)
        line.cut()
        refused, slowest, ends = 0, 0.0, time.monotonic() + POSTGRES_AWAY_S
        while time.monotonic() < ends:
            asked = time.monotonic()
            reply = try_once(door, body_of(), "while_away")
            slowest = max(slowest, time.monotonic() - asked)
            assert reply is not None
            assert (reply.status, reply.headers["retry-after"]) == (503, "30")
            refused += 1
            time.sleep(0.05)
        pids = {name: process.pid for name, process in whole.running.items()}
        line.mend()
        started = time.monotonic()
        for number in range(1, 20):
            persist(door, number)
        back_s = time.monotonic() - started
        drained_s = until(all_over, within_s=DRAINED_WITHIN_S)
        assert {name: process.pid for name, process in whole.running.items() if process.poll() is None} == pids
    print(
        f"\nPostgreSQL away {POSTGRES_AWAY_S:.0f} s: {refused} answers 503, slowest {slowest:.2f} s; "
        f"20 events taken {back_s:.1f} s after its return, processed after another {drained_s:.1f} s, nothing restarted"
    )
    assert_each_had_its_effect_once(20)
