"""Whatever comes, and in whatever order: the same matches, the same pairs, the same sums in the end."""

import random
from collections.abc import Callable, Sequence
from datetime import time, timedelta
from functools import partial
from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone

from accounts.models import User
from coaching import activity_sink
from coaching.activity_sink import Origin
from coaching.models import Activity, CoachingLink, DailyTotal, Delivery, DuplicatePair, Match, Share
from coaching.services import matching
from integrations import events
from integrations.models import Connection, DomainEvent, Provider
from integrations.records import Sport
from tests.coaching.doings import DAY, dispatch, gone, plan, record

pytestmark = pytest.mark.django_db

NEXT = DAY + timedelta(days=1)
SOURCES = ("garmin", "garmin", "file", "partner", "strava")
Step = Callable[[], object]

Life = tuple[str, list[dict[str, Any]], bool]  # its source, what was told of it, and whether it is deleted in the end
SAMPLE = range(8)  # in every run; `make soak` takes all
EVERY = range(60)

TELLINGS: dict[str, list[Any]] = {  # alike more often than not: two sources tell of the same
    "day": [*[DAY] * 4, NEXT],
    "at": [*[time(6)] * 4, time(6, 1), time(6, 3)],
    "duration_s": [*[1800.0] * 3, 1860.0, 3600.0],
    "sport": [*[Sport.RUNNING] * 6, Sport.CYCLING],
    "device": [*["99"] * 4, ""],
    "workout_id": ["", "", "77", "78"],
}


class Undone(Exception):
    """Ends an example, and takes back what it stored."""


@pytest.fixture
def account(athlete: User, garmin_provider: Provider) -> Connection:
    return Connection.objects.create(
        user=athlete, provider=garmin_provider, status="active", external_account_id="1", delivers=True
    )


@pytest.fixture
def shares(link: CoachingLink, account: Connection) -> list[Share]:
    """Three plans of two days, two of them with a copy in the account."""
    found = [plan(link), plan(link, minutes=60), plan(link, NEXT)]
    for share, remote_id in zip(found, ["77", "", "78"], strict=True):
        if remote_id:
            Delivery.objects.create(
                share=share, connection=account, revision=share.revision, marker=remote_id.rjust(10, "x"),
                status="delivered", remote_workout_id=remote_id, delivered_at=timezone.now(),
            )  # fmt: skip
    return found


def outcome(athlete: User, shares: Sequence[Share]) -> dict[str, Any]:
    names = {row.pk: (row.source, row.external_id) for row in Activity.objects.filter(athlete=athlete)}
    numbers = {share.pk: number for number, share in enumerate(shares)}
    matches = Match.objects.exclude(activity=None)
    totals = DailyTotal.objects.filter(athlete=athlete)
    return {
        "matches": {(numbers[m.share_id], names[m.activity_id or 0], m.how, m.percent) for m in matches},
        "pairs": {(frozenset((names[p.first_id], names[p.second_id])), p.state) for p in DuplicatePair.objects.all()},
        "merged": {
            (names[row.pk], names[row.merged_into_id or 0]) for row in Activity.objects.exclude(merged_into=None)
        },
        "sums": set(totals.values_list("day", "source", "sport", "activities_n", "duration_s")),
    }  # fmt: skip


def added_up(athlete: User) -> set[tuple[Any, ...]]:
    """The sums as they should be, of what counts, one by one."""
    live = Activity.objects.filter(athlete=athlete, gone_at=None, hidden_at=None, merged_into=None)
    found: dict[tuple[Any, ...], tuple[int, float]] = {}
    for row in live:
        key = (row.day, row.source, row.sport)
        n, seconds = found.get(key, (0, 0.0))
        found[key] = (n + 1, seconds + row.duration_s)
    return {(*key, *sums) for key, sums in found.items()}


def tell(account: Connection, source: str, number: int, told: dict[str, Any], *, at_once: bool) -> None:
    """`at_once` is whether what follows from it is done before the next thing happens."""
    origin = Origin(account.user_id, source, account.pk if source == "garmin" else None)
    activity_sink.store(origin, [record(str(number), **told)])
    if at_once:
        dispatch()


def life_of(rng: random.Random) -> Life:
    """One activity's, as a seed has it."""
    tellings = [{name: rng.choice(values) for name, values in TELLINGS.items()} for _ in range(rng.randint(1, 3))]
    return rng.choice(SOURCES), tellings, rng.random() < 0.2


def told_of(account: Connection, number: int, life: Life, rng: random.Random) -> list[Step]:
    """The life of one activity: told, told again, edited, deleted, and perhaps told and deleted once more."""
    source, tellings, is_gone = life
    steps: list[Step] = []
    for told in tellings:
        times = rng.choice([1, 1, 2])
        steps += [lambda told=told: tell(account, source, number, told, at_once=rng.random() < 0.6)] * times  # type: ignore[misc]
        if rng.random() < 0.3:
            steps.append(lambda: gone(account.user, source, str(number)))
            steps.append(lambda told=told: tell(account, source, number, told, at_once=True))  # type: ignore[misc]
    return [*steps, lambda: gone(account.user, source, str(number))] if is_gone else steps


def interleaved(lives: Sequence[list[Step]], rng: random.Random) -> list[Step]:
    """All of them, each in its own order."""
    order = [number for number, steps in enumerate(lives) for _ in steps]
    rng.shuffle(order)
    ahead = [iter(steps) for steps in lives]
    return [next(ahead[number]) for number in order]


def shares_lives(shares: Sequence[Share], rng: random.Random) -> list[list[Step]]:
    """A plan goes and comes back, or moves away and back, while activities come."""

    def change(share: Share, **fields: Any) -> None:
        Share.objects.filter(pk=share.pk).update(**fields)
        was = fields.get("scheduled_for") and {
            "by": share.link.coach_id,
            "on": DAY.isoformat(),
            "was": NEXT.isoformat(),
        }
        events.publish("share.moved" if was else "share.accepted", share, **(was or {}))
        if rng.random() < 0.5:
            dispatch()

    ways: list[list[dict[str, Any]]] = [
        [{"status": "withdrawn"}, {"status": "accepted"}],
        [{"status": "declined"}, {"status": "accepted"}],
        [],
    ]
    lives: list[list[Step]] = [
        [partial(change, share, **fields) for fields in rng.choice(ways)] for share in shares[:2]
    ]
    away: list[Step] = [lambda: change(shares[2], scheduled_for=DAY), lambda: change(shares[2], scheduled_for=NEXT)]
    return [*lives, rng.choice([away, []])]


def ends_with(account: Connection, shares: Sequence[Share], steps: Sequence[Step]) -> dict[str, Any]:
    """What is there after these steps, which are taken back."""
    found: dict[str, Any] = {}
    try:
        with transaction.atomic():
            for step in steps:
                step()
            dispatch()
            assert set(DomainEvent.objects.values_list("status", flat=True)) <= {"done"}
            found = outcome(account.user, shares)
            assert found["sums"] == added_up(account.user)
            again = matching.match_days(account.user_id, [DAY, NEXT])
            assert again == 0, "nothing is left to do"
            raise Undone
    except Undone:
        return found


@pytest.mark.parametrize(
    "seed", [seed if seed in SAMPLE else pytest.param(seed, marks=pytest.mark.soak) for seed in EVERY]
)
def test_every_order_ends_the_same(account: Connection, shares: list[Share], seed: int) -> None:
    """The shortest way tells once what is there in the end."""
    rng = random.Random(seed)
    lives = [life_of(rng) for _ in range(rng.randint(3, 5))]
    short: list[Step] = [
        lambda n=number, life=life: tell(account, life[0], n, life[1][-1], at_once=True)  # type: ignore[misc]
        for number, life in enumerate(lives)
        if not life[2]
    ]
    expected = ends_with(account, shares, short)
    all_lives = [told_of(account, number, life, rng) for number, life in enumerate(lives)]
    assert ends_with(account, shares, interleaved([*all_lives, *shares_lives(shares, rng)], rng)) == expected
