"""How near to the plan a session was: what it planned, what was done of it, and the coach's word for it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from django.utils.translation import gettext_noop

from accounts.models import User
from coaching.charts import played
from coaching.models import Activity, ComplianceBands, Match, WorkoutRevision
from integrations.records import EndKind

MEASURED = frozenset({EndKind.TIME, EndKind.DISTANCE})
PAST_ALL = 999  # percent: more says nothing any more


@dataclass(frozen=True, slots=True)
class Bands:
    """In percent of the plan, both ends within. TrainingPeaks' habit is the default: 80–120, and 50–150 around it."""

    near_from: int = 50
    on_from: int = 80
    on_to: int = 120
    near_to: int = 150


@dataclass(frozen=True, slots=True)
class Verdict:
    """`word` is in English for the catalogue, `shape` the icon's name: no page tells it by colour alone."""

    code: str  # "on", "near" or "off"
    word: str
    shape: str


ON = Verdict("on", gettext_noop("On target"), "circle-check")
NEAR = Verdict("near", gettext_noop("Near it"), "circle-dot")
OFF = Verdict("off", gettext_noop("Off target"), "circle-alert")
USUAL = Bands()


def verdict(percent: int | None, bands: Bands = USUAL) -> Verdict | None:
    """None where nothing was planned that could be compared."""
    if percent is None:
        return None
    if bands.on_from <= percent <= bands.on_to:
        return ON
    return NEAR if bands.near_from <= percent <= bands.near_to else OFF


def planned_of(revision: WorkoutRevision) -> tuple[str, float] | None:
    """(basis, seconds or metres): by time where the plan has one, else by distance; None for open workouts."""
    if revision.duration_s and not (revision.distance_m and _is_by_distance(revision)):
        return Match.Basis.DURATION, float(revision.duration_s)
    return (Match.Basis.DISTANCE, float(revision.distance_m)) if revision.distance_m else None


def done_of(activity: Activity, basis: str) -> float | None:
    """In the unit of the basis; None where the source does not say."""
    return {
        Match.Basis.DURATION: activity.duration_s,
        Match.Basis.DISTANCE: activity.distance_m,
        Match.Basis.LOAD: activity.load,
    }[Match.Basis(basis)]


def measure(revision: WorkoutRevision, activity: Activity) -> dict[str, float | int | str | None]:
    """The columns of a Match that say how much of the plan was done."""
    planned = planned_of(revision)
    if planned is None:
        return {"basis": "", "planned": None, "done": None, "percent": None}
    basis, wanted = planned
    done = done_of(activity, basis)
    percent = None if done is None else min(PAST_ALL, round(100 * done / wanted))
    return {"basis": basis, "planned": wanted, "done": done, "percent": percent}


def bands_of(coach_ids: Iterable[int]) -> Mapping[int, Bands]:
    """By coach; who set none has the usual ones."""
    ids = set(coach_ids)
    chosen = {row.coach_id: _bands(row) for row in ComplianceBands.objects.filter(coach__in=ids)}
    return {pk: chosen.get(pk, USUAL) for pk in ids}


def bands_with(coaches: Iterable[User]) -> Mapping[int, Bands]:
    """As `bands_of`, of coaches that were read together with their bands: no query."""
    rows = {coach.pk: getattr(coach, "compliance_bands", None) for coach in coaches}
    return {pk: _bands(row) if row else USUAL for pk, row in rows.items()}


def _bands(row: ComplianceBands) -> Bands:
    return Bands(row.near_from, row.on_from, row.on_to, row.near_to)


def _is_by_distance(revision: WorkoutRevision) -> bool:
    """Whether most of its steps, as often as each is done, end by distance: the time of such a plan is an estimate."""
    ends = [step.end.kind for step, _ in played(revision.record) if step.end.kind in MEASURED]
    return ends.count(EndKind.DISTANCE) > len(ends) / 2
