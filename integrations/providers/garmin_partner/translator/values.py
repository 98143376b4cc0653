"""How Garmin's partner programme writes its values and objects."""

from typing import Any, ClassVar

from integrations import values as common
from integrations.providers.garmin_partner.provider import SLUG
from integrations.providers.garmin_partner.translator.vocabulary import SERVER_SET, member

VALUES = common.Values(SLUG)


def word(value: Any, what: str, *, most: int = 64) -> str:
    """An id of letters and digits, such as a user's; visible ASCII without blanks."""
    text = str(value) if isinstance(value, int | str) and not isinstance(value, bool) else ""
    if not (0 < len(text) <= most and text.isascii() and text.isprintable() and " " not in text):
        raise VALUES.unreadable(what, "is no id")
    return text


def line(value: Any, most: int = common.MOST_NAME_LETTERS) -> str:
    """One line of people's words; empty for what is no text."""
    return common.cut(common.one_line(value), most) if isinstance(value, str) else ""


class Fields(common.Fields):
    values: ClassVar[common.Values] = VALUES

    def words(self, key: str) -> str:
        value = self.take(key)
        if value is not None and not isinstance(value, str):
            raise VALUES.unreadable(key, "is no text")
        return value or ""

    def means_something(self, key: str, value: Any) -> bool:
        return key not in SERVER_SET and value is not None

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
