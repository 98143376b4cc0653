"""What the in-box takes a second, beside a bare view with one ORM insert on the same server and table.

`python -m tests.bench.intake [--seconds 3] [--rounds 5] [--clients 8] [--processes 2]`. It starts a PostgreSQL and a
Redis of its own and two gunicorns as in production; the two take turns, so that a busy machine troubles them alike.
"""

import argparse
import os
import shutil
import statistics
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
from importlib import import_module
from pathlib import Path

import django

from config.embedded import servers
from integrations import providers
from integrations.encryption import new_key

DOUBLES = str(Path(__file__).parents[2] / "tests" / "integrations" / "doubles")
BODY = b'{"events": [{"type": "updated", "object": "workouts", "id": "o1", "account": "a1", "at": 1}]}'


def post(port: int, path: str, sender: "object", until: float) -> list[float]:
    """One client with a kept connection; how long each answer took."""
    wire, took = HTTPConnection("127.0.0.1", port, timeout=30), []
    while time.perf_counter() < until:
        headers = sender.signed(BODY)  # type: ignore[attr-defined]  # both are given the same work to do
        started = time.perf_counter()
        wire.request("POST", path, body=BODY, headers=headers)
        answer = wire.getresponse()
        answer.read()
        took.append(time.perf_counter() - started)
        if answer.status != 200:
            raise SystemExit(f"answered {answer.status}")
    wire.close()
    return took


def measure(port: int, path: str, sender: "object", clients: int, seconds: float) -> tuple[float, float]:
    """(a second, 99th percentile in ms)"""
    until = time.perf_counter() + seconds
    with ThreadPoolExecutor(clients) as pool:
        runs = list(pool.map(lambda _: post(port, path, sender, until), range(clients)))
    took = sorted(each for run in runs for each in run)
    return len(took) / seconds, took[int(len(took) * 0.99)] * 1000


def prepare() -> "tuple[str, object]":
    """Tables, and an endpoint with its secret."""
    os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings"
    providers.__path__.append(DOUBLES)
    django.setup()
    management = import_module("django.core.management")
    management.call_command("migrate", verbosity=0)
    wire = import_module("tests.webhooks.wire")
    models = import_module("webhooks.models")
    securing = import_module("webhooks.services.securing")
    rows = import_module("integrations.models").Provider.objects
    provider, _ = rows.update_or_create(slug="sender", defaults={"name": "Sender", "mode": "enabled"})
    endpoint = models.WebhookEndpoint.objects.create(provider=provider, name="bench")
    path = f"/webhooks/sender/{endpoint.token}/"
    os.environ["BENCH_ENDPOINT"] = str(endpoint.pk)
    return path, wire.Sender(path=path, secret=securing.rotate(endpoint))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=3)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--processes", type=int, default=2)
    asked = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="coaching-bench-"))
    running = servers.start(folder, durable=True)
    os.environ.update(
        {**running.environment(), "TESTING": "true", "DATABASE_POOL": "true",
         "CREDENTIAL_KEYS": new_key("bench")}
    )  # fmt: skip
    try:
        path, sender = prepare()
        processes = import_module("tests.webhooks.processes")
        with (
            processes.web(workers=asked.processes) as ours,
            processes.web("tests.bench.intake_yardstick", asked.processes) as bare,
        ):
            found: dict[str, list[tuple[float, float]]] = {"yardstick": [], "product": []}
            for number in range(asked.rounds + 1):
                for name, port in (("yardstick", bare), ("product", ours)):
                    told = measure(port, path, sender, asked.clients, asked.seconds)
                    if number:  # the first round warms up
                        found[name].append(told)
        report(found)
    finally:
        running.stop()
        shutil.rmtree(folder, ignore_errors=True)


def report(found: dict[str, list[tuple[float, float]]]) -> None:
    for name, runs in found.items():
        rate, slow = (statistics.median(each) for each in zip(*runs, strict=True))
        print(f"{name:10} {rate:8.0f} a second   p99 {slow:6.1f} ms")
    ratios = [ours[0] / bare[0] for bare, ours in zip(found["yardstick"], found["product"], strict=True)]
    slower = [ours[1] / bare[1] for bare, ours in zip(found["yardstick"], found["product"], strict=True)]
    print(
        f"product / yardstick: {statistics.median(ratios):.2f} of its rate, {statistics.median(slower):.2f} of its p99"
    )


if __name__ == "__main__":
    main()
