"""Daily totals: sums of what counts, rewritten in the transaction that changes it."""

from collections.abc import Iterable
from datetime import date

from django.db import connection

LOCKS = 5_417  # the first half of our advisory locks, the athlete's id is the second

# Day by day over the index of days: a join over all of them may become a scan of everybody's history.
_SUMS = """
WITH touched AS (
    SELECT * FROM unnest(%(athletes)s::bigint[], %(days)s::date[]) AS t(athlete_id, day)
), sums AS (
    SELECT t.athlete_id, t.day, found.* FROM touched t CROSS JOIN LATERAL (
        SELECT a.source, a.sport, count(*) AS n, sum(a.duration_s) AS duration_s,
               coalesce(sum(a.distance_m), 0) AS distance_m, coalesce(sum(a.load), 0) AS load
        FROM coaching_activity a
        WHERE a.athlete_id = t.athlete_id AND a.day = t.day
            AND a.gone_at IS NULL AND a.hidden_at IS NULL AND a.merged_into_id IS NULL
        GROUP BY a.source, a.sport) found
), emptied AS (
    DELETE FROM coaching_dailytotal d USING touched t
    WHERE d.athlete_id = t.athlete_id AND d.day = t.day AND NOT EXISTS (
        SELECT 1 FROM sums s WHERE s.athlete_id = d.athlete_id AND s.day = d.day
            AND s.source = d.source AND s.sport = d.sport)
)
INSERT INTO coaching_dailytotal AS d (athlete_id, day, source, sport, activities_n, duration_s, distance_m, load)
SELECT * FROM sums ORDER BY athlete_id, day, source, sport
ON CONFLICT (athlete_id, day, source, sport) DO UPDATE SET
    activities_n = EXCLUDED.activities_n, duration_s = EXCLUDED.duration_s,
    distance_m = EXCLUDED.distance_m, load = EXCLUDED.load
WHERE (d.activities_n, d.duration_s, d.distance_m, d.load)
    IS DISTINCT FROM (EXCLUDED.activities_n, EXCLUDED.duration_s, EXCLUDED.distance_m, EXCLUDED.load)
"""


def refresh(days: Iterable[tuple[int, date]]) -> None:
    """Rewrite the totals of these (athlete's id, day), in the caller's transaction, after its last change.

    Transactions on one athlete take turns from here to their commit, so that each one counts what the others did.
    Whoever changes activities does that first and calls this once: in that order nobody waits for anybody in a circle.
    """
    touched = sorted(set(days))
    if not touched:
        return
    with connection.cursor() as cursor:
        for athlete in sorted({athlete for athlete, _ in touched}):
            cursor.execute("SELECT pg_advisory_xact_lock(%s, %s)", [LOCKS, athlete % 2**31])
        cursor.execute(_SUMS, {"athletes": [athlete for athlete, _ in touched], "days": [day for _, day in touched]})
