"""What Strava tells an application of its own accord, and how: three times at most, until it is answered 200."""

import secrets
import threading
import time
from collections.abc import Mapping, Sequence
from typing import Any

import requests

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


def tell(subscriptions: Mapping[str, Mapping[str, Any]], events: Sequence[Event]) -> threading.Thread:
    """Each event to each subscriber, in this order, beside whatever goes on here."""
    letters = [
        (str(row["callback_url"]), {"subscription_id": int(number), **event})
        for event in events
        for number, row in subscriptions.items()
    ]
    thread = threading.Thread(target=_send, args=(letters,), daemon=True)
    thread.start()
    return thread


def _send(letters: Sequence[tuple[str, Event]]) -> None:
    for address, event in letters:
        for _ in range(MOST_TRIES):
            try:
                if requests.post(address, json=event, timeout=PATIENCE_S, allow_redirects=False).status_code == 200:
                    break
            except requests.RequestException:
                continue
