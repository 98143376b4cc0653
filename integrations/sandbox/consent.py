"""The page on which people say at a provider what an application may do, and the way back to the application."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from urllib.parse import parse_qs, urlencode, urlsplit

from integrations.sandbox.messages import Answer, Request

LOOPBACK = {"127.0.0.1", "localhost"}
HEADERS = {
    # The form ends at the application, another origin: its redirects are not held against this page.
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; img-src data:; base-uri 'none'; "
    "frame-ancestors 'none'",
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


@dataclass(frozen=True, slots=True)
class Question:
    """The provider's own words; `kept` are the parameters of the request that the answer has to come back with."""

    title: str
    heading: str
    lead: str
    legend: str
    yes: str
    kept: Sequence[str]


def may_send_to(address: str) -> bool:
    """Providers know their applications' addresses; here every loopback address is one of ours."""
    parts = urlsplit(address)
    return parts.scheme in {"http", "https"} and parts.hostname in LOOPBACK and not parts.username


def ask(question: Question, request: Request, *, people: Sequence[tuple[str, str]], boxes: Iterable[str]) -> Answer:
    """`people` are (email, name): nobody types a password here."""
    hidden = "".join(
        f"<input type='hidden' name='{name}' value='{escape(request.query.get(name, ''))}'>" for name in question.kept
    )
    choices = "".join(
        f"<option value='{escape(email)}'>{escape(name)} ({escape(email)})</option>" for email, name in people
    )
    return page(
        question.title,
        f"<h1>{question.heading}</h1><p class='lead'>{question.lead}</p>"
        "<form method='post' class='card stack'>"
        f"{hidden}<label>You are <select name='account'>{choices}</select></label>"
        f"<fieldset class='stack'><legend>{question.legend}</legend>{''.join(boxes)}</fieldset>"
        f"<div class='bar'><button name='answer' value='yes'>{question.yes}</button>"
        "<button name='answer' value='no'>Cancel</button></div></form>",
    )


def box(name: str, words: str, *, is_ticked: bool = True) -> str:
    ticked = " checked" if is_ticked else ""
    value = escape(name)
    return f"<label class='check'><input type='checkbox' name='allow' value='{value}'{ticked}> {escape(words)}</label>"


def page(title: str, body: str) -> Answer:
    text = (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title} · Sandbox</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1"><link rel="icon" href="data:,">'
        f'<link rel="stylesheet" href="/sandbox.css"></head><body><main>{body}</main></body></html>'
    )
    return Answer(text=text, headers=HEADERS)


def ticked(request: Request) -> list[str]:
    return parse_qs(request.body.decode(errors="replace")).get("allow", [])


def send_back(form: Mapping[str, str], answer: Mapping[str, str]) -> Answer:
    """To where the form says, with the state that the application gave."""
    address = form["redirect_uri"]
    query = {"state": form["state"], **answer} if form.get("state") else answer
    joint = "&" if "?" in address else "?"
    return Answer(302, headers={"Location": f"{address}{joint}{urlencode(query)}", "Referrer-Policy": "no-referrer"})
