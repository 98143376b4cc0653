"""Lists by keyset: a page says where the next one begins; what is added meanwhile neither repeats nor hides a row."""

import base64
import binascii
import json
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from django.db.models import Model, Q, QuerySet
from ninja import Schema
from pydantic import Field

from accounts.rest.problems import Problem

MOST, USUAL = 100, 25
LONGEST_CURSOR = 200
type Key = tuple[Any, ...]


class Page[T](Schema):
    items: list[T]
    next_cursor: str | None = Field(None, description="Send it as `cursor` to get the next page; null on the last one.")


class Paging(Schema):
    """Part of every list's query."""

    limit: int = Field(USUAL, description="How many, up to 100; more is read as 100, less than 1 as 1.")
    cursor: str = Field("", description="`next_cursor` of the page before.", max_length=LONGEST_CURSOR)

    @property
    def size(self) -> int:
        return max(1, min(self.limit, MOST))


def page[M: Model](
    rows: QuerySet[M], paging: Paging, show: Callable[[M], Any], *, by: Sequence[str] = ("pk",)
) -> dict[str, Any]:
    """Newest first by the fields `by`, the last of which is unique and a whole number; any before it is a time."""
    ordered = rows.order_by(*(f"-{name}" for name in by))
    if paging.cursor:
        key = _read(paging.cursor, len(by))
        ordered = ordered.filter(_before(by, key))
    found = list(ordered[: paging.size + 1])
    shown = found[: paging.size]
    last = _write([getattr(shown[-1], name) for name in by]) if len(found) > paging.size else None
    return {"items": [show(row) for row in shown], "next_cursor": last}


def _before(by: Sequence[str], key: Key) -> Q:
    """Rows after `key` in that order, which falls in every field."""
    after, same = Q(), Q()
    for name, value in zip(by, key, strict=True):
        after |= same & Q(**{f"{name}__lt": value})
        same &= Q(**{name: value})
    return after


def _write(parts: Sequence[Any]) -> str:
    text = json.dumps([part.isoformat() if isinstance(part, datetime) else part for part in parts])
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _read(cursor: str, length: int) -> Key:
    """Raises Problem for whatever we did not write."""
    try:
        parts = json.loads(base64.urlsafe_b64decode(cursor.encode() + b"=" * (-len(cursor) % 4)))
        *times, number = parts
        if len(parts) != length or type(number) is not int or not 0 <= number < 2**63:
            raise ValueError
        moments = [datetime.fromisoformat(text) for text in times]
        if any(moment.tzinfo is None for moment in moments):
            raise ValueError
    except (binascii.Error, ValueError, TypeError, RecursionError):
        raise Problem(400, "bad_cursor", "This cursor is none of ours. Begin without one.") from None
    return (*moments, number)
