"""What storing activities and sharing with many costs, beside what Django offers, and what a worker serves a second.

`python -m tests.bench.sync [--pages 20] [--history 50000] [--connections 200] [--athletes 10000]`. It starts a
PostgreSQL and a Redis of its own; nothing else is touched. The ways of storing take turns, so that a busy machine
troubles them alike.
"""

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from unittest.mock import patch

import django
from django.db import connection as database
from django.db import transaction
from django.test.utils import setup_databases, teardown_databases

from config.embedded import servers
from integrations.encryption import new_key

FOLDER = Path(tempfile.mkdtemp(prefix="coaching-bench-"))
RUNNING = servers.start(FOLDER, durable=False)
os.environ.update(RUNNING.environment() | {"TESTING": "true", "CREDENTIAL_KEYS": new_key("k1")})
os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings"
django.setup()

from accounts.models import User  # noqa: E402 - models need the settings
from coaching import activity_sink  # noqa: E402
from coaching.activity_sink import ActivitySink, Origin  # noqa: E402
from coaching.models import Activity, DailyTotal  # noqa: E402
from integrations import credentials  # noqa: E402
from integrations.client import ActivityPage  # noqa: E402
from integrations.models import Connection, Credential, Provider, ProviderMode, SyncJob, SyncStream  # noqa: E402
from integrations.records import ActivityRecord, Sport  # noqa: E402
from integrations.services import syncing  # noqa: E402
from integrations.spec import Grant  # noqa: E402
from tests.bench.sharing import fan_out  # noqa: E402

PAGE = 100
ROUNDS = 5
LATENCY_MS = 50
THREADS = (1, 2, 4, 8, 16, 32)
START = datetime(2026, 11, 1, 7, tzinfo=UTC)
KEY = ["athlete", "source", "external_id"]

type Row = dict[str, Any]


def record(number: int, *, longer_s: float = 0) -> ActivityRecord:
    return ActivityRecord(
        external_id=f"{22_000_000_000 + number}", sport=list(Sport)[number % 4], name=f"Session {number}",
        started_at=START - timedelta(hours=9 * number), utc_offset_s=3600, duration_s=1800.0 + number % 3000 + longer_s,
        distance_m=8000.0 + number % 900, ascent_m=float(number % 300), avg_hr=120 + number % 50, max_hr=180,
        energy_kcal=500.0,
    )  # fmt: skip


def page(first: int, **changes: Any) -> list[ActivityRecord]:
    return [record(number, **changes) for number in range(first, first + PAGE)]


def rows(records: Sequence[ActivityRecord]) -> list[Row]:
    """The columns, made beforehand: every way of storing gets them for nothing."""
    return list(activity_sink._rows(records).values())


class Ways:
    """The ways of storing a page, each for an athlete of its own."""

    def __init__(self) -> None:
        self.users = [User.objects.create_user(f"bench{number}@example.org") for number in range(4)]

    def one_by_one(self, found: list[Row]) -> None:
        for row in found:
            values = {name: value for name, value in row.items() if name != "external_id"}
            key = {"athlete": self.users[0], "source": "garmin", "external_id": row["external_id"]}
            Activity.objects.update_or_create(**key, defaults=values)

    def in_bulk(self, found: list[Row]) -> None:
        activities = [Activity(athlete=self.users[1], source="garmin", **row) for row in found]
        fields = [name for name in activity_sink.COLUMNS if name != "external_id"]
        Activity.objects.bulk_create(activities, update_conflicts=True, unique_fields=KEY, update_fields=fields)

    def ours(self, found: list[Row]) -> None:
        activity_sink.write(Origin(self.users[2].pk, "garmin"), found)


def rates(store: Callable[[list[Row]], None], pages: Sequence[list[Row]]) -> float:
    """Rows a second, each page in a transaction as in a sync."""
    started = time.perf_counter()
    for found in pages:
        with transaction.atomic():
            store(found)
    return PAGE * len(pages) / (time.perf_counter() - started)


def storing(pages: int) -> None:
    ways = Ways()
    fresh = [rows(page(PAGE * number)) for number in range(pages * ROUNDS)]
    edited = [rows(page(PAGE * number, longer_s=60)) for number in range(pages * ROUNDS)]
    found: dict[str, dict[str, list[float]]] = {}
    for what, source in (("new", fresh), ("changed", edited), ("unchanged", edited)):
        for turn in range(ROUNDS):
            part = source[turn * pages : (turn + 1) * pages]
            for name in ("one_by_one", "in_bulk", "ours"):
                found.setdefault(what, {}).setdefault(name, []).append(rates(getattr(ways, name), part))
    print("P2: rows a second in pages of 100 (goal: 40 times update_or_create, twice bulk_create)")
    for what, by_way in found.items():
        best = {name: statistics.median(values) for name, values in by_way.items()}
        single, bulk, ours = best["one_by_one"], best["in_bulk"], best["ours"]
        print(
            f"  {what:10} update_or_create {single:7,.0f}"
            f"   bulk_create(update_conflicts) {bulk:8,.0f} ({bulk / single:5.1f}x)"
            f"   ours {ours:8,.0f} ({ours / single:5.1f}x, {ours / bulk:4.1f}x of bulk)"
        )


def whole_page(pages: int) -> None:
    """As a sync does it: hashes, statement, totals of the days, event."""
    provider, _ = Provider.objects.get_or_create(slug="garmin", defaults={"name": "Garmin Connect"})
    user = User.objects.create_user("whole@example.org")
    account = Connection.objects.create(user=user, provider=provider, status="active", external_account_id="1")
    sink, records = ActivitySink(), [page(PAGE * number) for number in range(pages)]
    for what in ("new", "unchanged"):
        written = _written()
        started = time.perf_counter()
        for found in records:
            with transaction.atomic():
                sink.upsert(account, found)
        rate = PAGE * pages / (time.perf_counter() - started)
        now = _written() - written
        print(f"  {what:10} through the sink, with hashes, totals and events: {rate:8,.0f}, {now:,} rows written")


def _written() -> int:
    """Rows that PostgreSQL inserted or updated in the tables of activities so far."""
    with database.cursor() as cursor:
        cursor.execute("SELECT pg_stat_force_next_flush()")
        cursor.execute(
            "SELECT sum(n_tup_ins + n_tup_upd) FROM pg_stat_user_tables WHERE relname IN "
            "('coaching_activity', 'coaching_dailytotal', 'integrations_domainevent')"
        )
        return int(cursor.fetchone()[0] or 0)


class Endless:
    """A client whose history has so many activities, made page by page as a provider answers them."""

    def __init__(self, size: int) -> None:
        self.size, self.calls = size, 0

    def activities(self, *_: object) -> Iterator[Any]:
        for first in range(0, self.size, PAGE):
            yield ActivityPage(records=page(first))


def memory(sizes: Sequence[int]) -> None:
    """A whole run of one history after the other; what Python holds for it at its worst, which slows it down."""
    provider = Provider.objects.get(slug="garmin")
    Provider.objects.update(mode=ProviderMode.ENABLED)
    peaks = []
    for size in sizes:
        user = User.objects.create_user(f"history{size}@example.org")
        account = Connection.objects.create(
            user=user, provider=provider, status="active", external_account_id=f"h{size}"
        )
        stream = SyncStream.objects.create(connection=account, resource="activities")
        client = Endless(size)
        job = SyncJob.new(stream.pk)
        job.save()
        tracemalloc.start()
        with patch.object(syncing, "client_for", return_value=client):
            syncing.run(job.pk)
        peak = tracemalloc.get_traced_memory()[1] / 1024 / 1024
        tracemalloc.stop()
        job.refresh_from_db()
        assert (job.status, job.created_n) == ("succeeded", size), (job.status, job.error_detail)
        peaks.append(peak)
        print(f"  a history of {size:6,}: {peak:6.1f} MiB at its worst")
    print(f"  from the smallest to the largest: {peaks[-1] - peaks[0]:+.1f} MiB (goal: 5)")


def connected(count: int, port: int) -> list[SyncStream]:
    """Connections to the slow provider that read their history at once."""
    wide = {"capacity": 1_000_000, "per_s": 1_000_000}
    provider = Provider.objects.get(slug="garmin")
    provider.mode, provider.base_urls = ProviderMode.ENABLED, {"api": f"http://127.0.0.1:{port}"}
    provider.limits = {"account": wide}
    provider.save()
    streams = []
    for number in range(count):
        user = User.objects.create_user(f"many{number}@example.org")
        account = Connection.objects.create(
            user=user, provider=provider, status="active", external_account_id=str(4_200_000 + number)
        )
        secrets = {"di_token": "t", "di_refresh_token": "r", "di_client_id": "c"}
        grant = Grant(secrets, datetime.now(UTC) + timedelta(days=1))
        credentials.store(account, grant, kind=Credential.Kind.SESSION)
        streams.append(SyncStream.objects.create(connection=account, resource="activities"))
    return streams


def serve(streams: Sequence[SyncStream], threads: int) -> float:
    """Connections a second, each one a whole run of its stream."""
    jobs = [SyncJob.new(stream.pk) for stream in streams]
    SyncJob.objects.bulk_create(jobs)
    ids = [job.pk for job in jobs]
    together = threading.Barrier(threads)

    def close(_: int) -> None:
        together.wait()  # each thread its own
        database.close()

    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(syncing.run, ids[:threads]))  # connections, sessions and modules are there
        started = time.perf_counter()
        list(pool.map(syncing.run, ids[threads:]))
        took = time.perf_counter() - started
        list(pool.map(close, range(threads)))
    assert not SyncJob.objects.filter(pk__in=ids).exclude(status="succeeded").exists()
    return (len(ids) - threads) / took


def serving(count: int) -> None:
    slow = subprocess.Popen(
        [sys.executable, "-m", "tests.bench.slow_provider", str(LATENCY_MS)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    assert slow.stdin is not None
    assert slow.stdout is not None
    slow.stdin.write(b"[]")
    slow.stdin.close()
    try:
        streams = connected(count, int(slow.stdout.readline()))
        print(f"P2b: connections a second, the provider at {LATENCY_MS} ms (goal: 0.7 of threads / latency)")
        for threads in THREADS:
            got, ideal = serve(streams, threads), threads * 1000 / LATENCY_MS
            print(f"  {threads:2} threads   {got:6.1f}/s   of {ideal:5.0f} possible: {got / ideal:4.2f}")
    finally:
        slow.terminate()
        slow.wait()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--pages", type=int, default=20)
    parser.add_argument("--history", type=int, default=50_000)
    parser.add_argument("--connections", type=int, default=200)
    parser.add_argument("--athletes", type=int, default=10_000)
    chosen = parser.parse_args()
    made = setup_databases(verbosity=0, interactive=False)
    try:
        storing(chosen.pages)
        whole_page(chosen.pages)
        assert DailyTotal.objects.exists()
        memory([1_000, chosen.history])
        serving(chosen.connections)
        fan_out(chosen.athletes)
    finally:
        teardown_databases(made, verbosity=0)
        RUNNING.stop()
        shutil.rmtree(FOLDER, ignore_errors=True)


if __name__ == "__main__":
    main()
