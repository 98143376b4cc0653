"""Every address that the product answers: ours, the admin's, allauth's and the API's, from the resolver itself."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache

from django.contrib.admindocs.views import simplify_regex
from django.urls import URLPattern, URLResolver, get_resolver
from django.urls.resolvers import RegexPattern

MARK = re.compile(r"<(?:[^:>]+:)?([^>]+)>")


@dataclass(frozen=True, slots=True)
class Route:
    """`path` is as `urls.py` writes it: "/groups/<uuid:group_id>/"."""

    name: str
    path: str

    @property
    def arguments(self) -> list[str]:
        return MARK.findall(self.path)

    def filled(self, value: Callable[[str], str]) -> str:
        return MARK.sub(lambda found: value(found[1]), self.path)


@cache
def routes() -> list[Route]:
    return sorted(set(_below(get_resolver(), "/", "")), key=lambda route: (route.path, route.name))


def _below(resolver: URLResolver, path: str, space: str) -> Iterator[Route]:
    for entry in resolver.url_patterns:
        here = path + _written(entry)
        if isinstance(entry, URLResolver):
            yield from _below(entry, here, f"{space}{entry.namespace}:" if entry.namespace else space)
        else:
            yield Route(f"{space}{entry.name or ''}", here)


def _written(entry: URLPattern | URLResolver) -> str:
    if isinstance(entry.pattern, RegexPattern):
        return simplify_regex(str(entry.pattern)).lstrip("/")
    return str(entry.pattern)
