"""A page of a list without counting the rest: one row more than is shown tells whether there is a next page."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import Model, QuerySet

FURTHEST = 10_000


@dataclass(frozen=True, slots=True)
class Slice[T]:
    rows: Sequence[T]
    number: int
    has_next: bool

    def __iter__(self) -> Iterator[T]:
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def has_previous(self) -> bool:
        return self.number > 1

    @property
    def previous_number(self) -> int:
        return self.number - 1

    @property
    def next_number(self) -> int:
        return self.number + 1


def slice_of[M: Model](rows: QuerySet[M, Any], asked: str | None, size: int) -> Slice[M]:
    """The page named in the address; anything that is no page is the first one."""
    text = asked or ""
    number = int(text) if text.isascii() and text.isdigit() and len(text) < 6 else 1
    number = min(max(number, 1), FURTHEST)
    found = list(rows[(number - 1) * size : number * size + 1])
    return Slice(found[:size], number, len(found) > size)
