"""Pages of activities without a count: the next one begins behind the last row of this one."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from django.db.models import Q

from coaching.models import Activity
from coaching.models.activity import ActivityQuerySet

SIZE = 30
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MARK = re.compile(r"(\d{1,17})-(\d{1,18})")


@dataclass(frozen=True, slots=True)
class ActivityPage:
    """`after` is the mark of the next page, "" on the last one."""

    rows: list[Activity]
    after: str


def page(found: ActivityQuerySet, mark: str) -> ActivityPage:
    """The rows behind `mark`, newest first; what is no mark means the beginning."""
    if bounds := _bounds(mark):
        at, pk = bounds
        found = found.filter(Q(started_at__lt=at) | Q(started_at=at, pk__lt=pk), started_at__lte=at)
    rows = list(found.newest_first().select_related("match__share__revision", "match__share__link")[: SIZE + 1])
    more = len(rows) > SIZE
    return ActivityPage(rows[:SIZE], _mark(rows[SIZE - 1]) if more else "")


def _mark(row: Activity) -> str:
    return f"{(row.started_at - EPOCH) // timedelta(microseconds=1)}-{row.pk}"


def _bounds(mark: str) -> tuple[datetime, int] | None:
    if not (found := _MARK.fullmatch(mark)):
        return None
    try:
        return EPOCH + timedelta(microseconds=int(found[1])), int(found[2])
    except OverflowError:
        return None
