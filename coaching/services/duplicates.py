"""The same activity told by two sources: found, merged where the evidence is strong, else for the athlete to say.

Nothing is deleted: what is merged or hidden comes back by one click.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import date, timedelta

from django.db import transaction
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.translation import gettext

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
    """Bring the pairs of these activities, and what is merged, up to date. Returns the days whose sums changed.

    What comes out follows from the rows and the athlete's decisions alone, in whatever order they came. Safe to run
    twice, in parallel too.
    """
    matching.take_turn(athlete_id)
    rows, alike = _around(athlete_id, activity_ids)
    pairs = _settled(athlete_id, rows, alike)
    merged, apart = set(), set()
    for key, pair in pairs.items():
        if pair.state == State.MERGED and _both_live(rows, key) and may_merge(*_of(rows, key)):
            merged.add(key)
        elif pair.decided_by_id:
            apart.add(key)
    return _put_together(rows, _groups(rows, merged, apart))


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
        raise errors.ValidationError(
            gettext("A provider's terms do not allow to merge these. Hide one."), code="may_not_merge"
        )
    _decide(pair, State.MERGED, by, "activity.merged")
    return True


@transaction.atomic
def keep_both(pair: DuplicatePair, *, by: User) -> bool:
    """They are two. False: decided already."""
    pair = _locked(pair)
    if pair.state != State.OPEN:
        return False
    _decide(pair, State.KEPT, by, "activity.kept_both")
    return True


@transaction.atomic
def hide(pair: DuplicatePair, activity: Activity, *, by: User) -> bool:
    """One of the two counts no more. False: decided already."""
    pair = _locked(pair)
    if pair.state != State.OPEN or activity.pk not in {pair.first_id, pair.second_id}:
        return False
    Activity.objects.filter(pk=activity.pk).update(hidden_at=Now(), updated_at=Now())
    _decide(pair, State.HIDDEN, by, "activity.hidden")
    return True


@transaction.atomic
def undo(pair: DuplicatePair, *, by: User) -> bool:
    """As it was found: both count, and the athlete may decide anew. False: nothing was decided."""
    pair = _locked(pair)
    if pair.state == State.OPEN:
        return False
    if pair.state == State.HIDDEN:
        Activity.objects.filter(pk__in=[pair.first_id, pair.second_id]).update(hidden_at=None, updated_at=Now())
    _decide(pair, State.OPEN, by, "activity.separated")  # by a person: it is not merged by itself again
    return True


def _around(athlete_id: int, ids: Collection[int]) -> tuple[dict[int, Activity], set[tuple[int, int]]]:
    """These activities with all that hangs on them by a pair, stored or not yet; and the pairs that are alike now."""
    rows: dict[int, Activity] = {}
    alike: set[tuple[int, int]] = set()
    ahead = set(ids)
    while ahead:
        come = Activity.objects.filter(athlete=athlete_id, pk__in=ahead)
        rows |= {row.pk: row for row in come}
        found = {_key(one, other) for one in come if one.gone_at is None for other in _like(one)}
        touching = Q(first__in=ahead) | Q(second__in=ahead)
        stored = DuplicatePair.objects.filter(touching, athlete=athlete_id).values_list("first_id", "second_id")
        alike |= found
        ahead = {pk for key in (*found, *stored) for pk in key} - rows.keys()
    return rows, alike


def _settled(
    athlete_id: int, rows: Mapping[int, Activity], alike: Collection[tuple[int, int]]
) -> dict[tuple[int, int], DuplicatePair]:
    """The pairs as they are from now on: a person's as decided, the others as the evidence says."""
    stored = DuplicatePair.objects.filter(athlete=athlete_id, first__in=rows, second__in=rows)
    pairs = {(pair.first_id, pair.second_id): pair for pair in stored}
    over = [pair.pk for key, pair in pairs.items() if not pair.decided_by_id and key not in alike]
    DuplicatePair.objects.filter(pk__in=over).delete()
    kept = {key: pair for key, pair in pairs.items() if pair.pk not in over}
    for key in sorted(alike):
        first, second = key
        pair = kept.setdefault(key, DuplicatePair(athlete_id=athlete_id, first_id=first, second_id=second))
        state = State.MERGED if _is_the_same(rows[first], rows[second]) and may_merge(*_of(rows, key)) else State.OPEN
        if not pair.decided_by_id and (pair.pk is None or pair.state != state):
            pair.state, pair.decided_at = state, timezone.now() if state == State.MERGED else None
            pair.save()
    return kept


def _groups(
    rows: Mapping[int, Activity], merged: Collection[tuple[int, int]], apart: Collection[tuple[int, int]]
) -> dict[int, int]:
    """By activity the one that it counts as. What a person keeps apart comes together by no detour."""
    group = {pk: {pk} for pk in rows}
    for key in sorted(merged, key=lambda key: sorted(_rank(row) for row in _of(rows, key))):
        one, other = (group[pk] for pk in key)
        if one is other or any(tuple(sorted((a, b))) in apart for a in one for b in other):
            continue
        one |= other
        group |= dict.fromkeys(other, one)
    return {pk: min(members, key=lambda each: _rank(rows[each])) for pk, members in group.items()}


def _put_together(rows: Mapping[int, Activity], stays: Mapping[int, int]) -> set[date]:
    """Write what differs. Returns the days that it changes."""
    wanted = {pk: None if stays[pk] == pk else stays[pk] for pk in rows}
    differ = sorted(pk for pk, row in rows.items() if row.merged_into_id != wanted[pk])
    taken = Activity.objects.filter(pk__in=differ).order_by("external_id", "pk")  # in everybody's order
    list(taken.select_for_update(no_key=True, of=("self",)).values_list("pk"))
    for pk in differ:
        Activity.objects.filter(pk=pk).update(merged_into=wanted[pk], updated_at=Now())
    matching.follow({pk: into for pk in differ if (into := wanted[pk])})
    return {rows[each].day for pk in differ for each in (pk, stays[pk])}


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


def _of(rows: Mapping[int, Activity], key: tuple[int, int]) -> tuple[Activity, Activity]:
    return rows[key[0]], rows[key[1]]


def _both_live(rows: Mapping[int, Activity], key: tuple[int, int]) -> bool:
    return all(row.gone_at is None for row in _of(rows, key))


def _rank(activity: Activity) -> tuple[object, ...]:
    """First what the plan is linked to, then what a provider tells; a file last."""
    return (not activity.workout_id, activity.source == FILE, activity.source, activity.external_id)


def _decide(pair: DuplicatePair, state: str, by: User, action: str) -> None:
    """Write a person's decision down and do what follows from it."""
    DuplicatePair.objects.filter(pk=pair.pk).update(state=state, decided_at=Now(), decided_by=by)
    audit.record(action, pair, actor=by)
    both = {pair.first_id: pair.first.day, pair.second_id: pair.second.day}
    days = find(pair.athlete_id, both) | set(both.values())
    totals.refresh((pair.athlete_id, day) for day in days)
    matching.match_days(pair.athlete_id, days)


def _locked(pair: DuplicatePair) -> DuplicatePair:
    """As it stands now that it is our turn."""
    matching.take_turn(pair.athlete_id)
    return DuplicatePair.objects.select_related("first", "second").get(pk=pair.pk)


def open_pairs(athlete: User) -> Sequence[DuplicatePair]:
    """What waits for the athlete, the newest activities first."""
    rows = DuplicatePair.objects.filter(athlete=athlete, state=State.OPEN).select_related("first", "second")
    live = Q(first__gone_at=None, second__gone_at=None, first__hidden_at=None, second__hidden_at=None)
    return list(
        rows.filter(live, first__merged_into=None, second__merged_into=None).order_by(
            F("first__started_at").desc(), "-pk"
        )
    )
