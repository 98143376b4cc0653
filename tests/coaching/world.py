"""Workouts, athletes' accounts in Garmin's sandbox, and deliveries on their way there, for the tests to act with."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from django.conf import settings
from django.db import connection as database
from django.utils import timezone
from redis import Redis

from accounts.models import User
from coaching.models import CoachingLink, Delivery, Share, Workout, WorkoutRevision
from coaching.services import sending, sharing
from integrations import credentials
from integrations.models import Connection, Credential, Provider
from integrations.records import MARKER, End, EndKind, Segment, Sport, WorkoutRecord, WorkoutStep
from integrations.sandbox import Answer, Request, RunningSandbox
from integrations.sandbox.faults import Fault
from integrations.sandbox.kit import Route, Sandbox
from integrations.spec import Grant
from tests.patience import PATIENCE_S

TUESDAY = date(2026, 12, 1)
HELD = "held"  # an answer that comes when nobody waits for it any more
GIVE_UP_S = 2.0  # whoever waits for such an answer; all others come much sooner, however busy the machine is
CREATE = "POST /api/workout-service/workout"
SCHEDULE = "POST /api/workout-service/schedule/{identity}"


def easy_run(name: str = "Easy run", **fields: Any) -> WorkoutRecord:
    step = WorkoutStep(end=End(kind=EndKind.TIME, value=1800))
    segment = Segment(sport=Sport.RUNNING, steps=(step,))
    return WorkoutRecord(name=name, sport=Sport.RUNNING, segments=(segment,), **fields)


def make_workout(owner: User, record: WorkoutRecord | None = None) -> Workout:
    workout = Workout.objects.create(owner=owner)
    revise(workout, record or easy_run())
    return workout


def revise(workout: Workout, record: WorkoutRecord) -> WorkoutRevision:
    """A new current revision."""
    revision = WorkoutRevision.objects.create(
        workout=workout, number=workout.revisions.count() + 1, name=record.name, sport=record.sport,
        duration_s=1800, content=record.content(), content_hash=record.content_hash(),
    )  # fmt: skip
    workout.current = revision
    workout.save()
    return revision


@dataclass
class Account:
    """What stands in one athlete's account at the provider, and how the provider behaves towards it."""

    sandbox: RunningSandbox
    email: str
    slug: str = "garmin"

    @property
    def box(self) -> Sandbox:
        return self.sandbox[self.slug]

    @property
    def person(self) -> dict[str, Any]:
        return self.box.state.people[self.email]  # type: ignore[attr-defined,no-any-return]

    def workouts(self) -> list[dict[str, Any]]:
        """Those that we put there."""
        return [raw for raw in self.person["workouts"].values() if MARKER in (raw.get("description") or "")]

    def calendar(self) -> list[tuple[str, str]]:
        return [(row["workoutId"], row["date"]) for row in self.person["schedules"].values()]

    def holds(self) -> tuple[int, int]:
        """How many workouts of ours, and how many calendar entries of those."""
        ours = {str(raw["workoutId"]) for raw in self.workouts()}
        return len(ours), sum(str(workout_id) in ours for workout_id, _ in self.calendar())

    def behaves(self, fault: str, route: str = "") -> None:
        """Switch a fault, of one route alone where it is named; an empty text heals all."""
        box = self.box
        if fault:
            box.set_fault(self.email, fault, on=route)
            return
        for switched in box.faults():
            box.set_fault(switched["account"], "", on=switched["route"])

    def when(self, route: str, act: Callable[[], object]) -> None:
        """Do something else once this route has acted, before its answer goes back."""
        box = self.box
        after = box._after

        def acting(fault: Fault, entry: Route, answer: Answer) -> Answer:
            if f"{entry.method} {entry.label}" == route:
                box._after = after  # type: ignore[method-assign]
                act()
                database.close()
            return after(fault, entry, answer)

        box._after = acting  # type: ignore[method-assign]

    @contextmanager
    def losing(self, fault: str, route: str) -> Iterator[None]:
        """What this route answers within the block does not get through."""
        if fault == HELD:
            with self.holding(route, acts_first=True):
                yield
        else:
            self.behaves(fault, route)
            yield
            self.behaves("")

    @contextmanager
    def holding(self, route: str, *, acts_first: bool) -> Iterator[None]:
        """The next request of this route is answered when the block ends, and only then acted upon unless it was."""
        box, leave, handle = self.box, threading.Event(), self.box._handle

        def handling(entry: Route, request: Request) -> Answer:
            if f"{entry.method} {entry.label}" != route:
                return handle(entry, request)
            box._handle = handle  # type: ignore[method-assign]
            answer = handle(entry, request) if acts_first else None
            leave.wait(PATIENCE_S)
            return answer or handle(entry, request)

        box._handle = handling  # type: ignore[method-assign]
        try:
            yield
        finally:
            leave.set()

    def delete(self, workout_id: str) -> None:
        self.box.change(self.email, "delete", workout_id, "")

    def calls(self, *labels: str) -> int:
        box = self.box
        return sum(box.count(label, self.email) for label in labels) if labels else len(box.calls)


def connect(user: User, garmin: RunningSandbox, provider: Provider, email: str) -> Connection:
    """Connected as after a login: the sandbox's own tokens, sealed."""
    person = garmin["garmin"].state.people[email]  # type: ignore[attr-defined]
    connection = Connection.objects.create(
        user=user, provider=provider, status="active", external_account_id=str(person["profile"]), delivers=True
    )
    tokens = garmin["garmin"].state.grant(email, "GARMIN_CONNECT_MOBILE_ANDROID_DI_2025Q2")  # type: ignore[attr-defined]
    secrets = {
        "di_token": tokens["access_token"],
        "di_refresh_token": tokens["refresh_token"],
        "di_client_id": "GARMIN_CONNECT_MOBILE_ANDROID_DI_2025Q2",
    }
    ends = datetime.fromtimestamp(timezone.now().timestamp() + tokens["expires_in"], UTC)
    credentials.store(connection, Grant(secrets, ends), kind=Credential.Kind.SESSION)
    return connection


def offer(link: CoachingLink, record: WorkoutRecord | None = None, on: date | None = TUESDAY) -> Share:
    workout = make_workout(link.coach, record)
    assert workout.current is not None
    assert sharing.share_workout(workout.current, targets=[(link, on)], by=link.coach) == 1
    return Share.objects.get(workout=workout, link=link, scheduled_for=on)


def accepted(link: CoachingLink, record: WorkoutRecord | None = None, on: date | None = TUESDAY) -> Delivery:
    delivery = sharing.accept(offer(link, record, on), by=link.athlete)
    assert delivery is not None
    return delivery


def due_now(delivery: Delivery) -> Delivery:
    """Its wait is over, and the pause that the provider asked for."""
    Redis.from_url(settings.REDIS_URL).flushdb()
    Delivery.objects.filter(pk=delivery.pk).update(next_attempt_at=timezone.now())
    delivery.refresh_from_db()
    return delivery


def run(delivery: Delivery) -> Delivery:
    """One run of its task, as if it were due."""
    due_now(delivery)
    sending.deliver(delivery.pk)
    delivery.refresh_from_db()
    return delivery


def in_parallel[T](times: int, work: Callable[[], T]) -> list[T]:
    def one() -> T:
        try:
            return work()
        finally:
            database.close()

    with ThreadPoolExecutor(times) as pool:
        return [future.result() for future in [pool.submit(one) for _ in range(times)]]
