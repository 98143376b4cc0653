"""Walks XML without building it: no document types, no entities, no tree, so that no file is larger than its bytes."""

from abc import ABC, abstractmethod
from xml.etree.ElementTree import ParseError

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import DefusedXMLParser
from django.utils.translation import gettext

from coaching.files.shapes import Budget, FileRefused

CHUNK = 32 * 1024
MOST_DEPTH = 32
MOST_TEXT = 300  # letters of one element that are kept
MOST_ATTRIBUTES = 40


class Reader(ABC):
    """What a format makes of the walk. Paths are local names from the root on, joined by "/"."""

    @abstractmethod
    def begins(self, path: str, attributes: dict[str, str]) -> None:
        """An element opens."""

    @abstractmethod
    def ends(self, path: str, text: str) -> None:
        """It closes; `text` is what stood in it last, without the blanks around."""


class _Walker:
    """The parser's target: tells the reader of every element, keeps one path and one text."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._path: list[str] = []
        self._text = ""

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        if len(self._path) >= MOST_DEPTH or len(attributes) > MOST_ATTRIBUTES:
            raise FileRefused(gettext("This file is nested more deeply than any activity."), code="xml_too_deep")
        self._path.append(_local(tag))
        self._text = ""
        self._reader.begins("/".join(self._path), attributes)

    def data(self, text: str) -> None:
        if len(self._text) < MOST_TEXT:
            self._text += text[: MOST_TEXT - len(self._text)]

    def end(self, tag: str) -> None:  # noqa: ARG002 - the parser's
        self._reader.ends("/".join(self._path), self._text.strip())
        self._path.pop()
        self._text = ""

    def close(self) -> None:
        """There is no tree to hand over."""


def walk(content: bytes, reader: Reader, budget: Budget, *, name: str) -> None:
    """Tell `reader` of every element. Raises FileRefused."""
    parser = DefusedXMLParser(target=_Walker(reader), forbid_dtd=True)
    try:
        for start in range(0, len(content), CHUNK):
            budget.spend()
            parser.feed(content[start : start + CHUNK])
        parser.close()
    except DefusedXmlException:
        raise FileRefused(
            gettext("This %(name)s file defines things of its own, which we do not read.") % {"name": name},
            code="xml_dtd",
        ) from None
    except ParseError as exc:
        line, _ = exc.position
        raise FileRefused(
            gettext("This is not a valid %(name)s file: line %(line)s is broken.") % {"name": name, "line": line},
            code="xml_broken",
        ) from None
    except (ValueError, LookupError):  # an encoding that nobody knows
        raise FileRefused(gettext("This is not a valid %(name)s file.") % {"name": name}, code="xml_broken") from None


def _local(tag: str) -> str:
    return tag.rpartition("}")[2][:60]
