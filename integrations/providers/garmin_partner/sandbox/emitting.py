"""What Garmin sends a partner of its own accord, and how: again and again, until it is answered 200."""

import secrets
import threading
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

import requests

from integrations.providers.garmin_partner.sandbox.state import CLIENT_ID

PATIENCE_S = 5.0
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


def send(url: str, bodies: Sequence[Body], *, client_id: str = CLIENT_ID) -> threading.Thread:
    """One body after the other, beside whatever goes on here. Without an address nothing is sent."""
    thread = threading.Thread(target=_send, args=(url, list(bodies), client_id), daemon=True)
    thread.start()
    return thread


def _send(url: str, bodies: Sequence[Body], client_id: str) -> None:
    for body in bodies if url else ():
        for _ in range(MOST_TRIES):
            try:
                answer = requests.post(
                    url,
                    json=body,
                    headers={"garmin-client-id": client_id},
                    timeout=PATIENCE_S,
                    allow_redirects=False,
                )
            except requests.RequestException:
                continue
            if answer.status_code == 200:
                break
