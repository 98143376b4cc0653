"""Pages that people see at Garmin: what an application may do, with a box for each, and the partner's own portal."""

from collections.abc import Mapping, Sequence
from html import escape
from urllib.parse import urlencode, urlsplit

from integrations.providers.garmin_partner.sandbox.state import OFF_AT_FIRST, PERMISSIONS
from integrations.sandbox import Answer, Request

LOOPBACK = {"127.0.0.1", "localhost"}
KEPT = ("client_id", "redirect_uri", "response_type", "state", "code_challenge", "code_challenge_method")
HEADERS = {
    # The form ends at the application, another origin: its redirects are not held against this page.
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; img-src data:; base-uri 'none'; "
    "frame-ancestors 'none'",
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
MODES = {"push": "Push: the whole summary", "ping": "Ping: a link to it"}


def may_send_to(address: str) -> bool:
    """Garmin knows the partner's addresses; here every loopback address is one of ours."""
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
    return _page(
        "Connect",
        "<h1>Connect with Transformation Coaching</h1><p class='lead'>Garmin's page, in the sandbox</p>"
        "<form method='post' class='card stack'>"
        f"{hidden}<label>You are <select name='account'>{choices}</select></label>"
        f"<fieldset class='stack'><legend>Share</legend>{''.join(map(_box, PERMISSIONS))}</fieldset>"
        "<div class='bar'><button name='answer' value='yes'>Save</button>"
        "<button name='answer' value='no'>Cancel</button></div></form>",
    )


def portal(noted: Mapping[str, str]) -> Answer:
    """Where a partner enters the one address that everything is sent to."""
    mode = noted.get("mode", "push")
    modes = "".join(
        f"<option value='{name}'{' selected' if name == mode else ''}>{escape(words)}</option>"
        for name, words in MODES.items()
    )
    return _page(
        "Endpoints",
        "<h1>Endpoints</h1><p class='lead'>The partner's portal, in the sandbox. Enter the address that the admin "
        "shows under Webhook endpoints; empty, nothing is sent.</p><form method='post' class='card stack'>"
        f"<label>Address <input name='url' type='url' value='{escape(noted.get('url', ''))}'></label>"
        f"<label>Activities come as <select name='mode'>{modes}</select></label>"
        "<div class='bar'><button>Save</button></div></form>",
    )


def send_back(redirect_uri: str, query: dict[str, str]) -> Answer:
    joint = "&" if "?" in redirect_uri else "?"
    return Answer(
        302, headers={"Location": f"{redirect_uri}{joint}{urlencode(query)}", "Referrer-Policy": "no-referrer"}
    )


def _box(permission: str) -> str:
    ticked = "" if permission == OFF_AT_FIRST else " checked"
    words = escape(PERMISSIONS[permission])
    return f"<label class='check'><input type='checkbox' name='allow' value='{permission}'{ticked}> {words}</label>"


def _page(title: str, body: str) -> Answer:
    text = (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title} · Sandbox</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1"><link rel="icon" href="data:,">'
        f'<link rel="stylesheet" href="/sandbox.css"></head><body><main>{body}</main></body></html>'
    )
    return Answer(text=text, headers=HEADERS)
