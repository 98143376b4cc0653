"""What Prometheus is told: to whom, by how many processes, and what happens when some of them die."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from datetime import timedelta
from pathlib import Path
from typing import IO

import pytest
from django.conf import settings
from django.core.checks import Tags, run_checks
from django.db import OperationalError
from django.db.models.functions import Now
from django.test import Client, override_settings
from django.utils import timezone
from prometheus_client import REGISTRY
from prometheus_client.core import GaugeMetricFamily

from accounts.models import User
from config.metrics import exposition
from integrations import gateways, gauges
from integrations.gauges import CACHED_S, STATE, StateCollector, gauge
from integrations.models import Connection, Provider, ProviderMode, SyncJob, SyncStream, Tick

TOKEN = "a-token-of-operations-" + "x" * 20
ROOT = Path(settings.BASE_DIR)
NOWHERE = "redis://127.0.0.1:1/0"

# A process of the product: it counts what it reads, one line an order, until its input ends.
COUNTER = """
import os, sys, django
django.setup()
from integrations import metrics
from integrations.resilience import metrics as gateway
def count(number):
    metrics.SYNC_ITEMS.labels("workouts", "created").inc(number)
    metrics.SYNC_JOB_SECONDS.labels("garmin", "workouts").observe(number)
    gateway.POOL.labels("garmin").set(number)
for line in sys.stdin:
    if line.startswith("fork") and os.fork():
        continue
    count(int(line.split()[-1]))
    print("counted", os.getpid(), flush=True)
"""


@pytest.fixture(autouse=True)
def _nothing_cached() -> Iterator[None]:
    STATE.forget()
    yield
    STATE.forget()


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    with override_settings(PROMETHEUS_MULTIPROC_DIR=str(tmp_path), METRICS_TOKEN=TOKEN):
        yield tmp_path


@pytest.fixture
def counting(folder: Path) -> Iterator[Callable[[], "Process"]]:
    """Starts processes that count into the folder."""
    started: list[Process] = []

    def start() -> "Process":
        started.append(Process(folder))
        return started[-1]

    yield start
    for process in started:
        process.end()


class Process:
    def __init__(self, folder: Path) -> None:
        env = {**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(folder), "DJANGO_SETTINGS_MODULE": "config.settings"}
        self.process = subprocess.Popen(
            [sys.executable, "-c", COUNTER], cwd=ROOT, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def counts(self, order: str) -> int:
        """Returns once it is written, with the pid of who wrote."""
        orders: IO[str] = self.process.stdin  # type: ignore[assignment]
        orders.write(f"{order}\n")
        orders.flush()
        assert self.process.stdout
        word, pid = self.process.stdout.readline().split()
        assert word == "counted"
        return int(pid)

    def end(self) -> None:
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            assert pipe
            pipe.close()


def scrape(client: Client, token: str = TOKEN) -> dict[str, float]:
    """Every sample by its name and labels, as they are written."""
    answer = client.get("/metrics", headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == 200, answer.content
    lines = [line for line in answer.content.decode().splitlines() if not line.startswith("#")]
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines)}


ITEMS = 'sync_items_total{change="created",resource="workouts"}'
BUSY = 'sync_job_seconds_count{provider="garmin",resource="workouts"}'
BUCKET = 'sync_job_seconds_bucket{le="2.0",provider="garmin",resource="workouts"}'
POOL = 'integration_pool_in_use{provider="garmin"}'


def test_without_a_token_there_is_no_such_page(client: Client) -> None:
    with override_settings(METRICS_TOKEN=""):
        for header in ({}, {"Authorization": "Bearer "}):
            assert client.get("/metrics", headers=header).status_code == 404


@pytest.mark.parametrize(
    "header", ["", f"Bearer {TOKEN}x", f"Bearer {TOKEN[:-1]}", f"Basic {TOKEN}", TOKEN, "Bearer", "Bearer ü"]
)
def test_who_does_not_know_the_token_learns_nothing(client: Client, header: str) -> None:
    with override_settings(METRICS_TOKEN=TOKEN):
        answer = client.get("/metrics", headers={"Authorization": header} if header else {})
    assert answer.status_code == 401
    assert b"# TYPE" not in answer.content


def test_a_login_opens_it_to_nobody(client: Client, operator: User) -> None:
    client.force_login(operator)
    with override_settings(METRICS_TOKEN=TOKEN):
        assert client.get("/metrics").status_code == 401
        assert client.get(f"/metrics?token={TOKEN}").status_code == 401


@pytest.mark.django_db
def test_who_knows_it_reads_the_text_format_also_without_tls_inside_the_house(client: Client) -> None:
    with override_settings(METRICS_TOKEN=TOKEN, SECURE_SSL_REDIRECT=True):
        answer = client.get("/metrics", headers={"Authorization": f"Bearer {TOKEN}"})
        assert client.post("/metrics", headers={"Authorization": f"Bearer {TOKEN}"}).status_code == 405
    assert answer.status_code == 200
    assert answer.headers["Content-Type"].startswith("text/plain")
    assert "no-store" in answer.headers["Cache-Control"]


@pytest.mark.parametrize(("token", "found"), [("", []), ("x" * 19, ["config.E003"]), ("x" * 20, [])])
def test_a_token_that_can_be_guessed_stops_the_start(token: str, found: list[str]) -> None:
    with override_settings(METRICS_TOKEN=token):
        ids = [check.id for check in run_checks(tags=[Tags.security])]
    assert [each for each in ids if each == "config.E003"] == found


@pytest.mark.django_db
def test_counts_of_two_processes_are_one_count_read_in_a_third(client: Client, counting: Callable[[], Process]) -> None:
    first, second = counting(), counting()
    first.counts("2")
    second.counts("3")
    found = scrape(client)
    assert (found[ITEMS], found[POOL], found[BUSY], found[BUCKET]) == (5, 5, 2, 1)


@pytest.mark.django_db
def test_a_killed_process_leaves_its_counts_and_takes_its_gauges(
    client: Client, folder: Path, counting: Callable[[], Process]
) -> None:
    first, second = counting(), counting()
    first.counts("2")
    second.counts("3")
    second.process.send_signal(signal.SIGKILL)
    second.process.wait()
    for _ in range(2):  # it is buried once
        found = scrape(client)
        assert (found[ITEMS], found[POOL], found[BUSY], found[BUCKET]) == (5, 2, 2, 1)
    third = counting()
    third.counts("4")
    first.end()
    assert (scrape(client)[ITEMS], scrape(client)[POOL]) == (9, 4)
    assert len(list(folder.glob("*.alive"))) == 1
    assert {file.stem.rpartition("_")[2] for file in folder.glob("*.db")} == {
        "ended",
        next(folder.glob("*.alive")).stem,
    }


@pytest.mark.django_db
def test_a_forked_child_counts_for_itself_and_does_not_keep_its_parent_alive(
    client: Client, counting: Callable[[], Process]
) -> None:
    parent = counting()
    parent.counts("2")
    child = parent.counts("fork 3")
    try:
        assert (scrape(client)[ITEMS], scrape(client)[POOL]) == (5, 5)
        parent.process.kill()
        parent.process.wait()
        assert (scrape(client)[ITEMS], scrape(client)[POOL]) == (5, 3)
    finally:
        os.kill(child, signal.SIGKILL)


def test_who_starts_tidies_up_where_nobody_scrapes(folder: Path, counting: Callable[[], Process]) -> None:
    for number in range(2):
        process = counting()
        process.counts(str(number))
        process.end()
    assert len(list(folder.glob("*.alive"))) == 1


def told(part: Callable[[], Iterator[GaugeMetricFamily]]) -> dict[tuple[str, ...], float]:
    return {(sample.name, *sample.labels.values()): sample.value for family in part() for sample in family.samples}


@pytest.fixture
def stream(athlete: User, garmin_provider: Provider) -> SyncStream:
    connection = Connection.objects.create(
        user=athlete, provider=garmin_provider, status="active", external_account_id="7"
    )
    return SyncStream.objects.create(
        connection=connection, resource="workouts", next_run_at=timezone.now() - timedelta(minutes=9)
    )


def test_connections_are_counted_by_state_and_none_is_zero(stream: SyncStream) -> None:
    found = told(gauges.connections)
    assert found["connections", "garmin", "active"] == 1
    assert found["connections", "garmin", "needs_reauth"] == 0
    assert ("connections", "garmin", "disconnected") not in found


def test_a_due_stream_is_late_also_when_no_beat_queues_it(stream: SyncStream) -> None:
    assert 540 <= told(gauges.syncs)[("sync_oldest_due_seconds",)] < 560
    SyncJob.new(stream.pk).save()
    found = told(gauges.syncs)
    assert found["sync_jobs_open", "queued"] == 1
    assert found[("sync_oldest_due_seconds",)] < 20
    SyncJob.objects.update(next_attempt_at=Now() - timedelta(hours=1))
    assert 3600 <= told(gauges.syncs)[("sync_oldest_due_seconds",)] < 3620


def test_what_may_not_run_is_not_late(stream: SyncStream, garmin_provider: Provider) -> None:
    SyncJob.new(stream.pk).save()
    SyncJob.objects.update(next_attempt_at=Now() - timedelta(hours=1))
    Provider.objects.update(mode=ProviderMode.HOLD)
    assert told(gauges.syncs)[("sync_oldest_due_seconds",)] == 0


@pytest.mark.django_db
def test_ticks_age() -> None:
    Tick.objects.create(name="tick_events", last_at=timezone.now() - timedelta(minutes=4))
    assert 240 <= told(gauges.ticks)["beat_last_tick_seconds", "tick_events"] < 250


def test_without_redis_nothing_is_told_of_circuits_but_that(garmin_provider: Provider) -> None:
    found = told(gauges.circuits)
    assert found["integration_circuit_state", "garmin", "login"] == 0
    assert found["integration_rate_limit_remaining", "garmin", "login"] > 0
    assert found[("integration_shared_state_up",)] == 1
    gateways.forget()
    with override_settings(REDIS_URL=NOWHERE):
        assert told(gauges.circuits) == {("integration_shared_state_up",): 0}
    gateways.forget()


def test_an_open_circuit_shows(garmin_provider: Provider) -> None:
    gateways.trip(garmin_provider, reason="drill", login=True)
    found = told(gauges.circuits)
    assert found["integration_circuit_state", "garmin", "login"] == 2
    assert found["integration_circuit_state", "garmin", "api"] == 0


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def one(name: str) -> list[GaugeMetricFamily]:
    found = gauge(name, "words")
    found.add_metric([], 1)
    return [found]


def errors_of(part: str) -> float:
    return REGISTRY.get_sample_value("metrics_collector_errors_total", {"part": part}) or 0


def test_state_is_read_every_fifteen_seconds_whoever_asks() -> None:
    clock, asked = Clock(), list[int]()
    collector = StateCollector(clock=clock)

    def part() -> list[GaugeMetricFamily]:
        asked.append(1)
        return one("a")

    collector.add("a", part)
    for _ in range(3):
        assert [family.name for family in collector.collect()] == ["a"]
    clock.now = CACHED_S - 0.1
    collector.collect()
    assert len(asked) == 1
    clock.now = CACHED_S
    collector.collect()
    assert len(asked) == 2


def test_a_part_that_breaks_is_left_out_and_counted() -> None:
    def broken() -> Iterator[GaugeMetricFamily]:
        yield from one("half")
        raise KeyError("nobody foresaw this")

    collector = StateCollector()
    collector.add("broken", broken)
    collector.add("whole", lambda: one("whole"))
    before = errors_of("broken")
    assert [family.name for family in collector.collect()] == ["whole"]
    assert errors_of("broken") == before + 1


def test_a_database_that_is_away_is_waited_for_once() -> None:
    asked: list[int] = []

    def away() -> list[GaugeMetricFamily]:
        asked.append(1)
        raise OperationalError

    collector = StateCollector()
    for name in ("away1", "away2", "away3"):
        collector.add(name, away)
    assert collector.collect() == []
    assert len(asked) == 1
    assert errors_of("away3") == 1


def test_a_scrape_asks_as_few_questions_with_a_thousand_connections_as_with_one(
    stream: SyncStream, django_assert_max_num_queries: Callable[..., AbstractContextManager[object]]
) -> None:
    people = User.objects.bulk_create([User(email=f"{number}@example.org") for number in range(1000)])
    provider = stream.connection.provider
    Connection.objects.bulk_create([Connection(user=user, provider=provider) for user in people])
    with django_assert_max_num_queries(17):
        exposition()


@pytest.mark.django_db
def test_pages_are_counted_by_their_name_and_a_method_made_up_is_none(client: Client) -> None:
    client.get("/connections/0000-canary/")
    client.generic("CANARYMETHOD", "/health/live")
    text = exposition().decode()
    assert "canary" not in text.lower()
    assert 'view="config.health.live"' in text
    assert 'method="other"' in text


def test_an_answer_that_came_of_an_exception_is_timed_once(client: Client) -> None:
    def timed() -> float:
        name = "django_http_requests_latency_seconds_by_view_method_count"
        return REGISTRY.get_sample_value(name, {"method": "GET", "view": "metrics"}) or 0

    before = timed()
    with override_settings(METRICS_TOKEN=TOKEN):
        assert client.get("/metrics").status_code == 401
    assert timed() == before + 1
