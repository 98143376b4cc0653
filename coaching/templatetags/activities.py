"""How templates show activities. What is returned is plain text, which they escape."""

from datetime import datetime

from django import template
from django.utils import dateformat

from coaching import figures
from coaching.models.activity import FILE

register = template.Library()


@register.filter
def wall_clock(moment: datetime, pattern: str) -> str:
    """The moment on its own clock; `date` would turn it to the viewer's."""
    return dateformat.format(moment, pattern)


@register.filter
def source_badge(source: str) -> str:
    return "Uploaded file" if source == FILE else figures.source_name(source)
