"""Who reads German meets no English: every page and every answer to an empty post, for everybody of the cast.

Two looks at each text a person sees: no text of the catalogue stands there untranslated, and none reads like English.
"""

import re
from collections.abc import Iterator, Sequence
from html.parser import HTMLParser
from http.cookies import SimpleCookie
from pathlib import Path
from zoneinfo import available_timezones

import polib
import pytest
from allauth.account.models import EmailAddress
from django.conf import settings
from django.core.cache import cache
from django.db import transaction
from django.http import HttpResponse
from django.test import Client
from django.urls import NoReverseMatch, URLPattern, URLResolver, get_resolver, reverse
from django.utils import timezone
from pytest_django import Settings

from accounts.models import User
from coaching.services import inviting
from integrations import events
from tests.test_tenancy import belongings

__all__ = ["belongings"]  # a fixture

# What is not for people: programs, operations, and files.
APART = {"admin", "djdt", "webhooks", "api", "ninja", "headless", "demo"}
MACHINES = ("/api/", "/health/", "/metrics", "/webhooks/", "/demo/", f"/{settings.ADMIN_PATH}")
UNSEEN = {"script", "style", "code", "svg", "textarea", "title"}  # a report to be sent on stands in a text field
SEEN_IN = ("aria-label", "placeholder", "title", "alt", "data-copied", "data-by-hand")
NAMES = {name.replace("_", " ") for name in available_timezones()}
ENGLISH = re.compile(r"\b(the|you|your|and|with|this|that|is|are|of|from|have|not|please|for)\b", re.IGNORECASE)
PLACE = re.compile(r"%\(\w+\)[sd]|\{\w*\}|%%")
TAG = re.compile(r"<[^>]+>")
FEWEST_LETTERS = 8  # of a text with places, so that it stands for itself
DUMMIES = {"key": "1-abc", "uidb36": "1", "slug": "garmin", "token": "0" * 40, "pk": 1}


class Reader(HTMLParser):
    """Collects what a person sees or hears of a page, one text after the other."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []
        self._hidden = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._hidden += tag in UNSEEN
        self._note(value for name, value in attrs if name in SEEN_IN)

    def handle_endtag(self, tag: str) -> None:
        self._hidden -= tag in UNSEEN

    def handle_data(self, data: str) -> None:
        if not self._hidden:
            self._note([data])

    def _note(self, found: "Iterator[str | None] | list[str]") -> None:
        self.texts += [words for text in found if (words := " ".join((text or "").split()))]


def texts_of(page: str) -> list[str]:
    reader = Reader()
    reader.feed(page)
    return reader.texts


@pytest.fixture(scope="module")
def untranslated() -> re.Pattern[str]:
    """Whole texts that have another German, as the pages show them: what stands between two tags by itself."""
    catalogue = polib.pofile(str(Path(settings.BASE_DIR, "locale", "de", "LC_MESSAGES", "django.po")))
    english: set[str] = set()
    german: set[str] = set()
    for entry in catalogue:
        for text in filter(None, (entry.msgid, entry.msgid_plural)):
            english |= parts(text)
        for text in entry.msgstr_plural.values() or [entry.msgstr]:
            german |= parts(text)
    spoken = sorted(english - german)
    return re.compile("|".join(".+".join(map(re.escape, PLACE.split(text))) for text in spoken), re.DOTALL)


def parts(text: str) -> set[str]:
    found = (" ".join(part.split()) for part in TAG.split(text))
    return {part for part in found if len(re.findall(r"[A-Za-z]", PLACE.sub("", part))) >= _least(part)}


def _least(part: str) -> int:
    return FEWEST_LETTERS if PLACE.search(part) else 1


def pages(kwargs: dict[str, object]) -> Iterator[str]:
    """The address of every route that a browser may open, with ids of what is there."""
    for name, converters in sorted(_named(get_resolver().url_patterns)):
        values = {key: getattr(kwargs.get(key), "public_id", DUMMIES.get(key)) for key in converters}
        try:
            address = reverse(name, kwargs=values)
        except NoReverseMatch:
            continue
        if not address.startswith(MACHINES):
            yield address


def _named(patterns: Sequence[URLPattern | URLResolver], space: str = "") -> Iterator[tuple[str, tuple[str, ...]]]:
    for entry in patterns:
        if isinstance(entry, URLResolver) and str(entry.app_name) not in APART:
            yield from _named(entry.url_patterns, f"{space}{entry.namespace}:" if entry.namespace else space)
        elif isinstance(entry, URLPattern) and entry.name:
            groups = entry.pattern.regex.groupindex if hasattr(entry.pattern, "regex") else {}
            yield f"{space}{entry.name}", tuple(entry.pattern.converters or groups)


def entered(person: User | None) -> Client:
    client = Client(headers={"Accept-Language": "de-DE,de;q=0.9,en;q=0.5"})
    if person:
        client.force_login(person)
        session = client.session
        session["confirmed_at"] = timezone.now().timestamp()
        session.save()
    return client


def answers(client: Client, address: str) -> Iterator[HttpResponse]:
    """The page, and what an empty post leads to; whatever it did is undone."""
    cookies = client.cookies.output(header="")
    for method in ("get", "post"):
        cache.clear()
        with transaction.atomic():
            answer = getattr(client, method)(address, follow=True)
            transaction.set_rollback(True)
        client.cookies = SimpleCookie(cookies)
        if answer.headers.get("Content-Type", "").startswith("text/html"):
            yield answer


@pytest.mark.parametrize("who", ["coach", "athlete", "stranger", "nobody"])
def test_no_page_says_a_word_of_english(
    who: str, belongings: dict[str, object], coach: User, athlete: User, stranger: User,
    settings: Settings, untranslated: re.Pattern[str],
) -> None:  # fmt: skip
    settings.INBOUND_LIMITS = dict.fromkeys(settings.INBOUND_LIMITS, 1_000_000)
    settings.ACCOUNT_RATE_LIMITS = False
    while events.dispatch_due():
        pass
    User.objects.update(language="de")
    for user in (coach, athlete, stranger):
        EmailAddress.objects.create(user=user, email=user.email, verified=True, primary=True)
    client = entered({"coach": coach, "athlete": athlete, "stranger": stranger}.get(who))
    read = 0
    wrong: set[tuple[str, str]] = set()
    _, token = inviting.invite(coach, "friend@example.org")
    for address in [*pages(belongings), reverse("coaching:arrive", args=[token])]:
        for answer in answers(client, address):
            read += 1
            assert '<html lang="de"' in answer.text or "<html" not in answer.text, address
            for text in texts_of(answer.text):
                if text not in NAMES and (untranslated.fullmatch(text) or ENGLISH.search(text)):
                    wrong.add((text, address))
    assert read > 60, "the walk reads hardly anything"
    assert sorted(wrong) == []


def test_the_walk_sees_what_is_not_translated(untranslated: re.Pattern[str]) -> None:
    page = '<p>Log in</p><script>Log in</script><a title="Sessions">Strava</a><b>New here? <i>Sign up</i></b>'
    seen = [text for text in texts_of(page) if untranslated.fullmatch(text)]
    assert {"Log in", "New here?", "Sign up"} <= set(seen)
    assert "Strava" not in seen
    assert not ENGLISH.search("Das ist die Liste deiner Sitzungen, alle sind noch offen.")
