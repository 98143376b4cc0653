"""The page on which an athlete says what an application may do, with every box of it to untick."""

from collections.abc import Sequence
from html import escape
from urllib.parse import urlencode, urlsplit

from integrations.sandbox import Answer, Request

LOOPBACK = {"127.0.0.1", "localhost"}
SCOPES = {
    "read": "View your public profile",
    "read_all": "View your private routes, segments and events",
    "profile:read_all": "View your complete profile",
    "profile:write": "Change your profile",
    "activity:read": "View your activities",
    "activity:read_all": "View your activities, those that only you can see as well",
    "activity:write": "Upload and change activities",
}
ALWAYS = "read"  # the box that cannot be unticked
KEPT = ("client_id", "redirect_uri", "response_type", "scope", "state", "code_challenge", "code_challenge_method")
HEADERS = {
    # The form ends at the application, another origin: its redirects are not held against this page.
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; img-src data:; base-uri 'none'; "
    "frame-ancestors 'none'",
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


def asked(text: str) -> list[str]:
    """Scopes come as a list with commas; a blank is taken, too."""
    return [word for word in text.replace(",", " ").split() if word]


def may_send_to(address: str) -> bool:
    """Strava compares the host with the application's; here every loopback address is one of ours."""
    parts = urlsplit(address)
    return parts.scheme in {"http", "https"} and parts.hostname in LOOPBACK and not parts.username


def page(request: Request, people: Sequence[tuple[str, str]]) -> Answer:
    """`people` are (email, name): nobody types a password here."""
    hidden = "".join(
        f"<input type='hidden' name='{name}' value='{escape(request.query.get(name, ''))}'>" for name in KEPT
    )
    choices = "".join(
        f"<option value='{escape(email)}'>{escape(name)} ({escape(email)})</option>" for email, name in people
    )
    boxes = "".join(_box(scope) for scope in asked(request.query.get("scope", "")))
    body = (
        "<h1>Authorize Transformation Coaching</h1><p class='lead'>Strava's page, in the sandbox</p>"
        "<form method='post' class='card stack'>"
        f"{hidden}<label>You are <select name='account'>{choices}</select></label>"
        f"<fieldset class='stack'><legend>It may</legend>{boxes}</fieldset>"
        "<div class='bar'><button name='answer' value='yes'>Authorize</button>"
        "<button name='answer' value='no'>Cancel</button></div></form>"
    )
    text = (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Authorize · Sandbox</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1"><link rel="icon" href="data:,">'
        f'<link rel="stylesheet" href="/sandbox.css"></head><body><main>{body}</main></body></html>'
    )
    return Answer(text=text, headers=HEADERS)


def _box(scope: str) -> str:
    words = escape(SCOPES.get(scope, scope))
    if scope == ALWAYS:
        return f"<label class='check'><input type='checkbox' checked disabled> {words} (required)</label>"
    return f"<label class='check'><input type='checkbox' name='allow' value='{escape(scope)}' checked> {words}</label>"


def send_back(redirect_uri: str, query: dict[str, str]) -> Answer:
    joint = "&" if "?" in redirect_uri else "?"
    return Answer(
        302, headers={"Location": f"{redirect_uri}{joint}{urlencode(query)}", "Referrer-Policy": "no-referrer"}
    )
