"""What a provider keeps beside a workout and we do not understand, told as it is and never lost."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

from django.utils.translation import gettext

from coaching.measures import trimmed

MOST_EXTRAS = 6
MOST_EXTRA_LETTERS = 80

_FOR_PROGRAMS = re.compile(r"(Id|Uuid|Url|Image|Attribution|Index|locale|Provider)$")


def kept_in_words(extras: Mapping[str, Mapping[str, Any]]) -> str:
    return extras_in_words([extras])


def extras_in_words(levels: Iterable[Mapping[str, Mapping[str, Any]]]) -> str:
    """Also set at Garmin: relative weight body weight. What only programs read (ids, pictures) is left out."""
    found: dict[str, list[str]] = {}
    for extras in levels:
        for provider, kept in extras.items():
            words = found.setdefault(provider, [])
            words += [text for key, value in kept.items() if (text := _extra(key, value)) and text not in words]
    said = gettext("Also set at %(provider)s: %(words)s.")
    lines = [(slug.capitalize(), words) for slug, words in found.items() if words]
    return " ".join(said % {"provider": provider, "words": _listed(words)} for provider, words in lines)


def _listed(words: Sequence[str]) -> str:
    left = len(words) - MOST_EXTRAS
    return "; ".join(islice(words, MOST_EXTRAS)) + (gettext("; and %(n)s more") % {"n": left} if left > 0 else "")


def _extra(key: str, value: Any) -> str:
    if _FOR_PROGRAMS.search(key) or value in (None, "", False):
        return ""
    name = _plain(key)
    if value is True:
        return name
    text = "; ".join(_values(value))
    if not text:
        return ""
    return f"{name} {text}" if len(text) <= MOST_EXTRA_LETTERS else f"{name} {text[: MOST_EXTRA_LETTERS - 1]}…"


def _values(value: Any) -> Iterator[str]:
    """The words and numbers in a value; of a type object its key says it all."""
    if isinstance(value, dict):
        keys = [item for key, item in value.items() if key.endswith("Key")] or list(value.values())
        for item in keys:
            yield from _values(item)
    elif isinstance(value, list):
        for item in value:
            yield from _values(item)
    elif value not in (None, ""):
        yield _plain(str(value)) if isinstance(value, str) else trimmed(float(value), 2)


def _plain(text: str) -> str:
    """body weight, for BODY_WEIGHT and bodyWeight; sentences stay as they are."""
    if " " in text:
        return text
    text = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", text)
    return re.sub(r"[_.]+", " ", text).strip().lower()
