"""The same activity told by two sources: found, merged where the evidence is strong, else for the athlete to say.

Nothing is deleted: what is merged or hidden comes back by one click.
"""

from collections.abc import Collection, Iterable, Sequence
from datetime import date, timedelta

from django.db import transaction
from django.db.models import F, Q
from django.db.models.functions import Now

from accounts import audit
from accounts.models import User
from coaching import policies, totals
from coaching.families import family_of
from coaching.models import FILE, Activity, DuplicatePair
from coaching.services import matching
from integrations import errors

CLOSE = timedelta(seconds=120)
ALIKE = 0.05  # of the longer one's duration
State = DuplicatePair.State


@transaction.atomic
def find(athlete_id: int, activity_ids: Collection[int]) -> set[date]:
    """Pairs of these activities with others, as they stand now. Returns the days whose sums changed.

    Safe to run twice: what a person decided is left alone.
    """
    told = Activity.objects.filter(athlete=athlete_id, pk__in=activity_ids, gone_at=None).order_by("pk")
    pairs = {_key(one, other): (one, other) for one in told for other in _like(one)}
    changed = _take_back(athlete_id, activity_ids, pairs.keys())
    rows = [DuplicatePair(athlete_id=athlete_id, first_id=first, second_id=second) for first, second in sorted(pairs)]
    DuplicatePair.objects.bulk_create(rows, ignore_conflicts=True)
    for row in DuplicatePair.objects.filter(athlete=athlete_id, state=State.OPEN, first__in=[r.first_id for r in rows]):
        pair = pairs.get((row.first_id, row.second_id))
        if pair and _is_the_same(*pair) and may_merge(*pair):
            changed |= _merge(row, *pair)
    return changed


def may_merge(one: Activity, other: Activity) -> bool:
    """Some providers' terms forbid that their data is put together with others'."""
    return not {one.source, other.source} & policies.standing().unmerged


@transaction.atomic
def merge(pair: DuplicatePair, *, by: User) -> bool:
    """The athlete says they are one. ValidationError where a provider's terms forbid it. False: decided already."""
    pair = _locked(pair)
    if pair.state != State.OPEN:
        return False
    if not may_merge(pair.first, pair.second):
        raise errors.ValidationError("A provider's terms do not allow to merge these. Hide one.", code="may_not_merge")
    _after(pair, _merge(pair, pair.first, pair.second, by=by), "activity.merged", by)
    return True


@transaction.atomic
def keep_both(pair: DuplicatePair, *, by: User) -> bool:
    """They are two. False: decided already."""
    pair = _locked(pair)
    if pair.state != State.OPEN:
        return False
    _decide(pair, State.KEPT, by)
    audit.record("activity.kept_both", pair, actor=by)
    return True


@transaction.atomic
def hide(pair: DuplicatePair, activity: Activity, *, by: User) -> bool:
    """One of the two counts no more. False: decided already."""
    pair = _locked(pair)
    if pair.state != State.OPEN or activity.pk not in {pair.first_id, pair.second_id}:
        return False
    Activity.objects.filter(pk=activity.pk).update(hidden_at=Now(), updated_at=Now())
    _decide(pair, State.HIDDEN, by)
    _after(pair, {activity.day}, "activity.hidden", by)
    return True


@transaction.atomic
def undo(pair: DuplicatePair, *, by: User) -> bool:
    """As it was found: both count, and the athlete may decide anew. False: nothing was decided."""
    pair = _locked(pair)
    if pair.state == State.OPEN:
        return False
    both = [pair.first, pair.second]
    ids = [activity.pk for activity in both]
    Activity.objects.filter(pk__in=ids, merged_into__in=ids).update(merged_into=None, updated_at=Now())
    if pair.state == State.HIDDEN:
        Activity.objects.filter(pk__in=ids).update(hidden_at=None, updated_at=Now())
    DuplicatePair.objects.filter(pk=pair.pk).update(state=State.KEPT, decided_at=Now(), decided_by=by)
    _after(pair, {activity.day for activity in both}, "activity.separated", by)
    return True


def _like(one: Activity) -> Iterable[Activity]:
    """Of another source, or two files: the same sport family, begun within two minutes, as long within 5 %."""
    near = Activity.objects.filter(
        athlete=one.athlete_id, gone_at=None, started_at__range=(one.started_at - CLOSE, one.started_at + CLOSE)
    ).exclude(pk=one.pk)
    elsewhere = near if one.source == FILE else near.exclude(source=one.source)
    return [other for other in elsewhere.order_by("pk") if _is_alike(one, other)]


def _is_alike(one: Activity, other: Activity) -> bool:
    longer, shorter = sorted([one.duration_s, other.duration_s], reverse=True)
    return family_of(one.sport) == family_of(other.sport) and longer - shorter <= ALIKE * longer


def _is_the_same(one: Activity, other: Activity) -> bool:
    """The same file, or the same device at the same second."""
    same_file = bool(one.file_hash) and one.file_hash == other.file_hash
    same_device = bool(one.device) and one.device == other.device and one.started_at == other.started_at
    return same_file or same_device


def _key(one: Activity, other: Activity) -> tuple[int, int]:
    return (one.pk, other.pk) if one.pk < other.pk else (other.pk, one.pk)


def _take_back(athlete_id: int, ids: Collection[int], pairs: Collection[tuple[int, int]]) -> set[date]:
    """Pairs that nobody decided and that are none any more: one was edited, or is gone."""
    undecided = DuplicatePair.objects.filter(
        Q(first__in=ids) | Q(second__in=ids), athlete=athlete_id, decided_by=None, state__in=[State.OPEN, State.MERGED]
    ).select_related("first", "second")
    over = [pair for pair in undecided if (pair.first_id, pair.second_id) not in pairs]
    both = [activity for pair in over for activity in (pair.first, pair.second)]
    apart = Activity.objects.filter(pk__in=[activity.pk for activity in both], merged_into__isnull=False)
    apart = apart.filter(merged_into__in=[activity.pk for activity in both])
    days = set(apart.values_list("day", flat=True))
    apart.update(merged_into=None, updated_at=Now())
    DuplicatePair.objects.filter(pk__in=[pair.pk for pair in over]).delete()
    return days


def _merge(pair: DuplicatePair, one: Activity, other: Activity, *, by: User | None = None) -> set[date]:
    """Which one stays does not depend on which came first."""
    stays, goes = sorted([one, other], key=_rank)
    merged = Activity.objects.filter(Q(pk=goes.pk) | Q(merged_into=goes.pk)).exclude(pk=stays.pk)
    merged.update(merged_into=stays, updated_at=Now())
    _decide(pair, State.MERGED, by)
    return {stays.day, goes.day}


def _rank(activity: Activity) -> tuple[object, ...]:
    """First what the plan is linked to, then what a provider tells; a file last."""
    return (not activity.workout_id, activity.source == FILE, activity.source, activity.external_id)


def _decide(pair: DuplicatePair, state: str, by: User | None) -> None:
    DuplicatePair.objects.filter(pk=pair.pk).update(state=state, decided_at=Now(), decided_by=by)


def _after(pair: DuplicatePair, days: set[date], action: str, by: User) -> None:
    audit.record(action, pair, actor=by)
    totals.refresh((pair.athlete_id, day) for day in days)
    matching.match_days(pair.athlete_id, days)


def _locked(pair: DuplicatePair) -> DuplicatePair:
    rows = DuplicatePair.objects.select_for_update(of=("self",), no_key=True).select_related("first", "second")
    return rows.get(pk=pair.pk)


def open_pairs(athlete: User) -> Sequence[DuplicatePair]:
    """What waits for the athlete, the newest activities first."""
    rows = DuplicatePair.objects.filter(athlete=athlete, state=State.OPEN).select_related("first", "second")
    live = Q(first__gone_at=None, second__gone_at=None, first__hidden_at=None, second__hidden_at=None)
    return list(
        rows.filter(live, first__merged_into=None, second__merged_into=None).order_by(
            F("first__started_at").desc(), "-pk"
        )
    )
