"""The German catalogue is whole: every text that is marked is in it, translated, with the same places to fill."""

import re
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import polib
import pytest
from babel.messages.extract import extract
from django.conf import settings
from django.utils.translation.template import templatize

CATALOGUE = Path(settings.BASE_DIR, "locale", "de", "LC_MESSAGES")
CODE = ("accounts", "coaching", "config", "integrations", "webhooks")
PAGES = ("templates", *CODE)
APART = {"tests", "migrations", "fixtures"}
MARKS = {
    "_": None,
    "gettext": None,
    "gettext_lazy": None,
    "gettext_noop": None,
    "ngettext": (1, 2),
    "ngettext_lazy": (1, 2),
    "pgettext": ((1, "c"), 2),
    "pgettext_lazy": ((1, "c"), 2),
}
PLACE = re.compile(r"%\(\w+\)[sd]|\{\w*\}|%%")
TAG = re.compile(r"</?\w+[^>]*>")
type Text = tuple[str, str]  # with the context that tells equal texts apart


@pytest.fixture(scope="module")
def catalogue() -> polib.POFile:
    return polib.pofile(str(CATALOGUE / "django.po"))


def test_every_entry_is_translated(catalogue: polib.POFile) -> None:
    assert [entry.msgid for entry in catalogue if not entry.translated()] == []
    assert [entry.msgid for entry in catalogue if entry.fuzzy or entry.obsolete] == []


def test_what_is_compiled_is_what_is_written(catalogue: polib.POFile) -> None:
    compiled = polib.mofile(str(CATALOGUE / "django.mo"))
    assert _sentences(compiled) == _sentences(catalogue)


def test_translations_fill_in_the_same_places(catalogue: polib.POFile) -> None:
    """A number may be left out where a plural form says it in a word ("once"); nothing else."""
    wrong = [
        (entry.msgid, german)
        for entry in catalogue
        for german in entry.msgstr_plural.values() or [entry.msgstr]
        if _places(german) not in (_places(entry.msgid), _places(entry.msgid_plural or entry.msgid))
        or TAG.findall(german) != TAG.findall(entry.msgid)
    ]
    assert wrong == []


def test_every_marked_text_is_in_the_catalogue(catalogue: polib.POFile) -> None:
    known = {(entry.msgctxt or "", entry.msgid) for entry in catalogue}
    missing = {(str(path), text) for path in _sources() for text in _marked(path) if text not in known}
    assert missing == set()


def test_the_catalogue_holds_nothing_that_is_no_longer_said(catalogue: polib.POFile) -> None:
    said = {text for path in _sources() for text in _marked(path)}
    assert {(entry.msgctxt or "", entry.msgid) for entry in catalogue} - said == set()


def _sentences(texts: polib.POFile | polib.MOFile) -> dict[Text, object]:
    return {(entry.msgctxt or "", entry.msgid): dict(entry.msgstr_plural) or entry.msgstr for entry in texts}


def _places(text: str) -> list[str]:
    return sorted(set(PLACE.findall(text)))


def _sources() -> Iterator[Path]:
    found = [path for folder in CODE for path in Path(settings.BASE_DIR, folder).rglob("*.py")]
    found += [path for folder in PAGES for path in Path(settings.BASE_DIR, folder).rglob("*.html")]
    found += Path(settings.BASE_DIR, "templates").rglob("*.txt")
    return (path for path in found if APART.isdisjoint(path.relative_to(settings.BASE_DIR).parts))


def _marked(path: Path) -> Iterator[Text]:
    """What is marked in the file; of plural texts the singular stands for both."""
    text = path.read_text("utf-8")
    # In brackets, as what templates turn into is indented as they are.
    code = text if path.suffix == ".py" else f"({templatize(text, origin=str(path))}\n)"
    for _line, message, _comments, context in extract("python", BytesIO(code.encode()), keywords=MARKS):
        first = message if isinstance(message, str) else next(iter(message), "")
        if first:
            yield (context or "", first)
