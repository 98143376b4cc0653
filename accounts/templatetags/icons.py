"""Icons in templates: `{% lucide "name" size=16 %}`, each drawn once a process."""

from functools import lru_cache

from django import template
from django.utils.safestring import SafeString, mark_safe
from lucide.templatetags import lucide as package

register = template.Library()


@register.simple_tag
def lucide(name: str, *, size: int = 24, **attributes: object) -> SafeString:
    """The icon as inline SVG. A page shows some hundred of them: the package copies and writes a tree for each."""
    return _drawn(name, size, tuple(attributes.items()))


@lru_cache(maxsize=1024)
def _drawn(name: str, size: int, attributes: tuple[tuple[str, object], ...]) -> SafeString:
    return mark_safe(package.lucide(name, size=size, **dict(attributes)))  # noqa: S308 - the package escapes attributes
