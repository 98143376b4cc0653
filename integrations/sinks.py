"""Where the domain says what to do with records: `integrations` owns sync without knowing what a workout is for."""

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from integrations import errors

if TYPE_CHECKING:
    from integrations.models import Connection


@dataclass(frozen=True, slots=True)
class Changes:
    """What one page did to the domain's rows."""

    created: int = 0
    updated: int = 0
    unchanged: int = 0

    def __add__(self, other: "Changes") -> "Changes":
        return Changes(self.created + other.created, self.updated + other.updated, self.unchanged + other.unchanged)


@dataclass(frozen=True, slots=True)
class Difference:
    """How the domain's rows differ from a page: ids that it has not, and ids of which it tells otherwise."""

    lacking: Sequence[str]
    changed: Sequence[str]


class Sink(Protocol):
    """One resource's door into the domain. `upsert` runs inside the page's transaction and writes only what changed."""

    def adopt(self, connection: "Connection") -> None:
        """A pass begins: take over what an earlier connection to the same account left. Safe to run twice."""
        ...

    def known(self, connection: "Connection", external_ids: Sequence[str]) -> Mapping[str, str]:
        """The provider's version stamp of each id that is stored, current and not gone."""
        ...

    def upsert(self, connection: "Connection", records: Sequence[Any]) -> Changes: ...

    def missing(
        self, connection: "Connection", seen: Container[str], *, since: date | None = None, until: date | None = None
    ) -> tuple[set[str], int]:
        """(ids a full pass over those days did not see, number of all live rows of them): for the brake."""
        ...

    def sweep(
        self, connection: "Connection", seen: Container[str], *, since: date | None = None, until: date | None = None
    ) -> int:
        """Mark what a full pass over those days did not see as gone; nothing is deleted. Returns how many."""
        ...


@runtime_checkable
class ComparingSink(Protocol):
    """A sink whose rows can be held against a listing without changing them."""

    def compare(self, connection: "Connection", records: Sequence[Any]) -> Difference: ...


_sinks: dict[str, Sink] = {}


def register(resource: str, sink: Sink) -> None:
    """Called once per resource from the domain's `AppConfig.ready()`."""
    _sinks[resource] = sink


def takes(resource: str) -> bool:
    """Whether the domain has a place for it."""
    return resource in _sinks


def get(resource: str) -> Sink:
    try:
        return _sinks[resource]
    except KeyError:
        raise errors.ConfigurationError(f"nobody takes {resource!r}") from None
