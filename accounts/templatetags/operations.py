from typing import Any

from django import template
from django.template.context import RequestContext

from accounts import operations

register = template.Library()


@register.simple_tag(takes_context=True)
def operations_panels(context: RequestContext) -> list[dict[str, Any]]:
    """What the operations home shows this person, each panel with its data."""
    return [
        {"title": panel.title, "template": panel.template, **panel.collect()}
        for panel in operations.panels(context["user"])
    ]
