"""Pages that people see at Garmin: what an application may do, with a box for each, and the partner's own portal."""

from collections.abc import Mapping, Sequence
from html import escape

from integrations.providers.garmin_partner.sandbox.state import OFF_AT_FIRST, PERMISSIONS
from integrations.sandbox import Answer, Request, consent

QUESTION = consent.Question(
    title="Connect",
    heading="Connect with Transformation Coaching",
    lead="Garmin's page, in the sandbox",
    legend="Share",
    yes="Save",
    kept=("client_id", "redirect_uri", "response_type", "state", "code_challenge", "code_challenge_method"),
)
MODES = {"push": "Push: the whole summary", "ping": "Ping: a link to it"}


def page(request: Request, people: Sequence[tuple[str, str]]) -> Answer:
    boxes = (consent.box(name, words, is_ticked=name != OFF_AT_FIRST) for name, words in PERMISSIONS.items())
    return consent.ask(QUESTION, request, people=people, boxes=boxes)


def portal(noted: Mapping[str, str]) -> Answer:
    """Where a partner enters the one address that everything is sent to."""
    mode = noted.get("mode", "push")
    modes = "".join(
        f"<option value='{name}'{' selected' if name == mode else ''}>{escape(words)}</option>"
        for name, words in MODES.items()
    )
    return consent.page(
        "Endpoints",
        "<h1>Endpoints</h1><p class='lead'>The partner's portal, in the sandbox. Enter the address that the admin "
        "shows under Webhook endpoints; empty, nothing is sent.</p><form method='post' class='card stack'>"
        f"<label>Address <input name='url' type='url' value='{escape(noted.get('url', ''))}'></label>"
        f"<label>Activities come as <select name='mode'>{modes}</select></label>"
        "<div class='bar'><button>Save</button></div></form>",
    )
