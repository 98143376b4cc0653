"""An account that says it works while nothing comes: odd by the athlete's own rhythm, not by a number of days."""

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from django.db import connection, transaction
from django.db.models import Q
from django.db.models.functions import Now

from integrations import events
from integrations.models import Connection, Resource, SyncStream

WEEKS = 8  # that the rhythm is taken from
FEWEST_DAYS = 4  # with something done: below that nobody has a rhythm
TIMES_USUAL = 3
LEAST_DAYS = 4
AGAIN = timedelta(days=7)

_SILENT = """
WITH rhythm AS (
    SELECT s.id, max(d.day) AS last_on, current_date - max(d.day) AS silent_n,
           (max(d.day) - min(d.day))::float / (count(DISTINCT d.day) - 1) AS usual
    FROM integrations_syncstream s
    JOIN integrations_connection c ON c.id = s.connection_id
    JOIN integrations_provider p ON p.id = c.provider_id
    JOIN coaching_dailytotal d ON d.athlete_id = c.user_id AND d.source = p.slug
        AND d.day > current_date - %(days)s AND d.day <= current_date + 1
    WHERE s.resource = %(resource)s AND s.enabled AND s.failures = 0 AND s.last_success_at IS NOT NULL
        AND c.status = %(active)s
    GROUP BY s.id HAVING count(DISTINCT d.day) >= %(fewest)s
)
SELECT id, last_on, silent_n, usual FROM rhythm
WHERE silent_n >= %(least)s AND silent_n > %(times)s * usual ORDER BY id
"""


@dataclass(frozen=True, slots=True)
class Silence:
    """Nothing since `last_on`, `days` ago, from somebody who has something every `usual` days."""

    stream_id: int
    last_on: date
    days: int
    usual: float


def found() -> list[Silence]:
    """Accounts that are suspiciously silent now, in one query."""
    values: dict[str, Any] = {
        "days": WEEKS * 7, "resource": Resource.ACTIVITIES, "active": Connection.Status.ACTIVE,
        "fewest": FEWEST_DAYS, "least": LEAST_DAYS, "times": TIMES_USUAL,
    }  # fmt: skip
    with connection.cursor() as cursor:
        cursor.execute(_SILENT, values)
        return [Silence(*row) for row in cursor.fetchall()]


@transaction.atomic
def tell() -> int:
    """Tell each owner once, then weekly while it lasts; who is heard of again starts anew. Returns how many were told.

    Safe in parallel: the row decides who tells.
    """
    silences = found()
    heard = SyncStream.objects.filter(silent_since__isnull=False).exclude(pk__in=[one.stream_id for one in silences])
    heard.update(silent_since=None, silence_told_at=None)
    return sum(_tell(one) for one in silences)


def _tell(one: Silence) -> bool:
    streams = SyncStream.objects.filter(pk=one.stream_id)
    news = Q(silence_told_at=None) | Q(silence_told_at__lt=Now() - AGAIN) | ~Q(silent_since=one.last_on)
    if not streams.filter(news).update(silent_since=one.last_on, silence_told_at=Now()):
        return False
    stream = streams.select_related("connection").get()
    usual = max(1, round(one.usual))
    events.publish("activities.silent", stream, connection=stream.connection, days=one.days, usual=usual)
    return True
