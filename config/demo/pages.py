"""Just enough of a browser to walk through the product's pages: forms, links and labels, with the session's cookies."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from html.parser import HTMLParser
from urllib.parse import urljoin, urlsplit

import requests

TIMEOUT_S = 20


@dataclass
class Form:
    action: str
    method: str
    fields: dict[str, str] = field(default_factory=dict)  # hidden ones and the names of the others
    words: str = ""  # all its text, buttons included


@dataclass
class Link:
    path: str
    words: str = ""


@dataclass
class Page:
    """An answer, read. `path` is where the redirects ended."""

    path: str
    text: str
    forms: list[Form] = field(default_factory=list)
    links: list[Link] = field(default_factory=list)
    labels: dict[str, str] = field(default_factory=dict)  # id of the input → words

    def form(self, *, ending: str = "", words: str = "", having: str = "") -> Form | None:
        """The first form whose address ends so, which says these words and has this field."""
        fitting = (
            form
            for form in self.forms
            if form.action.endswith(ending) and words in form.words and (not having or having in form.fields)
        )
        return next(fitting, None)

    def links_to(self, prefix: str) -> Iterator[Link]:
        """Links to something below `prefix`, not to `prefix` itself."""
        return (link for link in self.links if link.path.startswith(prefix) and link.path != prefix)


class Visitor:
    """One person in front of the pages at `base`."""

    def __init__(self, base: str) -> None:
        self.base = base
        self.session = requests.Session()
        self.session.trust_env = False  # loopback needs no proxy

    def open(self, path: str) -> Page:
        return _read(self.session.get(urljoin(self.base, path), timeout=TIMEOUT_S))

    def send(self, page: Page, form: Form, values: Mapping[str, str | list[str]]) -> Page:
        """Submit `form` of `page` with `values` over what it holds already."""
        url = urljoin(urljoin(self.base, page.path), form.action)
        data = {**form.fields, **values}
        return _read(self.session.post(url, data=data, headers={"Referer": url}, timeout=TIMEOUT_S))


def _read(response: requests.Response) -> Page:
    response.raise_for_status()
    reader = _Reader(Page(urlsplit(response.url).path, response.text))
    reader.feed(response.text)
    return reader.page


class _Reader(HTMLParser):
    def __init__(self, page: Page) -> None:
        super().__init__()
        self.page = page
        self._form: Form | None = None
        self._link: Link | None = None
        self._label = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        match tag:
            case "form":
                self._form = Form(values.get("action", ""), values.get("method", "get"))
                self.page.forms.append(self._form)
            case "a":
                self._link = Link(values.get("href", ""))
                self.page.links.append(self._link)
            case "label":
                self._label = values.get("for", "")
            case "input" | "textarea" | "select" if self._form:
                self._note_field(values)

    def _note_field(self, values: Mapping[str, str]) -> None:
        """A box counts only when it is ticked; the caller names those it wants ticked."""
        is_box = values.get("type") in {"checkbox", "radio"}
        if self._form and (name := values.get("name")) and (not is_box or "checked" in values):
            self._form.fields[name] = values.get("value", "on" if is_box else "")

    def handle_endtag(self, tag: str) -> None:
        match tag:
            case "form":
                self._form = None
            case "a":
                self._link = None
            case "label":
                self._label = ""

    def handle_data(self, data: str) -> None:
        words = " ".join(data.split())
        if not words:
            return
        for holder in (self._form, self._link):
            if holder:
                holder.words = f"{holder.words} {words}".strip()
        if self._label:
            self.page.labels[self._label] = f"{self.page.labels.get(self._label, '')} {words}".strip()
