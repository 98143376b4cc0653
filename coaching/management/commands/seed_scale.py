"""`manage.py seed_scale`: a coach with many athletes and years of training, to look at pages and queries at size."""

import sys
import time
from argparse import ArgumentParser
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import connection, transaction
from django.utils import timezone

from accounts.models import User
from coaching.models import Activity, CoachingLink, Group, Scope, Workout
from coaching.services import library
from integrations.records import End, EndKind, Segment, Sport, WorkoutRecord, WorkoutStep

COACH = "scale.coach@example.org"
ATHLETE = "scale.athlete{number}@example.org"
SOURCE = "garmin"
DAYS = 5 * 365
CHUNK = 50_000
BAR = 30
GROUPS = 8
SPORTS = (Sport.RUNNING, Sport.CYCLING, Sport.SWIMMING, Sport.STRENGTH)
PLANNED_WEEKDAYS = [1, 2, 3, 4, 6]  # as PostgreSQL's ISODOW counts; Friday and Sunday are free
PLAN_DAYS = 28  # before today, and as many from it on

# Everything follows from the number of the row, so that two runs make the same history.
_ACTIVITIES = """
WITH made AS (
    SELECT n, (%(athletes)s::bigint[])[1 + n %% %(count)s] AS athlete_id,
           %(today)s::date - (n / %(count)s * %(days)s / greatest(%(a_head)s, 1))::int AS day,
           1800 + (n * 7919) %% 5400 AS duration_s, 120 + (n * 31) %% 50 AS avg_hr, (n * 17) %% 4 AS kind
    FROM generate_series(%(first)s::bigint, %(last)s::bigint - 1) AS n
)
INSERT INTO coaching_activity (
    public_id, athlete_id, source, external_id, sport, name, started_at, utc_offset_s, time_zone, day, duration_s,
    distance_m, avg_hr, max_hr, load, workout_id, device, file_hash, content_hash, generation)
SELECT gen_random_uuid(), athlete_id, %(source)s, 'scale-' || n,
    (ARRAY['running', 'cycling', 'swimming', 'strength'])[1 + kind],
    (ARRAY['Easy run', 'Ride', 'Pool swim', 'Strength'])[1 + kind],
    day + time '06:00' + make_interval(mins => (n * 13 %% 900)::int), 0, '', day, duration_s,
    duration_s * (ARRAY[3.0, 8.0, 0.9, 0.0])[1 + kind], avg_hr, avg_hr + 30,
    round((duration_s / 36.0 * (avg_hr / 165.0) ^ 2)::numeric, 1), '', '', '', 'scale-' || n, 0
FROM made ON CONFLICT DO NOTHING
"""
_TOTALS = """
INSERT INTO coaching_dailytotal (athlete_id, day, source, sport, activities_n, duration_s, distance_m, load)
SELECT athlete_id, day, source, sport, count(*), sum(duration_s), coalesce(sum(distance_m), 0), coalesce(sum(load), 0)
FROM coaching_activity WHERE athlete_id = ANY(%(athletes)s)
    AND gone_at IS NULL AND hidden_at IS NULL AND merged_into_id IS NULL
GROUP BY athlete_id, day, source, sport
ON CONFLICT (athlete_id, day, source, sport) DO UPDATE SET activities_n = EXCLUDED.activities_n,
    duration_s = EXCLUDED.duration_s, distance_m = EXCLUDED.distance_m, load = EXCLUDED.load
"""

# One planned session an athlete and day; what lies before today was answered, the rest partly waits.
_PLANS = """
INSERT INTO coaching_share (public_id, link_id, workout_id, revision_id, status, message, scheduled_for, created_at)
SELECT gen_random_uuid(), links.id, workouts.id, workouts.current_id,
    CASE WHEN day >= %(today)s::date AND (links.id + day_n) %% 7 = 0 THEN 'offered' ELSE 'accepted' END, '', day, now()
FROM coaching_coachinglink AS links
CROSS JOIN generate_series(-%(days)s::int, %(days)s::int - 1) AS day_n
CROSS JOIN LATERAL (SELECT %(today)s::date + day_n AS day) AS days
JOIN (SELECT id, current_id, row_number() OVER (ORDER BY id) - 1 AS place FROM coaching_workout
      WHERE id = ANY(%(workouts)s)) AS workouts
    ON workouts.place = (links.id + (day - date '2000-01-01')) %% %(count)s
WHERE links.coach_id = %(coach)s AND links.status = 'active' AND extract(isodow FROM day) = ANY(%(weekdays)s)
ON CONFLICT DO NOTHING
"""
# The first activity of a planned day is what was planned; the rest of the past was missed.
_MATCHES = """
INSERT INTO coaching_match (share_id, activity_id, how, basis, planned, done, percent)
SELECT DISTINCT ON (share.id) share.id, activity.id, 'day', 'duration', revision.duration_s, activity.duration_s,
    least(999, round(100 * activity.duration_s / revision.duration_s))
FROM coaching_share AS share
JOIN coaching_coachinglink AS link ON link.id = share.link_id AND link.coach_id = %(coach)s
JOIN coaching_workoutrevision AS revision ON revision.id = share.revision_id
JOIN coaching_activity AS activity ON activity.athlete_id = link.athlete_id AND activity.day = share.scheduled_for
WHERE share.status = 'accepted' ORDER BY share.id, activity.id
ON CONFLICT DO NOTHING
"""


class Command(BaseCommand):
    help = "Make a coach with many athletes and their history, in the demo or for development. Safe to run again."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--athletes", type=int, default=200)
        parser.add_argument("--activities", type=int, default=1_000_000, help="of all athletes together")
        parser.add_argument("--days", type=int, default=DAYS, help="that they are spread over")

    def handle(self, *_: Any, athletes: int, activities: int, days: int, **__: Any) -> None:
        if not (settings.DEMO or settings.TESTING or settings.DEBUG):
            raise CommandError("This makes people up: it runs in the demo and in development only.")
        if athletes < 1 or activities < 0 or days < 1:
            raise CommandError("At least one athlete and one day are needed, and not less than no activities.")
        started = time.monotonic()
        coach, ids = self._people(athletes)
        self._history(ids, activities, days)
        self._sums(ids)
        self._plans(coach)
        made = Activity.objects.filter(athlete__in=ids).count()
        took = time.monotonic() - started
        self.stdout.write(f"{coach.email} trains {athletes:,} athletes with {made:,} activities, made in {took:.0f} s.")

    @transaction.atomic
    def _people(self, athletes: int) -> tuple[User, list[int]]:
        """They cannot log in by a password: the demo's page of logins, or a test, lets one in."""
        now = timezone.now()
        coach, _ = User.objects.get_or_create(
            email=COACH, defaults={"display_name": "Scale Coach", "coaching_since": now, "password": "!"}
        )
        rows = [
            User(email=ATHLETE.format(number=number), display_name=f"Athlete {number:04}", password="!")
            for number in range(athletes)
        ]
        User.objects.bulk_create(rows, ignore_conflicts=True)
        emails = [row.email for row in rows]
        ids = list(User.objects.filter(email__in=emails).order_by("pk").values_list("pk", flat=True))
        scopes = [str(scope) for scope in Scope]
        links = [CoachingLink(coach=coach, athlete_id=pk, scopes=scopes) for pk in ids]
        CoachingLink.objects.bulk_create(links, ignore_conflicts=True)
        return coach, ids

    def _history(self, ids: list[int], activities: int, days: int) -> None:
        values: dict[str, Any] = {
            "athletes": ids, "count": len(ids), "days": days, "a_head": activities // len(ids), "source": SOURCE,
            "today": timezone.now().date() - timedelta(days=1),
        }  # fmt: skip
        for first in range(0, activities, CHUNK):
            last = min(first + CHUNK, activities)
            with connection.cursor() as cursor:
                cursor.execute(_ACTIVITIES, {**values, "first": first, "last": last})
            self._show(last, activities)

    def _sums(self, ids: list[int]) -> None:
        with connection.cursor() as cursor:
            cursor.execute(_TOTALS, {"athletes": ids})
            cursor.execute("ANALYZE coaching_activity, coaching_dailytotal")

    @transaction.atomic
    def _plans(self, coach: User) -> None:
        """Five sessions an athlete and week, four weeks back and four ahead, with what was done of them; and groups."""
        own = Workout.objects.filter(owner=coach)
        if not own.exists():
            for number in range(len(SPORTS) * 3):
                library.create(coach, _workout(number))
        values: dict[str, Any] = {
            "coach": coach.pk, "today": timezone.now().date(), "days": PLAN_DAYS, "weekdays": PLANNED_WEEKDAYS,
            "workouts": list(own.values_list("pk", flat=True)), "count": own.count(),
        }  # fmt: skip
        with connection.cursor() as cursor:
            cursor.execute(_PLANS, values)
            cursor.execute(_MATCHES, values)
            cursor.execute("ANALYZE coaching_share, coaching_match, coaching_coachinglink, accounts_user")
        links = list(CoachingLink.objects.active_for_coach(coach).order_by("pk"))
        for number in range(GROUPS):
            group, _ = Group.objects.get_or_create(coach=coach, name=f"Group {number + 1}")
            group.members.set(links[number::GROUPS])

    def _show(self, done: int, of: int) -> None:
        """A bar that moves where somebody watches, nothing in a log."""
        if sys.stdout.isatty():
            full = BAR * done // of
            self.stdout.write(f"\r[{'=' * full}{' ' * (BAR - full)}] {done:,} of {of:,}", ending="")
            if done == of:
                self.stdout.write("")
        self.stdout.flush()


def _workout(number: int) -> WorkoutRecord:
    """Warm up, work, cool down; of one of four sports and three lengths."""
    sport, minutes = SPORTS[number % len(SPORTS)], 30 + 30 * (number // len(SPORTS))
    ends = (600, minutes * 60 - 900, 300)
    steps = tuple(WorkoutStep(end=End(kind=EndKind.TIME, value=seconds)) for seconds in ends)
    segment = Segment(sport=sport, steps=steps)
    return WorkoutRecord(name=f"{sport.capitalize()}, {minutes} min", sport=sport, segments=(segment,))
