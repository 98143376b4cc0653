"""The page on which an athlete says what an application may do, with every box of it to untick."""

from collections.abc import Sequence
from html import escape

from integrations.sandbox import Answer, Request, consent

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
QUESTION = consent.Question(
    title="Authorize",
    heading="Authorize Transformation Coaching",
    lead="Strava's page, in the sandbox",
    legend="It may",
    yes="Authorize",
    kept=("client_id", "redirect_uri", "response_type", "scope", "state", "code_challenge", "code_challenge_method"),
)


def asked(text: str) -> list[str]:
    """Scopes come as a list with commas; a blank is taken, too."""
    return [word for word in text.replace(",", " ").split() if word]


def page(request: Request, people: Sequence[tuple[str, str]]) -> Answer:
    boxes = (_box(scope) for scope in asked(request.query.get("scope", "")))
    return consent.ask(QUESTION, request, people=people, boxes=boxes)


def _box(scope: str) -> str:
    words = SCOPES.get(scope, scope)
    if scope == ALWAYS:
        return f"<label class='check'><input type='checkbox' checked disabled> {escape(words)} (required)</label>"
    return consent.box(scope, words)
