"""Reads single values of Garmin's JSON, where numbers may be strings and every field may be null."""

import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from integrations import errors
from integrations.providers.garmin.provider import SLUG
from integrations.providers.garmin.translator.vocabulary import Vocabulary, is_server_set

MOST_NAME_LETTERS = 255
MOST_TEXT_LETTERS = 10_000
MOST_DEPTH = 16  # of objects in objects; Garmin's own need 6
BIGGEST_ID = 2**63 - 1

# Terminals' escape sequences go whole; then control letters and halves of surrogate pairs, which no database takes.
_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?")
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")


def unreadable(what: str, why: str) -> errors.DataError:
    return errors.DataError(f"{what} {why}", provider=SLUG, code="unreadable", context={"field": what})


def clean(text: str) -> str:
    """`text` without control letters; line breaks become \\n, tabs stay."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    return _CONTROLS.sub("", _ESCAPES.sub("", text))


def one_line(text: str) -> str:
    return " ".join(clean(text).split())


def cut(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1].rstrip() + "…"


def number(value: Any, what: str) -> float | None:
    """A finite number, out of a string, too; None for null and empty."""
    if value is None or value == "":
        return None
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise unreadable(what, "is no number")
    try:
        result = float(value)
    except (ValueError, OverflowError):
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
    if not (result := identifier(value, what)):
        raise unreadable(what, "is missing")
    return result


def moment(value: Any, what: str) -> datetime | None:
    """Garmin's stamps, with "T" or blank, any fraction, or milliseconds; without an offset they are UTC."""
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


def version(raw: Mapping[str, Any]) -> str:
    """When the object last changed, in one form: the listing says `updateDate`, the object `updatedDate`."""
    then = moment(raw.get("updatedDate") or raw.get("updateDate"), "updatedDate")
    return "" if then is None else then.replace(tzinfo=None).isoformat(timespec="microseconds")


def listed(value: Any, what: str) -> list[Any]:
    if value is None:
        return []
    if not isinstance(value, list):
        raise unreadable(what, "is no list")
    return value


def is_empty(value: Any) -> bool:
    """Null, "null" (of some of Garmin's services), or an object of nothing but those and its display order."""
    if isinstance(value, dict):
        return all(is_empty(item) for key, item in value.items() if key != "displayOrder")
    return value is None or value == "null"


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


class Fields:
    """One of Garmin's objects: what is taken is understood, what is left is kept for the way back."""

    def __init__(self, raw: Any, what: str) -> None:
        if raw is not None and not isinstance(raw, dict):
            raise unreadable(what, "is no object")
        self.left: dict[str, Any] = dict(raw or {})

    def take(self, key: str) -> Any:
        return self.left.pop(key, None)

    def number(self, key: str) -> float | None:
        return number(self.take(key), key)

    def whole(self, key: str) -> int | None:
        return whole(self.take(key), key)

    def line(self, key: str, most: int = MOST_NAME_LETTERS) -> str:
        return cut(one_line(self._text(key)), most)

    def text(self, key: str, most: int = MOST_TEXT_LETTERS) -> str:
        return cut(clean(self._text(key)).strip(), most)

    def flag(self, key: str) -> bool:
        """A switch that is off by default; only true or false are understood."""
        if not isinstance(self.left.get(key), bool):
            return False
        return bool(self.take(key))

    def choose[T](self, key: str, vocabulary: Vocabulary[T], *, unknown: T | None = None) -> T | None:
        """The member that `key` names; None when nothing is there. An unknown one is left, so that it is kept."""
        fields = Fields(self.left.get(key), key)
        numbered = whole(fields.left.get(vocabulary.id_field), vocabulary.id_field)
        word = str(fields.left.get(vocabulary.key_field) or "").strip().lower()
        if not numbered and not word:
            self.take(key)
            return None
        member = vocabulary.member(numbered, word)
        if member is None:
            return unknown
        self.take(key)
        return member

    def kept(self) -> dict[str, Any]:
        """What was not taken and means something: the `extras` of a record, under the provider's name."""
        rest = {
            clean(str(key)): verbatim(value, str(key))
            for key, value in self.left.items()
            if not is_server_set(key) and not is_empty(value)
        }
        return {SLUG: rest} if rest else {}

    def _text(self, key: str) -> str:
        value = self.take(key)
        if value is None:
            return ""
        if not isinstance(value, str | int | float):
            raise unreadable(key, "is no text")
        return str(value)
