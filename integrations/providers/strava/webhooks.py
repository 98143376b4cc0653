"""What Strava tells us of its own accord: that an activity came, changed or went, or that an athlete took back his yes.

One subscription serves the whole application. Strava signs nothing that its documentation knows of, so the address is
secret, the subscription must be ours, and a body is a hint: what is true is asked of the API before anything changes.
"""

import hmac
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

from integrations import errors
from integrations.providers.strava.provider import SLUG
from integrations.records import EventKind, ProviderEvent
from integrations.signatures import InvalidSignature, Options
from integrations.spec import UNSIGNED

SCHEME = UNSIGNED
OPTIONS = Options(header="X-Strava-Signature")  # not in its documentation, though sent: looked at where it is demanded
MOST_BYTES = 16 * 1024  # one event each, of a few hundred letters
ORDERED = True

MODE, TOKEN, CHALLENGE = "hub.mode", "hub.verify_token", "hub.challenge"
OBJECTS = {"activity": "activities"}
ASPECTS = {
    "create": EventKind.RESOURCE_CHANGED,
    "update": EventKind.RESOURCE_CHANGED,
    "delete": EventKind.RESOURCE_DELETED,
}
LARGEST_ID = 2**63

_CHALLENGE = re.compile(r"[A-Za-z0-9_-]{1,128}")


def identify(headers: Mapping[str, str], payload: Any) -> str:
    """Strava numbers its events not at all; two tellings of one thing are equal in all of this."""
    if not isinstance(payload, Mapping):
        return ""
    updates = payload.get("updates")
    changed = sorted(f"{key}={value}" for key, value in updates.items()) if isinstance(updates, Mapping) else []
    names = ("subscription_id", "object_type", "object_id", "aspect_type", "event_time")
    parts = [str(payload.get(name)) for name in names]
    return sha256("\0".join([*parts, *changed]).encode(errors="replace")).hexdigest()


def handshake(query: Mapping[str, Sequence[str]], secrets: Sequence[str]) -> Mapping[str, Any] | None:
    """The echo that Strava waits two seconds for. Each parameter once, and a challenge of harmless letters."""
    given = {name: list(query.get(name, ())) for name in (MODE, TOKEN, CHALLENGE)}
    if any(len(values) != 1 for values in given.values()) or given[MODE] != ["subscribe"]:
        raise errors.DataError("this is no handshake", provider=SLUG, code="handshake")
    token = given[TOKEN][0].encode(errors="replace")
    known = [hmac.compare_digest(token, secret.encode()) for secret in secrets if secret]
    if not any(known):
        raise InvalidSignature("wrong_token")
    if not _CHALLENGE.fullmatch(given[CHALLENGE][0]):
        raise errors.DataError("the challenge has letters that are not echoed", provider=SLUG, code="handshake")
    return {CHALLENGE: given[CHALLENGE][0]}


def accepts(
    headers: Mapping[str, str],
    payload: Any,
    client_id: str,
    registration: Mapping[str, Any],
) -> bool:
    """Only of our subscription, whose number Strava told us when it was made."""
    ours = registration.get("subscription_id")
    told = payload.get("subscription_id") if isinstance(payload, Mapping) else None
    return _is_number(ours) and _is_number(told) and ours == told


def parse(payload: Any) -> list[ProviderEvent]:
    """One event a body."""
    if not isinstance(payload, Mapping):
        raise errors.DataError("an object was expected", provider=SLUG)
    kind, aspect = payload.get("object_type"), payload.get("aspect_type")
    if not (isinstance(kind, str) and isinstance(aspect, str)):
        raise errors.DataError("the event does not say what happened", provider=SLUG)
    return [
        ProviderEvent(
            kind=_kind(kind, aspect, payload.get("updates")),
            name=f"{kind}.{aspect}"[:64],
            resource=OBJECTS.get(kind, ""),
            account_id=_id(payload.get("owner_id"), "owner_id"),
            object_id=_id(payload.get("object_id"), "object_id"),
            happened_at=_moment(payload.get("event_time")),
            data=dict(payload),
            dedupe_key=identify({}, payload),
        )
    ]


def _kind(kind: str, aspect: str, updates: Any) -> EventKind:
    """An athlete's only event is that he took back his yes; "false" comes as a text."""
    if kind in OBJECTS:
        return ASPECTS.get(aspect, EventKind.UNKNOWN)
    taken_back = isinstance(updates, Mapping) and str(updates.get("authorized")).lower() == "false"
    return EventKind.DEAUTHORIZED if kind == "athlete" and aspect == "update" and taken_back else EventKind.UNKNOWN


def _moment(value: Any) -> datetime | None:
    if value is None:
        return None
    try:
        return datetime.fromtimestamp(value, UTC)
    except (TypeError, ValueError, OverflowError, OSError):
        raise errors.DataError("event_time is no point in time", provider=SLUG) from None


def _id(value: Any, what: str) -> str:
    if not (_is_number(value) and 0 < value < LARGEST_ID):
        raise errors.DataError(f"{what} is no id", provider=SLUG)
    return str(value)


def _is_number(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
