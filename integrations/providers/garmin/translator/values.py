"""How Garmin writes its values, where numbers may be strings, and its objects."""

from collections.abc import Mapping
from typing import Any, ClassVar

from integrations import values as common
from integrations.providers.garmin.provider import SLUG
from integrations.providers.garmin.translator.vocabulary import Vocabulary, is_server_set

VALUES = common.Values(SLUG, numbers_in_texts=True)


def version(raw: Mapping[str, Any]) -> str:
    """When the object last changed, in one form: the listing says `updateDate`, the object `updatedDate`."""
    then = VALUES.moment(raw.get("updatedDate") or raw.get("updateDate"), "updatedDate")
    return "" if then is None else then.replace(tzinfo=None).isoformat(timespec="microseconds")


def is_empty(value: Any) -> bool:
    """Null, "null" (of some of Garmin's services), or an object of nothing but those and its display order."""
    if isinstance(value, dict):
        return all(is_empty(item) for key, item in value.items() if key != "displayOrder")
    return value is None or value == "null"


class Fields(common.Fields):
    """Null stands for an object without fields; a number may stand where a text is meant."""

    values: ClassVar[common.Values] = VALUES

    def __init__(self, raw: Any, what: str) -> None:
        super().__init__({} if raw is None else raw, what)

    def words(self, key: str) -> str:
        value = self.take(key)
        if value is None:
            return ""
        if not isinstance(value, str | int | float):
            raise VALUES.unreadable(key, "is no text")
        return str(value)

    def means_something(self, key: str, value: Any) -> bool:
        return not is_server_set(key) and not is_empty(value)

    def choose[T](self, key: str, vocabulary: Vocabulary[T], *, unknown: T | None = None) -> T | None:
        """The member that `key` names; None when nothing is there. An unknown one is left, so that it is kept."""
        fields = Fields(self.left.get(key), key)
        numbered = VALUES.whole(fields.left.get(vocabulary.id_field), vocabulary.id_field)
        word = str(fields.left.get(vocabulary.key_field) or "").strip().lower()
        if not numbered and not word:
            self.take(key)
            return None
        member = vocabulary.member(numbered, word)
        if member is None:
            return unknown
        self.take(key)
        return member
