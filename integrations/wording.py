"""Words that rows keep in English, said in their reader's language."""

import re

from django.utils.translation import get_language, gettext

_patterns: dict[str, re.Pattern[str]] = {}


def pattern(text: str) -> str:
    """`text`, marked for translation and with places such as {p}: from now on it is known with any filling."""
    parts = re.split(r"\{(\w+)\}", text)
    places = [f"(?P<{part}>.+?)" if at % 2 else re.escape(part) for at, part in enumerate(parts)]
    _patterns[text] = re.compile("".join(places), re.DOTALL)
    return text


def told(words: str) -> str:
    """In the reader's language as far as the catalogue knows the words; what it does not know stays as it is."""
    if not words or (get_language() or "en").startswith("en"):
        return words
    if said := _known(words):
        return said
    head, bracket, technical = words.partition(" (")  # an error's own message follows what it means
    if bracket and (said := _known(head)):
        return said + bracket + technical
    return " ".join(_known(sentence) or sentence for sentence in re.split(r"(?<=\.) ", words))


def _known(words: str) -> str:
    """Empty where the catalogue does not know them."""
    if (said := gettext(words)) != words:
        return said
    for text, regex in _patterns.items():
        if filled := regex.fullmatch(words):
            return gettext(text).format(**filled.groupdict())
    return ""
