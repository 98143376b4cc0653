"""How templates show activities. What is returned is plain text, which they escape."""

from datetime import datetime

from django import template
from django.utils import dateformat
from django.utils.translation import gettext

from accounts.models import User
from coaching import figures
from coaching.models import Activity
from coaching.models.activity import FILE
from integrations import registry
from integrations.models import Connection
from integrations.spec import Capability

register = template.Library()


@register.filter
def wall_clock(moment: datetime, pattern: str) -> str:
    """The moment on its own clock; `date` would turn it to the viewer's."""
    return dateformat.format(moment, pattern)


@register.simple_tag
def local_time(activity: Activity, viewer: User) -> str:
    """When it began, on the clock where it was done; whose clock that is, where the viewer's shows something else."""
    start = figures.start_of(activity, viewer)
    shown = dateformat.format(start.local, gettext("D j M Y, H:i"))
    return f"{shown} ({start.zone})" if start.zone else shown


@register.simple_tag
def seen_and_kept(user: User) -> list[tuple[str, list[str]]]:
    """Of each account that activities come from: its provider's name, and who sees them for how long."""
    own = Connection.objects.live().filter(user=user, provider__slug__in=registry.specs())
    connections = own.select_related("provider").order_by("provider__name")
    named = {c.provider.slug: c.provider.name for c in connections if c.can(Capability.ACTIVITIES_READ)}
    told = figures.who_sees_each(list(named), user) if named else {}
    return [(named[slug], lines) for slug, lines in told.items()]


@register.filter
def source_badge(source: str) -> str:
    return gettext("Uploaded file") if source == FILE else figures.source_name(source)
