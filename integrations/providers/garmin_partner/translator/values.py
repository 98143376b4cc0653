"""Reads single values of Garmin's JSON, where every field may be null."""

import math
import re
from datetime import UTC, datetime
from typing import Any

from integrations import errors
from integrations.providers.garmin_partner.provider import SLUG
from integrations.providers.garmin_partner.translator.vocabulary import SERVER_SET, member

MOST_NAME_LETTERS = 255
MOST_TEXT_LETTERS = 10_000
MOST_DEPTH = 16  # of objects in objects
BIGGEST_ID = 2**63 - 1

_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")


def unreadable(what: str, why: str) -> errors.DataError:
    return errors.DataError(f"{what} {why}", provider=SLUG, code="unreadable", context={"field": what})


def clean(text: str) -> str:
    """`text` without control letters, which no database takes; line breaks become \\n, tabs stay."""
    return _CONTROLS.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))


def cut(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1].rstrip() + "…"


def number(value: Any, what: str) -> float | None:
    """A finite number; None for null."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise unreadable(what, "is no number")
    try:
        result = float(value)
    except OverflowError:
        raise unreadable(what, "is no number") from None
    if not math.isfinite(result):
        raise unreadable(what, "is not finite")
    return result + 0.0  # turns -0.0 into 0.0


def whole(value: Any, what: str) -> int | None:
    result = number(value, what)
    if result is not None and not result.is_integer():
        raise unreadable(what, "is no whole number")
    return None if result is None else int(result)


def identifier(value: Any, what: str) -> str:
    """The id as text, "" for null. Floats are refused: beyond 2^53 they name another object."""
    if value is None or value == "":
        return ""
    if isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) < 20:
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 < value <= BIGGEST_ID:
        raise unreadable(what, "is no id")
    return str(value)


def required_id(value: Any, what: str) -> str:
    if not (found := identifier(value, what)):
        raise unreadable(what, "is missing")
    return found


def word(value: Any, what: str, *, most: int = 64) -> str:
    """An id of letters and digits, such as a user's; visible ASCII without blanks."""
    text = str(value) if isinstance(value, int | str) and not isinstance(value, bool) else ""
    if not (0 < len(text) <= most and text.isascii() and text.isprintable() and " " not in text):
        raise unreadable(what, "is no id")
    return text


def moment(value: Any, what: str) -> datetime | None:
    """Without an offset it is UTC."""
    if value is None or value == "":
        return None
    try:
        if isinstance(value, str):
            then = datetime.fromisoformat(value.strip())
        else:
            then = datetime.fromtimestamp((number(value, what) or 0) / 1000, UTC)
        return then.replace(tzinfo=UTC) if then.tzinfo is None else then.astimezone(UTC)
    except (ValueError, OverflowError, OSError):
        raise unreadable(what, "is no moment") from None


def listed(value: Any, what: str) -> list[Any]:
    if value is None:
        return []
    if not isinstance(value, list):
        raise unreadable(what, "is no list")
    return value


def line(value: Any, most: int = MOST_NAME_LETTERS) -> str:
    """One line of people's words; empty for what is no text."""
    return cut(" ".join(clean(value).split()), most) if isinstance(value, str) else ""


class Fields:
    """One of Garmin's objects: what is taken is understood, what is left is kept for the way back."""

    def __init__(self, raw: Any, what: str) -> None:
        if not isinstance(raw, dict):
            raise unreadable(what, "is no object")
        self.left: dict[str, Any] = dict(raw)

    def take(self, key: str) -> Any:
        return self.left.pop(key, None)

    def number(self, key: str) -> float | None:
        return number(self.take(key), key)

    def whole(self, key: str) -> int | None:
        return whole(self.take(key), key)

    def line(self, key: str) -> str:
        return line(self._text(key))

    def text(self, key: str) -> str:
        return cut(clean(self._text(key)).strip(), MOST_TEXT_LETTERS)

    def flag(self, key: str) -> bool:
        """A switch that is off by default; only true or false are understood."""
        return bool(self.take(key)) if isinstance(self.left.get(key), bool) else False

    def choose[T](self, key: str, words: dict[T, str], *, unknown: T | None = None) -> T | None:
        """The member that `key` names; None when nothing is there. An unknown word is left, so that it is kept."""
        value = self.left.get(key)
        if value is None or value == "":
            self.take(key)
            return None
        found = member(words, value) if isinstance(value, str) else None
        if found is None:
            return unknown
        self.take(key)
        return found

    def kept(self) -> dict[str, Any]:
        """What was not taken and means something: the `extras` of a record."""
        rest = {
            clean(str(key)): verbatim(value, str(key))
            for key, value in self.left.items()
            if key not in SERVER_SET and value is not None
        }
        return {SLUG: rest} if rest else {}

    def _text(self, key: str) -> str:
        value = self.take(key)
        if value is not None and not isinstance(value, str):
            raise unreadable(key, "is no text")
        return value or ""


def verbatim(value: Any, what: str, depth: int = 0) -> Any:
    """`value` as it is, but storable: no control letters, no number that is none, not endlessly deep."""
    if depth > MOST_DEPTH:
        raise unreadable(what, "is nested too deeply")
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, float) and not math.isfinite(value):
        raise unreadable(what, "is not finite")
    if isinstance(value, dict):
        return {clean(str(key)): verbatim(item, what, depth + 1) for key, item in value.items()}
    if isinstance(value, list):
        return [verbatim(item, what, depth + 1) for item in value]
    return value
