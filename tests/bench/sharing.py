"""P3: what one share with very many athletes costs, beside one row after the other. Used by `tests.bench.sync`.

Nobody may share as often within a day (`MOST_A_DAY`); the limit is lifted here, so that the way it grows is seen.
"""

import time
from collections.abc import Sequence
from datetime import date
from unittest.mock import patch

from celery import current_app
from django.db import connection as database
from django.db import transaction
from django.test.utils import CaptureQueriesContext

from accounts.models import User
from coaching.models import CoachingLink, Delivery, Scope, Share, Workout, WorkoutRevision
from coaching.services import library, sharing
from integrations.models import Connection, Provider
from integrations.records import End, EndKind, Segment, Sport, WorkoutRecord, WorkoutStep

DAY = date(2027, 1, 5)
YARDSTICK = 500  # of one row after the other; its time grows with their number
BATCH = 100  # that one worker claims at once


def fan_out(count: int) -> None:
    coach, links = _roster(count)
    revision = _revision(coach)
    created, queries, messages = _shared(coach, revision, links)
    claimed = _claimed(count)
    single = _one_by_one(revision, links[:YARDSTICK]) * count / min(count, YARDSTICK)
    print(f"P3: one share with {count:,} athletes who import by themselves (goals: 0.25 s, claimed in 0.5 s)")
    print(f"  get_or_create and save each        {single:7.2f} s")
    print(
        f"  shares, deliveries and events      {created:7.2f} s ({single / created:4.1f}x),"
        f" {queries} queries, {messages} messages"
    )
    print(f"  claimed by a worker, {BATCH} at a time  {claimed:7.2f} s")


def _roster(count: int) -> tuple[User, list[CoachingLink]]:
    coach = User.objects.create_user("fan-out@example.org")
    provider, _ = Provider.objects.get_or_create(slug="garmin", defaults={"name": "Garmin Connect"})
    Provider.objects.update(mode="enabled")
    people = User.objects.bulk_create([User(email=f"fan{number}@example.org") for number in range(count)])
    links = CoachingLink.objects.bulk_create(
        [CoachingLink(coach=coach, athlete=user, auto_import=True, scopes=[str(Scope.PLAN)]) for user in people]
    )
    Connection.objects.bulk_create(
        [
            Connection(user=user, provider=provider, status="active", external_account_id=f"fan{user.pk}")
            for user in people
        ]
    )
    return coach, links


def _revision(coach: User) -> WorkoutRevision:
    segment = Segment(sport=Sport.RUNNING, steps=(WorkoutStep(end=End(kind=EndKind.TIME, value=600)),))
    workout: Workout = library.create(coach, WorkoutRecord(name="Easy", sport=Sport.RUNNING, segments=(segment,)))
    assert workout.current is not None
    return workout.current


def _shared(coach: User, revision: WorkoutRevision, links: Sequence[CoachingLink]) -> tuple[float, int, int]:
    targets = [(link, DAY) for link in links]
    with (
        patch.object(sharing, "MOST_A_DAY", 10 * len(links)),
        patch.object(current_app, "send_task") as sent,
        CaptureQueriesContext(database) as queries,
    ):
        started = time.perf_counter()
        assert sharing.share_workout(revision, targets=targets, by=coach) == len(links)
        took = time.perf_counter() - started
    return took, len(queries), sent.call_count


def _claimed(count: int) -> float:
    started, claimed = time.perf_counter(), 0
    while batch := Delivery.objects.claim_batch(BATCH):
        claimed += len(batch)
    assert claimed == count, claimed
    return time.perf_counter() - started


def _one_by_one(revision: WorkoutRevision, links: Sequence[CoachingLink]) -> float:
    """Each in a transaction of its own, as it is often written."""
    day = date(2027, 1, 6)
    started = time.perf_counter()
    for link in links:
        with transaction.atomic():
            share, _ = Share.objects.get_or_create(
                link=link, workout_id=revision.workout_id, scheduled_for=day, defaults={"revision": revision}
            )
            share.status = "accepted"
            share.save()
            target = Connection.objects.get(user=link.athlete_id)
            Delivery.objects.get_or_create(share=share, defaults={"revision": revision, "connection": target})
    return time.perf_counter() - started
