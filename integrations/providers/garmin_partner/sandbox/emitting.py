"""What Garmin sends a partner of its own accord, and how: again and again, until it is answered 200."""

import json
import secrets
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

from integrations.providers.garmin_partner.sandbox.state import CLIENT_ID
from integrations.sandbox import Letter

MOST_TRIES = 4
API = "https://apis.garmin.com"  # what a ping's link begins with, wherever it is really answered
HOSTILE = "https://apis.garmin.com.evil.example"

type Body = dict[str, list[dict[str, Any]]]


def pushed(*summaries: Mapping[str, Any], kind: str = "activities") -> Body:
    """Whole summaries, of several people where need be."""
    return {kind: [dict(summary) for summary in summaries]}


def pinged(user: str, first: int, last: int, *, root: str = API) -> Body:
    """A link to what was uploaded between two seconds."""
    window = {"uploadStartTimeInSeconds": first, "uploadEndTimeInSeconds": last, "token": secrets.token_hex(8)}
    return {"activities": [{"userId": user, "callbackURL": f"{root}/wellness-api/rest/activities?{urlencode(window)}"}]}


def left(user: str) -> Body:
    return {"deregistrations": [{"userId": user}]}


def permitted(user: str, permissions: Sequence[str]) -> Body:
    return {"userPermissionsChange": [{"userId": user, "permissions": list(permissions)}]}


def letters(url: str, bodies: Sequence[Body], *, account: str, client_id: str = CLIENT_ID) -> list[Letter]:
    """One for each body. Without an address nothing is sent."""
    headers = {"garmin-client-id": client_id}
    return [
        Letter(url, json.dumps(body).encode(), _words(body), account=account, headers=headers, tries=MOST_TRIES)
        for body in (bodies if url else ())
    ]


def _words(body: Body) -> str:
    """What a body tells, for people."""
    return ", ".join(f"{kind}: {len(entries)}" for kind, entries in body.items())
