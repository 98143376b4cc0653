"""What Strava tells an application of its own accord, and how: three times at most, until it is answered 200."""

import hmac
import json
import secrets
import time
from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Any

import requests

from integrations.sandbox import Letter

PATIENCE_S = 2.0
MOST_TRIES = 3

type Event = dict[str, Any]


def happened(kind: str, identity: int, aspect: str, *, owner: int, updates: Mapping[str, str] | None = None) -> Event:
    """An event as Strava words it; the subscription's number comes with each telling."""
    return {
        "object_type": kind, "object_id": identity, "aspect_type": aspect, "updates": dict(updates or {}),
        "owner_id": owner, "event_time": int(time.time()),
    }  # fmt: skip


def shakes_hands(callback_url: str, verify_token: str) -> bool:
    """Whether the address echoes a challenge within two seconds; Strava subscribes nobody else."""
    challenge = secrets.token_hex(8)
    query = {"hub.mode": "subscribe", "hub.challenge": challenge, "hub.verify_token": verify_token}
    try:
        answer = requests.get(callback_url, params=query, timeout=PATIENCE_S, allow_redirects=False)
        return answer.status_code == 200 and answer.json() == {"hub.challenge": challenge}
    except (requests.RequestException, ValueError):
        return False


def letters(
    subscriptions: Mapping[str, Mapping[str, Any]],
    events: Sequence[Event],
    *,
    account: str,
    secret: str,
    signed_at: float,
) -> list[Letter]:
    """Each event for each subscriber, in this order, signed with the application's secret at that moment."""
    return [
        _letter(str(row["callback_url"]), {"subscription_id": int(number), **event}, account, (secret, int(signed_at)))
        for event in events
        for number, row in subscriptions.items()
    ]


def _letter(address: str, event: Event, account: str, signing: tuple[str, int]) -> Letter:
    body = json.dumps(event).encode()
    secret, stamp = signing
    digest = hmac.new(secret.encode(), f"{stamp}.".encode() + body, sha256).hexdigest()
    words = f"{event['object_type']} {event['object_id']}: {event['aspect_type']}"
    headers = {"X-Strava-Signature": f"t={stamp},v1={digest}"}
    return Letter(address, body, words, account=account, headers=headers, tries=MOST_TRIES)
