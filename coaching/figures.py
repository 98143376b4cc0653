"""What a page tells of one activity in words: its start on whose clock, its sums, and who may see it for how long."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.utils.translation import gettext, gettext_noop

from accounts.models import User
from coaching import measures, policies, series_charts
from coaching.models import Activity, CoachingLink, Scope
from coaching.models.activity import FILE
from integrations.models import Provider
from integrations.recent import Recent

NAMES_FRESH_S = 30.0
WITHHELD = gettext_noop("not shared with you")

_names: Recent[str, dict[str, str]] = Recent(NAMES_FRESH_S)


@dataclass(frozen=True, slots=True)
class Figure:
    """A sum with its name. `is_known` is False where `value` says why there is none."""

    name: str
    value: str
    is_known: bool = True


@dataclass(frozen=True, slots=True)
class Start:
    """When it began on the wearer's clock; whose clock that is, where the viewer's shows something else."""

    local: datetime
    zone: str = ""
    viewers: datetime | None = None


def source_name(source: str) -> str:
    if source == FILE:
        return gettext("an uploaded file")
    return _names.get("all", _read_names).get(source, source)


def start_of(activity: Activity, viewer: User) -> Start:
    local, viewers = activity.local_start, activity.started_at.astimezone(viewer.zone)
    if local.utcoffset() == viewers.utcoffset():
        return Start(local)
    return Start(local, activity.time_zone or _offset(activity.utc_offset_s), viewers)


def figures(activity: Activity, viewer: User, *, with_heart_rate: bool) -> list[Figure]:
    """Every sum that an activity may have; what its source does not tell is said so, never shown as 0."""
    source, units = source_name(activity.source), viewer.units
    speed = activity.distance_m / activity.duration_s if activity.distance_m and activity.duration_s else None
    title, unit, write = series_charts.speed_words(activity.sport, units)
    shown = [
        (gettext("Time"), measures.clock(activity.duration_s)),
        (gettext("Distance"), measures.distance(activity.distance_m, units) if activity.distance_m else ""),
        (title, f"{write(speed)} {unit}" if speed else ""),
        (gettext("Ascent"), measures.height(activity.ascent_m, units) if activity.ascent_m is not None else ""),
        (gettext("Energy"), f"{activity.energy_kcal:.0f} kcal" if activity.energy_kcal else ""),
    ]
    if with_heart_rate:  # the load tells the heart rate to who knows the time
        shown.append((gettext("Load"), f"{activity.load:.0f}" if activity.load is not None else ""))
    found = [Figure(name, value) if value else _missing(name, source) for name, value in shown]
    return found + _heart_rates(activity, source, with_heart_rate=with_heart_rate)


def who_sees(source: str, athlete: User) -> list[str]:
    """To the athlete, in plain words: who can see activities of this source, and for how long they stay."""
    return who_sees_each([source], athlete)[source]


def who_sees_each(sources: Sequence[str], athlete: User) -> dict[str, list[str]]:
    """The same of several sources, with one question about his coaches."""
    coaches = _coaches(athlete)
    return {source: _seen_and_kept(source, coaches) for source in sources}


def _seen_and_kept(source: str, coaches: list[str]) -> list[str]:
    standing, name = policies.standing(), source_name(source)
    seen = coaches
    if source in standing.hidden_from_coach:
        seen = [
            gettext("Only you. The terms of %(name)s do not let us show it to anybody else, your coaches included.")
            % {"name": name}
        ]
    days = standing.kept_days.get(source)
    if days is not None:
        kept = gettext(
            "The terms of %(name)s let us keep it for %(days)s days after it took place; then it is deleted here."
        ) % {"name": name, "days": days}
    elif source == FILE:
        kept = gettext(
            "It stays until you delete the upload, or your account. The file itself can only be fetched by you."
        )
    else:
        kept = gettext("It stays until you delete your account. What you delete at %(name)s goes from here, too.") % {
            "name": name
        }
    return [*seen, kept]


def _coaches(athlete: User) -> list[str]:
    links = CoachingLink.objects.active().filter(athlete=athlete, scopes__contains=[Scope.ACTIVITIES])
    found = []
    for link in links.select_related("coach").order_by("pk"):
        also = gettext("with heart rate") if Scope.HEART_RATE in link.scopes else gettext("without heart rate")
        found.append(
            gettext("You, and %(coach)s, who sees it %(also)s as long as you allow it.")
            % {"coach": link.coach.get_short_name(), "also": also}
        )
    return found or [gettext("Only you. None of your coaches may see your activities.")]


def _missing(name: str, source: str) -> Figure:
    return Figure(
        name,
        gettext("needs a heart rate")
        if name == gettext("Load")
        else gettext("not provided by %(source)s") % {"source": source},
        is_known=False,
    )


def _heart_rates(activity: Activity, source: str, *, with_heart_rate: bool) -> list[Figure]:
    rates = {gettext("Average heart rate"): activity.avg_hr, gettext("Highest heart rate"): activity.max_hr}
    if not with_heart_rate:
        return [Figure(gettext("Heart rate"), gettext(WITHHELD), is_known=False)]
    return [Figure(name, f"{rate} bpm") if rate else _missing(name, source) for name, rate in rates.items()]


def _offset(seconds: int) -> str:
    sign, whole = ("-" if seconds < 0 else "+"), timedelta(seconds=abs(seconds))
    hours, minutes = divmod(whole.seconds // 60, 60)
    return f"UTC{sign}{hours}:{minutes:02}" if seconds else "UTC"


def _read_names() -> dict[str, str]:
    return dict(Provider.objects.values_list("slug", "name"))
