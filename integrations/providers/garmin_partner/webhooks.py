"""What Garmin sends us of its own accord: whole activities, hints that there are some, and that a person left.

One body tells of several people and of several kinds of thing. Garmin signs nothing: the address is secret, the header
must name our key, and what concerns a person's registration is asked of the API before anything changes.
"""

import hmac
import json
from collections.abc import Iterator, Mapping, Sequence
from hashlib import sha256
from typing import Any

from integrations import errors
from integrations.providers.garmin_partner.provider import API_HOST, SLUG
from integrations.records import EventKind, ProviderEvent
from integrations.resilience.outbound import Refused, Rules
from integrations.signatures import Options
from integrations.spec import UNSIGNED

SCHEME = UNSIGNED
OPTIONS = Options()
MOST_BYTES = 10 * 1024 * 1024  # pushes come in batches
ORDERED = True

CLIENT_ID = "garmin-client-id"
CALLBACK = "callbackURL"
RESOURCE = "activities"
WHOLE = frozenset({"activities", "manuallyUpdatedActivities"})  # whose entries are summaries, unless they are pings
HINTS = frozenset({"activityDetails", "activityFiles"})
LEFT = "deregistrations"
PERMISSIONS = frozenset({"userPermissionsChange", "userPermissions"})
SECRET = frozenset({"userAccessToken", CALLBACK})  # the link holds a token as well
LONGEST_ID = 64

# Judges the text alone. The link is never followed as it stands: what it leads to is read by a worker, at our own
# address for Garmin, with the person's own token.
_RULES = Rules.of({API_HOST}, loopback=False)


def identify(headers: Mapping[str, str], payload: Any) -> str:
    """Garmin numbers nothing: the body's hash."""
    return ""


def handshake(query: Mapping[str, Sequence[str]], secrets: Sequence[str]) -> Mapping[str, Any] | None:
    """Addresses are entered by hand in Garmin's portal, which asks them nothing."""
    return None


def accepts(
    headers: Mapping[str, str],
    payload: Any,
    client_id: str,
    registration: Mapping[str, Any],
) -> bool:
    """Only what names our key. A body with a callback to anywhere but Garmin's API is refused as a whole."""
    told = headers.get(CLIENT_ID, "")
    if not (client_id and hmac.compare_digest(told.encode(errors="replace"), client_id.encode())):
        return False
    for _, entry in _entries(payload):
        if isinstance(entry, Mapping) and entry.get(CALLBACK) is not None:
            _judge(entry[CALLBACK])
    return True


def parse(payload: Any) -> list[ProviderEvent]:
    """One event an entry. An entry that cannot be read is UNKNOWN: its neighbours are other people's."""
    return [_event(kind, entry) for kind, entry in _entries(payload)]


def _entries(payload: Any) -> Iterator[tuple[str, Any]]:
    if not isinstance(payload, Mapping):
        raise errors.DataError("an object was expected", provider=SLUG)
    for kind, entries in payload.items():
        if not isinstance(entries, list):
            raise errors.DataError("each kind of thing has a list", provider=SLUG)
        for entry in entries:
            yield str(kind), entry


def _judge(link: Any) -> None:
    try:
        if not isinstance(link, str):
            raise Refused("it is no text")
        _RULES.origin(link)
    except Refused:
        raise errors.DataError("a callback leads away from Garmin", provider=SLUG, code="foreign_link") from None


def _event(kind: str, entry: Any) -> ProviderEvent:
    name = kind[:64]
    account_id = _id(entry.get("userId")) if isinstance(entry, Mapping) else ""
    if not account_id:
        return ProviderEvent(kind=EventKind.UNKNOWN, name=name)
    told = {str(key): value for key, value in entry.items() if key not in SECRET}
    summary_id = _id(entry.get("summaryId"))
    is_whole = kind in WHOLE and CALLBACK not in entry and bool(summary_id)
    return ProviderEvent(
        kind=_kind_of(kind, entry),
        name=name,
        resource=RESOURCE if kind in WHOLE | HINTS else "",
        account_id=account_id,
        object_id=summary_id if is_whole else "",
        data=told,
        is_whole=is_whole,
        dedupe_key=_key(kind, account_id, summary_id, entry),
    )


def _kind_of(kind: str, entry: Mapping[str, Any]) -> EventKind:
    """A leg of a multisport activity is told in its parent as well."""
    if kind in PERMISSIONS:
        return EventKind.PERMISSIONS_CHANGED
    if kind == LEFT:
        return EventKind.DEAUTHORIZED
    is_ours = kind in WHOLE | HINTS and not entry.get("parentSummaryId")
    return EventKind.RESOURCE_CHANGED if is_ours else EventKind.UNKNOWN


def _key(*parts: Any) -> str:
    text = json.dumps(parts, sort_keys=True, separators=(",", ":"), default=str)
    return sha256(text.encode(errors="replace")).hexdigest()


def _id(value: Any) -> str:
    text = str(value) if isinstance(value, int | str) and not isinstance(value, bool) else ""
    return text if len(text) <= LONGEST_ID and text.isascii() and text.isprintable() else ""
