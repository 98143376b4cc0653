"""What people wrote, harmless wherever it is shown: plain text without letters that steer the display."""

import re

from django.utils.translation import get_language

# Control letters, and those that turn the direction of what follows: a name must not rewrite the line it stands in.
_STEERING = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]")
_SPACE = re.compile(r"\s+")


def plain_text(text: str, *, most: int) -> str:
    """Several lines, at most `most` letters."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n")
    return _STEERING.sub("", lines).strip()[:most].rstrip()


def one_line(text: str, *, most: int = 80) -> str:
    """A single line, fit for a mail's header; an ellipsis tells that it was longer."""
    line = _SPACE.sub(" ", _STEERING.sub(" ", text)).strip()
    return line if len(line) <= most else line[: most - 1].rstrip() + "…"


def lowered(text: str) -> str:
    """As it stands within a sentence; German nouns keep their capitals."""
    return text if (get_language() or "").startswith("de") else text[:1].lower() + text[1:]
