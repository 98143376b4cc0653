"""The in-box while things around it die: nothing that was answered 200 is lost, and nothing has its effect twice."""

import os
import random
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from integrations.models import SyncStream
from tests.patience import until
from tests.webhooks import processes
from tests.webhooks.processes import Line
from tests.webhooks.wire import Door, body_of, event
from webhooks.models import WebhookAttempt, WebhookEndpoint, WebhookEvent

MUTATIONS = 1_000
SEED = 20261121


@pytest.fixture
def hanging_broker(tmp_path: Path) -> Iterator[str]:
    """A Redis that takes a connection and never says a word."""
    with socket.socket(socket.AF_UNIX) as door:
        door.bind(str(tmp_path / "broker"))
        door.listen(64)
        yield str(tmp_path / "broker")


def test_b18_and_b19_without_database_503_and_without_broker_200(
    endpoint: WebhookEndpoint, secret: str, tmp_path: Path, hanging_broker: str
) -> None:
    line = Line(tmp_path, f"{processes.database_folder()}/{processes.SOCKET}")
    redis, celery = f"unix://{hanging_broker}?db=0", f"redis+socket://{hanging_broker}"
    with processes.web(database_folder=str(tmp_path), REDIS_URL=redis, CELERY_BROKER_URL=celery) as port:
        door = Door(path=f"/webhooks/sender/{endpoint.token}/", secret=secret, port=port)
        started = time.monotonic()
        for _ in range(10):
            assert door.send().status == 200, "the broker is none of the sender's business"
        assert time.monotonic() - started < 25, "to wait for it costs 5 s each time"
        line.cut()
        answers, noticed = [door.send()], time.monotonic()
        answers += [door.send() for _ in range(3)]
        assert time.monotonic() - noticed < 8, "once it is known, nobody waits 10 s for the pool"
        assert {(each.status, each.headers["retry-after"]) for each in answers} == {(503, "30")}
        assert WebhookEvent.objects.count() == 10, "what is not stored is not answered 200"
        line.mend()
        until(lambda: door.send().status == 200)
    assert WebhookEvent.objects.count() == 11


def test_workers_killed_at_random_lose_nothing_and_do_nothing_twice(
    door: Door, stream: SyncStream, endpoint: WebhookEndpoint
) -> None:
    number = 200
    for each in range(number):
        assert door.send(body_of(event(number=f"o{each}", at=each + 1))).status == 200
    chance = random.Random(SEED)
    env = processes.environment(TIME_SCALE="0.1")  # a lease lasts 6 s: on a busy machine only the dead let it lapse
    kills = 0
    with ExitStack() as stack:
        workers = [stack.enter_context(processes.process("tests.webhooks.worker", env=env)) for _ in range(2)]
        until(WebhookAttempt.objects.exists)
        for _ in range(3):
            victim = chance.choice(workers)
            os.kill(victim.pid, signal.SIGKILL)
            victim.wait(60)
            kills += victim.returncode == -signal.SIGKILL
            workers[workers.index(victim)] = stack.enter_context(processes.process("tests.webhooks.worker", env=env))
            time.sleep(0.05)
        until(lambda: not WebhookEvent.objects.unfinished().exists(), within_s=60)
    assert kills == 3
    assert set(WebhookEvent.objects.values_list("status", flat=True)) == {"processed"}
    ended = WebhookAttempt.objects.filter(outcome="processed")
    assert ended.count() == ended.values("event").distinct().count() == number


def mutated(chance: random.Random, body: bytes, headers: dict[str, str]) -> tuple[bytes, dict[str, str]]:
    """One thing about a valid request, changed."""
    name = chance.choice(["webhook-id", "webhook-timestamp", "webhook-signature", "content-type", "body"])
    raw = bytearray(body if name == "body" else headers[name].encode())
    for _ in range(chance.randint(1, 3)):
        at = chance.randrange(len(raw) or 1)
        how = chance.randrange(4)
        if how == 0 and raw:
            raw[at] ^= 1 << chance.randrange(7)
        elif how == 1:
            raw.insert(at, chance.randrange(32, 127))
        elif how == 2 and raw:
            del raw[at]
        else:
            raw += raw[:at]
    if name == "body":
        return bytes(raw), headers
    text = "".join(chr(each) if 32 <= each < 127 else "?" for each in raw).strip()
    return body, {**headers, name: text}


def test_mutated_requests_are_never_our_fault(door: Door) -> None:
    chance = random.Random(SEED)
    seen: dict[int, int] = {}
    for _ in range(MUTATIONS):
        body = body_of(event(number=str(chance.random())))
        headers = door.signed(body)
        changed, sent = mutated(chance, body, headers)
        status = door.send(changed, headers=sent).status
        seen[status] = seen.get(status, 0) + 1
        proven = ("webhook-id", "webhook-timestamp", "webhook-signature")
        if changed != body or any(sent[name] != headers[name] for name in proven):
            assert status != 200, (changed, sent)
    assert max(seen) < 500, seen
    assert set(seen) >= {401, 415}
