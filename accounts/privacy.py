"""What the product knows of a person: each app registers its part, how it is handed out, and how it ends.

Parts are exported in the order of registration and erased in the opposite one: what builds on others goes first.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import IO, Any

from django.db.models import QuerySet

from accounts.models import User


@dataclass(frozen=True, slots=True)
class Rows:
    """A JSON file of the export. The rows are read while it is written, so their number does not matter."""

    name: str
    rows: Iterable[Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Original:
    """A file that the person gave us."""

    name: str
    open: Callable[[], IO[bytes]]


def _nothing(_: User) -> None:
    return None


def _is_ready(_: User) -> bool:
    return True


@dataclass(frozen=True, slots=True)
class Part:
    """One app's part. `erase` returns how many rows went or were blanked, by what they are; safe to run twice.

    `begin` is called at once when somebody wants to be erased; `is_ready` says whether all that `begin` set going has
    ended, such as telling a provider.
    """

    name: str
    export: Callable[[User], Iterator[Rows | Original]]
    erase: Callable[[User], Mapping[str, int]]
    begin: Callable[[User], None] = _nothing
    is_ready: Callable[[User], bool] = _is_ready


_parts: dict[str, Part] = {}


def register(part: Part) -> None:
    """Called once per app from its `AppConfig.ready()`."""
    _parts[part.name] = part


def parts() -> list[Part]:
    return list(_parts.values())


def delete(rows: QuerySet[Any]) -> int:
    """How many of `rows` themselves went; what hung on them goes without being counted."""
    return int(rows.delete()[1].get(rows.model._meta.label, 0))
