"""Reads single values of a provider's JSON, where every field may be null: what is understood, or a DataError."""

import math
import re
from abc import ABC, abstractmethod
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, ClassVar

from integrations import errors

MOST_NAME_LETTERS = 255
MOST_TEXT_LETTERS = 10_000
MOST_DEPTH = 16  # of objects in objects; Garmin's own need 6
BIGGEST_ID = 2**63 - 1

# Terminals' escape sequences go whole; then control letters and halves of surrogate pairs, which no database takes.
_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?")
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")


def clean(text: str) -> str:
    """`text` without control letters; line breaks become \\n, tabs stay."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    return _CONTROLS.sub("", _ESCAPES.sub("", text))


def one_line(text: str) -> str:
    return " ".join(clean(text).split())


def cut(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1].rstrip() + "…"


@dataclass(frozen=True, slots=True)
class Values:
    """How one provider writes its values; `numbers_in_texts` where it puts some of its numbers into strings."""

    provider: str
    numbers_in_texts: bool = False

    def unreadable(self, what: str, why: str) -> errors.DataError:
        return errors.DataError(f"{what} {why}", provider=self.provider, code="unreadable", context={"field": what})

    def number(self, value: Any, what: str) -> float | None:
        """A finite number; None for null, and for an empty text where texts may be numbers."""
        if value is None or (value == "" and self.numbers_in_texts):
            return None
        if not self._may_be_number(value):
            raise self.unreadable(what, "is no number")
        try:
            result = float(value)
        except (ValueError, OverflowError):
            raise self.unreadable(what, "is no number") from None
        if not math.isfinite(result):
            raise self.unreadable(what, "is not finite")
        return result + 0.0  # turns -0.0 into 0.0

    def whole(self, value: Any, what: str) -> int | None:
        result = self.number(value, what)
        if result is not None and not result.is_integer():
            raise self.unreadable(what, "is no whole number")
        return None if result is None else int(result)

    def identifier(self, value: Any, what: str) -> str:
        """The id as text, "" for null. Floats are refused: beyond 2^53 they name another object."""
        if value is None or value == "":
            return ""
        if isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) < 20:
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int) or not 0 < value <= BIGGEST_ID:
            raise self.unreadable(what, "is no id")
        return str(value)

    def required_id(self, value: Any, what: str) -> str:
        if not (found := self.identifier(value, what)):
            raise self.unreadable(what, "is missing")
        return found

    def moment(self, value: Any, what: str) -> datetime | None:
        """Of ISO 8601, with "T" or blank and any fraction, or of milliseconds; without an offset it is UTC."""
        if value is None or value == "":
            return None
        try:
            if isinstance(value, str):
                then = datetime.fromisoformat(value.strip())
            else:
                then = datetime.fromtimestamp((self.number(value, what) or 0) / 1000, UTC)
            return then.replace(tzinfo=UTC) if then.tzinfo is None else then.astimezone(UTC)
        except (ValueError, OverflowError, OSError):
            raise self.unreadable(what, "is no moment") from None

    def listed(self, value: Any, what: str) -> list[Any]:
        if value is None:
            return []
        if not isinstance(value, list):
            raise self.unreadable(what, "is no list")
        return value

    def verbatim(self, value: Any, what: str, depth: int = 0) -> Any:
        """`value` as it is, but storable: no control letters, no number that is none, not endlessly deep."""
        if depth > MOST_DEPTH:
            raise self.unreadable(what, "is nested too deeply")
        if isinstance(value, str):
            return clean(value)
        if isinstance(value, float) and not math.isfinite(value):
            raise self.unreadable(what, "is not finite")
        if isinstance(value, dict):
            return {clean(str(key)): self.verbatim(item, what, depth + 1) for key, item in value.items()}
        if isinstance(value, list):
            return [self.verbatim(item, what, depth + 1) for item in value]
        return value

    def _may_be_number(self, value: Any) -> bool:
        kinds = (int, float, str) if self.numbers_in_texts else (int, float)
        return isinstance(value, kinds) and not isinstance(value, bool)


class Fields(ABC):
    """One of a provider's objects: what is taken is understood, what is left is kept for the way back."""

    values: ClassVar[Values]

    def __init__(self, raw: Any, what: str) -> None:
        if not isinstance(raw, dict):
            raise self.values.unreadable(what, "is no object")
        self.left: dict[str, Any] = dict(raw)

    @abstractmethod
    def words(self, key: str) -> str:
        """Take a text as it came; empty for null."""

    @abstractmethod
    def means_something(self, key: str, value: Any) -> bool:
        """Whether what nobody took is worth keeping."""

    def take(self, key: str) -> Any:
        return self.left.pop(key, None)

    def number(self, key: str) -> float | None:
        return self.values.number(self.take(key), key)

    def whole(self, key: str) -> int | None:
        return self.values.whole(self.take(key), key)

    def bounds(self, one: str, other: str) -> tuple[float | None, float | None]:
        """The ends of a range, the lower first: clients write them in both orders."""
        low, high = self.number(one), self.number(other)
        return (high, low) if low is not None and high is not None and low > high else (low, high)

    def line(self, key: str, most: int = MOST_NAME_LETTERS) -> str:
        return cut(one_line(self.words(key)), most)

    def text(self, key: str) -> str:
        return cut(clean(self.words(key)).strip(), MOST_TEXT_LETTERS)

    def flag(self, key: str) -> bool:
        """A switch that is off by default; only true or false are understood."""
        return bool(self.take(key)) if isinstance(self.left.get(key), bool) else False

    def kept(self) -> dict[str, Any]:
        """What was not taken and means something: the `extras` of a record, under the provider's name."""
        rest = {
            clean(str(key)): self.values.verbatim(value, str(key))
            for key, value in self.left.items()
            if self.means_something(key, value)
        }
        return {self.values.provider: rest} if rest else {}
