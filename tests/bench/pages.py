"""What the pages of a coach with many athletes cost, at two sizes of history, beside two usual ways to ask.

`python -m tests.bench.pages [--athletes 200] [--small 10000] [--large 1000000]`. It starts a PostgreSQL and a Redis of
its own; nothing else is touched. Pages are asked for in turns, by the real views and templates, without a network.
Everybody trains once a day at both sizes: pages show the same, and only the history behind them differs.
"""

import argparse
import logging
import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from pathlib import Path

import django
from django.core.management import call_command
from django.db import connection as database
from django.test.utils import CaptureQueriesContext, setup_databases, teardown_databases

from config.embedded import servers
from integrations.encryption import new_key

FOLDER = Path(tempfile.mkdtemp(prefix="coaching-bench-"))
RUNNING = servers.start(FOLDER, durable=False)
os.environ.update(RUNNING.environment() | {"TESTING": "true", "CREDENTIAL_KEYS": new_key("k1")})
os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings"
django.setup()

from django.db.models import Count, Sum  # noqa: E402 - models need the settings
from django.test import Client  # noqa: E402
from django.utils import timezone  # noqa: E402

from accounts.models import User  # noqa: E402
from coaching import activity_pages  # noqa: E402
from coaching.management.commands.seed_scale import COACH  # noqa: E402
from coaching.models import Activity, CoachingLink  # noqa: E402

ROUNDS = 20
SHOWN = 25  # athletes on a page: what the yardsticks ask for, too
DEPTHS = (0, 50, 90)  # percent of an athlete's history

type Taken = tuple[float, float]  # ms that passed, ms that this process worked
type Times = dict[str, list[Taken]]


def timed(work: Callable[[], object]) -> Taken:
    """The second is what a busy machine does not change; the database's own work is no part of it."""
    started, worked = time.perf_counter(), time.process_time()
    work()
    return 1000 * (time.perf_counter() - started), 1000 * (time.process_time() - worked)


def p95(values: Sequence[float]) -> float:
    return statistics.quantiles(values, n=20)[-1]


def medians(values: Sequence[Taken]) -> Taken:
    passed, worked = zip(*values, strict=True)
    return statistics.median(passed), statistics.median(worked)


def three_an_athlete(links: Sequence[CoachingLink]) -> None:
    """How it is often written: what is wanted of each athlete, athlete by athlete."""
    since = timezone.now().date() - timedelta(days=7)
    for link in links:
        mine = Activity.objects.filter(athlete=link.athlete_id)
        mine.order_by("-started_at").first()
        mine.filter(day__gte=since).aggregate(Sum("duration_s"), Count("id"))
        list(mine.filter(day__gte=since).values("sport").annotate(Count("id")))


def one_group_by(links: Sequence[CoachingLink]) -> None:
    """One question over all of the history."""
    ids = [link.athlete_id for link in links]
    list(Activity.objects.filter(athlete__in=ids).values("athlete", "day").annotate(Sum("duration_s"), Count("id")))


def _newest(athlete: User) -> Activity:
    return Activity.objects.filter(athlete=athlete).newest_first()[0]


def feed_at(athlete: User, percent: int) -> str:
    """The address of a page so deep in the history."""
    rows = Activity.objects.filter(athlete=athlete).newest_first()
    place = rows.count() * percent // 100
    if not place:
        return "/activities/"
    row = rows[place]
    return f"/activities/?after={activity_pages._mark(row)}"


def measure(coach: User, athletes: Sequence[User]) -> tuple[Times, Mapping[str, tuple[int, float]]]:
    links = list(CoachingLink.objects.active_for_coach(coach)[:SHOWN])
    everybody = list(CoachingLink.objects.active_for_coach(coach))
    as_coach, as_athlete = Client(), Client()
    as_coach.force_login(coach)
    as_athlete.force_login(athletes[0])
    link = links[0].public_id
    pages = {
        "today": (as_coach, "/today/"),
        "calendar, week": (as_coach, "/calendar/"),
        "calendar, month": (as_coach, "/calendar/?view=month"),
        "roster": (as_coach, "/athletes/"),
        "athlete": (as_coach, f"/athletes/{link}/"),
        "library": (as_coach, "/library/"),
        "weeks and trends": (as_athlete, "/activities/weeks/"),
        "activity": (as_athlete, f"/activities/{_newest(athletes[0]).public_id}/"),
        **{f"feed at {percent} %": (as_athlete, feed_at(athletes[0], percent)) for percent in DEPTHS},
    }
    yardsticks = {
        f"yardstick: 3 queries an athlete, {len(everybody)}": lambda: three_an_athlete(everybody),
        "yardstick: one GROUP BY over history": lambda: one_group_by(everybody),
    }
    asked = {}
    for name, (client, path) in pages.items():
        answer = client.get(path)
        assert answer.status_code == 200, (path, answer.status_code)
        with CaptureQueriesContext(database) as queries:
            client.get(path)
        asked[name] = (len(queries), sum(1000 * float(query["time"]) for query in queries.captured_queries))
    times: Times = {name: [] for name in [*pages, *yardsticks]}
    for number in range(ROUNDS):
        for name, (client, path) in pages.items():
            times[name].append(timed(lambda client=client, path=path: client.get(path)))  # type: ignore[misc]
        if number < 3:
            for name, work in yardsticks.items():
                times[name].append(timed(work))
    return times, asked


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--athletes", type=int, default=200)
    parser.add_argument("--small", type=int, default=10_000)
    parser.add_argument("--large", type=int, default=1_000_000)
    chosen = parser.parse_args()
    logging.getLogger("request").setLevel(logging.WARNING)  # one line a request would hide the table
    made = setup_databases(verbosity=0, interactive=False)
    try:
        sizes: dict[int, tuple[Times, Mapping[str, tuple[int, float]]]] = {}
        for size in (chosen.small, chosen.large):
            a_head = max(size // chosen.athletes, 1)
            call_command("seed_scale", athletes=chosen.athletes, activities=size, days=a_head)
            coach = User.objects.get(email=COACH)
            athletes = [link.athlete for link in CoachingLink.objects.active_for_coach(coach)[:1]]
            sizes[size] = measure(coach, athletes)
        show(sizes[chosen.small][0], *sizes[chosen.large], small=chosen.small, large=chosen.large)
    finally:
        teardown_databases(made, verbosity=0)
        RUNNING.stop()
        shutil.rmtree(FOLDER, ignore_errors=True)


def show(before: Times, times: Times, asked: Mapping[str, tuple[int, float]], *, small: int, large: int) -> None:
    print(
        f"P5: pages of a coach, milliseconds; {large:,} activities beside {small:,} (goals: p95 40, feed 10, 8 queries,"
    )
    print("    6 ms of SQL, and at most 1.3 times as long with the larger history). CPU: of this process, median")
    print(f"    load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    print(f"  {'':40} {'p50':>7} {'p95':>7} {'CPU':>6} {'queries':>8} {'SQL':>6} {'of small':>9} {'CPU':>6}")
    for name, values in times.items():
        (p50, cpu), (p50_small, cpu_small) = medians(values), medians(before[name])
        wall = [passed for passed, _ in values]
        queries, sql = asked.get(name, (0, 0.0))
        told = f"{queries:8} {sql:6.1f}" if queries else f"{'':15}"
        top = p95(wall) if len(wall) > 3 else max(wall)
        print(f"  {name:40} {p50:7.1f} {top:7.1f} {cpu:6.1f} {told} {p50 / p50_small:8.2f}x {cpu / cpu_small:5.2f}x")


if __name__ == "__main__":
    main()
