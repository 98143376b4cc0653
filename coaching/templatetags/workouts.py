"""How templates show workouts. What is returned is plain text, which they escape, or safe markup of our own."""

from typing import Any, Literal

from django import template
from django.utils.safestring import SafeString

from accounts.models import Units
from accounts.templatetags.icons import lucide
from coaching import charts, measures, words
from integrations.records import Sport, WorkoutRecord

register = template.Library()

SPORT_ICONS = {
    Sport.RUNNING: "footprints",
    Sport.CYCLING: "bike",
    Sport.SWIMMING: "waves-horizontal",
    Sport.STRENGTH: "dumbbell",
    Sport.CARDIO: "heart-pulse",
    Sport.YOGA: "flower-2",
    Sport.PILATES: "flower",
    Sport.HIIT: "flame",
    Sport.MOBILITY: "person-standing",
    Sport.MULTISPORT: "layers",
    Sport.WALKING: "footprints",
    Sport.HIKING: "mountain",
    Sport.ROWING: "ship",
}
OTHER_ICON = "activity"


@register.simple_tag(takes_context=True)
def step_profile(
    context: template.Context, record: WorkoutRecord, size: Literal["card", "page"] = "card"
) -> SafeString:
    return charts.step_profile(record, size=size, units=_units_of_reader(context))


@register.simple_tag
def steps_in_words(record: WorkoutRecord, units: str = Units.METRIC) -> list[words.Line]:
    return words.steps_in_words(record, units)


@register.simple_tag
def also_set(record: WorkoutRecord) -> str:
    return words.also_set(record)


@register.simple_tag
def totals(record: WorkoutRecord) -> charts.Totals:
    return charts.totals(record)


@register.simple_tag
def sport_icon(sport: str, size: int = 16) -> SafeString:
    name = SPORT_ICONS.get(Sport(sport), OTHER_ICON) if sport in Sport else OTHER_ICON
    return lucide(name, size=size)


@register.filter
def sport(value: str) -> str:
    return words.sport_in_words(value)


@register.filter
def duration(seconds: Any) -> str:
    """To the minute; "" where nothing is known."""
    return measures.total_time(float(seconds)) if seconds else ""


@register.filter
def distance(metres: Any, units: str = Units.METRIC) -> str:
    return measures.distance(float(metres), units) if metres else ""


def _units_of_reader(context: template.Context) -> str:
    """Somebody who is not logged in, or a mail without a user, reads metric."""
    return str(getattr(context.get("user"), "units", "") or Units.METRIC)
