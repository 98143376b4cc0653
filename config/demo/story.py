"""The product's main job, told over HTTP against a running demo: its smoke test."""

import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from html import unescape
from typing import Any

import requests

from config.demo.pages import Page, Visitor
from config.demo.people import ATHLETES, COACH, SANDBOX_PASSWORD, Person

FEWEST_WORKOUTS = 60
PATIENCE_S = 60.0
LOOK_S = 0.2
TUESDAY = 1


class Broken(Exception):
    """The story cannot go on; the message says what was seen instead."""


def tell(base: str, *, say: Callable[[str], None]) -> bool:
    """Tell the whole story and whether it ended well. Safe to tell again on a demo that was used."""
    story = Story(base)
    steps: list[tuple[str, Callable[[], str]]] = [
        ("The coach logs in with one click", story.coach_logs_in),
        ("Connects Garmin", lambda: story.connects(story.coach, COACH)),
        ("The library arrives", story.library_arrives),
        ("Shares a workout with three athletes", story.shares),
        ("One of them logs in", story.athlete_logs_in),
        ("Connects Garmin", lambda: story.connects(story.athlete, story.importer)),
        ("Imports the workout", story.imports),
        ("It is on the Garmin calendar", story.is_on_the_calendar),
        ("The coach sees that it arrived", story.coach_sees_it),
    ]
    begin = time.monotonic()
    for number, (what, step) in enumerate(steps, start=1):
        if not _take(f"{number}. {what}", step, say):
            return False
    say(f"All {len(steps)} steps in {time.monotonic() - begin:.1f} s.")
    return True


def _take(what: str, step: Callable[[], str], say: Callable[[str], None]) -> bool:
    begin = time.monotonic()
    try:
        seen = step()
    except (Broken, requests.RequestException) as exc:
        say(f"FAILED {what}: {exc}")
        return False
    say(f"{time.monotonic() - begin:6.2f} s  {what}{f': {seen}' if seen else ''}")
    return True


@dataclass
class Story:
    """Every step says what was seen, or raises Broken."""

    base: str
    day: date = field(default_factory=lambda: _next_tuesday(datetime.now(UTC).date()))
    sandbox_url: str = ""
    workout: str = ""  # its name
    share_path: str = ""
    entries_before: int = 0
    importer: Person = ATHLETES[0]

    def __post_init__(self) -> None:
        self.coach, self.athlete = Visitor(self.base), Visitor(self.base)

    def coach_logs_in(self) -> str:
        page = self._log_in(self.coach, COACH)
        self.sandbox_url = next((link.path for link in page.links if link.words == "Sandbox"), "")
        if not self.sandbox_url:
            raise Broken("the page has no link to the sandbox")
        return ""

    def athlete_logs_in(self) -> str:
        self._log_in(self.athlete, self.importer)
        return self.importer.name

    def connects(self, visitor: Visitor, person: Person) -> str:
        page = visitor.open("/connections/garmin/connect/?other=1")
        if page.path == "/connections/":
            return "was connected already"
        if form := page.form(having="password"):
            values = {"email": person.sandbox_email, "password": SANDBOX_PASSWORD}
            page = visitor.send(page, form, values)
        return self._finish_login(visitor, page, person)

    def _finish_login(self, visitor: Visitor, page: Page, person: Person) -> str:
        """Follow the attempt's page to its end, with the code when one is wanted."""
        attempt, asked = page.path, ""
        page = _until(lambda: _settled(visitor.open(attempt)), "the login does not get anywhere")
        if form := page.form(ending="/code/"):
            asked = " with a code"
            visitor.send(page, form, {"code": str(self._account(person)["code"])})
            page = _until(lambda: _settled(visitor.open(attempt)), "the code is not answered")
        if visitor.open("/connections/garmin/connect/").path != "/connections/":
            raise Broken(_words(page))
        return f"{person.sandbox_email}{asked}"

    def library_arrives(self) -> str:
        def count() -> int:
            found = re.search(r"(\d+) workouts?\b", self.coach.open("/library/").text)
            return int(found[1]) if found and int(found[1]) >= FEWEST_WORKOUTS else 0

        return f"{_until(count, f'fewer than {FEWEST_WORKOUTS} workouts came')} workouts"

    def shares(self) -> str:
        path = self._unshared_workout()
        page = self.coach.open(path)
        heading = re.search(r"<h1>(.*?)</h1>", page.text, re.DOTALL)
        page = self.coach.open(f"{path}share/")
        names = {label.removeprefix("a-"): words for label, words in page.labels.items() if label.startswith("a-")}
        chosen = [who for person in ATHLETES[:3] for who, words in names.items() if words.startswith(person.name)]
        form = page.form(having="on")
        if form is None or len(chosen) < 3 or heading is None:
            raise Broken("the share page does not offer the three athletes")
        self.share_path, self.workout = path, unescape(heading[1].strip())
        self.coach.send(page, form, {"athlete": chosen, "on": self.day.isoformat(), "message": "See you on Tuesday."})
        return f"{self.workout}, {self.day:%A %d %B}"

    def _unshared_workout(self) -> str:
        for number in range(1, 20):
            page = self.coach.open(f"/library/?sport=running&page={number}")
            for link in page.links_to("/library/"):
                if re.fullmatch(r"/library/[0-9a-f-]{36}/", link.path) and "shared" not in link.words:
                    return link.path
        raise Broken("every running workout was shared already; start anew with --reset")

    def imports(self) -> str:
        self.entries_before = len(self._entries())
        page = self.athlete.open("/inbox/")
        offers = [link.path for link in page.links_to("/inbox/") if self.workout in link.words]
        if not offers:
            raise Broken(f"{self.workout} is not in the inbox")
        page = self.athlete.open(offers[0])
        form = page.form(ending="/import/")
        if form is None:
            raise Broken("the offer cannot be imported")
        self.athlete.send(page, form, {})
        return self.workout

    def is_on_the_calendar(self) -> str:
        _until(lambda: len(self._entries()) > self.entries_before, "it is not on the calendar")
        if len(self._entries()) != self.entries_before + 1:
            raise Broken("it is on the calendar more than once")
        return f"{self.importer.sandbox_email}, {self.day}"

    def coach_sees_it(self) -> str:
        return str(_until(lambda: _badge(self.coach.open(self.share_path)), "the workout's page does not say so"))

    def _log_in(self, visitor: Visitor, person: Person) -> Page:
        page = visitor.open("/demo/")
        form = page.form(words=person.email)
        if form is None:
            raise Broken(f"the demo page does not offer {person.email}")
        return visitor.send(page, form, {})

    def _account(self, person: Person) -> dict[str, Any]:
        found = requests.get(f"{self.sandbox_url}control/accounts", timeout=10).json()["garmin"]
        return next(account for account in found if account["email"] == person.sandbox_email)

    def _entries(self) -> list[Any]:
        calendar = self._account(self.importer)["calendar"]
        return [entry for entry in calendar if entry["on"] == self.day.isoformat()]


def _next_tuesday(today: date) -> date:
    return today + timedelta(days=(TUESDAY - today.weekday()) % 7 or 7)


def _settled(page: Page) -> Page | None:
    """The attempt's page once nothing moves any more: it asks for a code, or it is over."""
    return None if 'class="spinner"' in page.text else page


def _badge(page: Page) -> str:
    return "On the calendar" if "On the calendar" in page.text else ""


def _words(page: Page) -> str:
    """What the page tells the person, for the report."""
    main = page.text.partition("<main")[2]
    return " ".join(re.sub(r"<[^>]+>", " ", main).split())[:300]


def _until[T](look: Callable[[], T | None], complaint: str) -> T:
    """Look again until there is something to see."""
    end = time.monotonic() + PATIENCE_S
    while not (seen := look()):
        if time.monotonic() > end:
            raise Broken(complaint)
        time.sleep(LOOK_S)
    return seen
