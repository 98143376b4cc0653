"""Words that rows keep in English, said in their reader's language."""

import re

from django.utils.translation import get_language, gettext

PLACE = re.compile(r"\{(\w+)\}")
ANYTHING = r"(?:(?!\. ).)+?"  # a place is filled within its sentence
_patterns: dict[str, re.Pattern[str]] = {}


def pattern(text: str) -> str:
    """`text`, marked for translation and with places such as {p}: from now on it is known with any filling."""
    found, seen = "", set[str]()
    for at, part in enumerate(PLACE.split(text)):
        if at % 2 == 0:
            found += re.escape(part)
        else:
            found += f"(?P={part})" if part in seen else f"(?P<{part}>{ANYTHING})"
            seen.add(part)
    _patterns[text] = re.compile(found, re.DOTALL)
    return text


def told(words: str) -> str:
    """In the reader's language as far as the catalogue knows the words; what it does not know stays as it is."""
    if not words or (get_language() or "en").startswith("en"):
        return words
    sentences, said = re.split(r"(?<=\.) ", words), []
    while sentences:
        # As many at once as are known together: an entry of the catalogue may be of several sentences.
        runs = ((n, _known(" ".join(sentences[:n]))) for n in range(len(sentences), 0, -1))
        taken, words = next((found for found in runs if found[1]), (1, sentences[0]))
        said.append(words)
        del sentences[:taken]
    return " ".join(said)


def _known(words: str) -> str:
    """Empty where the catalogue does not know them."""
    if (said := gettext(words)) != words:
        return said
    if words.startswith("(") and words.endswith(")"):  # an error's own message follows what it means
        return f"({told(words[1:-1])})"
    for text, regex in _patterns.items():
        if filled := regex.fullmatch(words):
            return gettext(text).format(**{place: told(value) for place, value in filled.groupdict().items()})
    return ""
