"""What happened in the demo before the visitor came: two weeks of training, the next days' plans, a few notes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from hashlib import sha256

from django.utils import timezone

from accounts.models import User
from coaching import totals
from coaching.load import load_of
from coaching.models import FILE, Activity, CoachingLink, Delivery, DeliveryStatus, Share, ShareStatus, Workout
from coaching.models import WorkoutRevision as Revision
from coaching.services import delivering, grouping, matching, noting
from coaching.weeks import today_of
from integrations.models import Connection, Provider
from integrations.records import End, EndKind, Intensity, Segment, Sport, WorkoutRecord, WorkoutStep

METRES_A_SECOND = 2.8
HEART_RATE = {"easy": 132, "tempo": 161, "long": 139, "hills": 156}
# name, minutes of warming up, of work and of cooling down
WORKOUTS = {
    "easy": ("Easy 40 minutes", 5, 30, 5),
    "tempo": ("Tempo 25 minutes", 15, 25, 10),
    "long": ("Long run 90 minutes", 10, 70, 10),
    "hills": ("Hills by feel", 15, 20, 10),
}


@dataclass(frozen=True, slots=True)
class Story:
    """One athlete's days, counted from his own today: what was planned, and which part of it was done (None: missed).

    `ahead` was accepted, `offered` waits for an answer.
    """

    past: Mapping[int, tuple[str, float | None]]
    ahead: Mapping[int, str]
    offered: Mapping[int, str]
    extra: Sequence[int] = ()  # days with something nobody planned


STORIES = {
    "ada@demo.example": Story(
        {
            -13: ("easy", 1.0),
            -11: ("tempo", 0.95),
            -8: ("long", 1.05),
            -6: ("easy", 1.0),
            -4: ("tempo", 0.7),
            -1: ("long", 1.0),
        },
        {},
        {},
        [-3],
    ),
    "ben@demo.example": Story(
        {
            -12: ("easy", 1.0),
            -10: ("hills", None),
            -7: ("long", 0.6),
            -5: ("easy", None),
            -3: ("tempo", None),
            -1: ("easy", 0.4),
        },
        {0: "easy", 2: "tempo", 9: "long"},
        {},
    ),
    "chen@demo.example": Story(
        {-12: ("easy", 1.1), -9: ("tempo", 1.0), -6: ("long", 0.9), -4: ("easy", 1.0), -2: ("hills", 1.0)},
        {0: "tempo", 1: "easy", 3: "long", 10: "easy"},
        {},
        [0],
    ),
    "dana@demo.example": Story(
        {-11: ("easy", 1.0), -9: ("hills", 1.3), -5: ("tempo", 1.6), -2: ("easy", 1.0)},
        {0: "easy"},
        {1: "hills", 4: "long"},
    ),
    "elif@demo.example": Story({-13: ("easy", None), -10: ("easy", None), -3: ("easy", None)}, {2: "easy"}, {}),
    "finn@demo.example": Story({-12: ("long", 1.0), -9: ("easy", 0.9)}, {5: "long", 12: "long"}, {}),
}
NOTES = (
    ("ada@demo.example", "The tempo on Wednesday felt heavy; I cut it short. Slept badly.", True),
    ("ada@demo.example", "Good decision. Keep the long run easy and tell me how the legs are.", False),
    ("ben@demo.example", "I am travelling this week and can only run in the mornings.", True),
)
GROUPS = {
    "Marathon in spring": ("ada@demo.example", "ben@demo.example", "dana@demo.example"),
    "Beginners": ("elif@demo.example",),
}


def tell(coach: User, links: Mapping[str, CoachingLink]) -> None:
    """Once, for people who are new; what is told is in the past or waits, so nothing is sent anywhere."""
    library = {key: _workout(coach, *parts) for key, parts in WORKOUTS.items()}
    for email, link in links.items():
        _live(link, STORIES[email], library)
    for email, text, by_athlete in NOTES:
        if email in links:
            noting.write(links[email], links[email].athlete if by_athlete else coach, text)
    for name, emails in GROUPS.items():
        grouping.make(coach, name, [links[email] for email in emails if email in links])


def _workout(coach: User, name: str, before: int, work: int, after: int) -> Revision:
    parts = ((Intensity.WARMUP, before), (Intensity.INTERVAL, work), (Intensity.COOLDOWN, after))
    steps = tuple(
        WorkoutStep(intensity=intensity, end=End(kind=EndKind.TIME, value=minutes * 60)) for intensity, minutes in parts
    )
    record = WorkoutRecord(
        name=name,
        sport=Sport.RUNNING,
        segments=(Segment(sport=Sport.RUNNING, steps=steps),),
        description="By feel.",
    )
    workout = Workout.objects.create(owner=coach)
    revision = Revision.objects.create(
        workout=workout, number=1, name=name, sport=record.sport, duration_s=(before + work + after) * 60,
        content=record.content(), content_hash=record.content_hash(),
    )  # fmt: skip
    Workout.objects.filter(pk=workout.pk).update(current=revision)
    return revision


def _live(link: CoachingLink, story: Story, library: Mapping[str, Revision]) -> None:
    today, account = today_of(link.athlete), _earlier_account(link.athlete)
    day = {number: today + timedelta(days=number) for number in range(-14, 15)}
    for number, (key, part) in story.past.items():
        share = _share(link, library[key], day[number], ShareStatus.ACCEPTED)
        _delivered(share, account)
        if part is not None:
            _activity(link.athlete, day[number], key, (library[key].duration_s or 0) * part)
    for number in story.extra:
        _activity(link.athlete, day[number], "easy", 45 * 60, name="Lunch run")
    delivering.begin(
        [_share(link, library[key], day[number], ShareStatus.ACCEPTED) for number, key in story.ahead.items()]
    )
    for number, key in story.offered.items():
        share = _share(link, library[key], day[number], ShareStatus.OFFERED)
        Share.objects.filter(pk=share.pk).update(created_at=timezone.now() - timedelta(days=3))
    touched = [day[number] for number in (*story.past, *story.extra)]
    totals.refresh((link.athlete_id, on) for on in touched)
    matching.match_days(link.athlete_id, touched)


def _share(link: CoachingLink, revision: Revision, on: date, status: ShareStatus) -> Share:
    answered = timezone.now() if status == ShareStatus.ACCEPTED else None
    return Share.objects.create(
        link=link, workout=revision.workout, revision=revision, status=status, scheduled_for=on, responded_at=answered
    )


def _earlier_account(athlete: User) -> Connection:
    """Where the past went; it was disconnected since, and the visitor connects anew."""
    return Connection.objects.create(
        user=athlete, provider=Provider.objects.get(slug="garmin"), status=Connection.Status.DISCONNECTED
    )


def _delivered(share: Share, account: Connection) -> None:
    now = timezone.now()
    Delivery.objects.create(
        share=share, connection=account, revision=share.revision, sent_revision=share.revision,
        status=DeliveryStatus.DELIVERED, remote_workout_id=f"past-{share.pk}", day=share.scheduled_for,
        sent_day=share.scheduled_for, create_sent_at=now, schedule_sent_at=now, delivered_at=now, rechecked_at=now,
    )  # fmt: skip


def _activity(athlete: User, on: date, key: str, duration_s: float, *, name: str = "") -> None:
    """As somebody uploads a file: its source is no provider, so that no sync finds it missing."""
    started = datetime.combine(on, time(7, 15), athlete.zone)
    offset = started.utcoffset() or timedelta()
    rate = HEART_RATE[key]
    Activity.objects.create(
        athlete=athlete, source=FILE, external_id=f"demo-{athlete.pk}-{on}-{key}", sport=Sport.RUNNING,
        name=name or WORKOUTS[key][0], started_at=started, utc_offset_s=int(offset.total_seconds()),
        time_zone=athlete.time_zone, day=on, duration_s=duration_s, distance_m=round(duration_s * METRES_A_SECOND),
        avg_hr=rate, max_hr=rate + 21, load=load_of(duration_s, rate),
        content_hash=sha256(f"{athlete.pk} {on} {key}".encode()).hexdigest(),
    )  # fmt: skip
