"""What the double sends: {"id", "events": [{"type", "object", "id", "account", "at"}]}, signed by Standard Webhooks.

An item with "whole" brings all there is to know of it.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from integrations import errors
from integrations.records import EventKind, ProviderEvent
from integrations.signatures import Options

SCHEME = "standard-webhooks"
OPTIONS = Options()
MOST_BYTES = 64 * 1024
ORDERED = False

KINDS = {
    "created": EventKind.RESOURCE_CHANGED,
    "updated": EventKind.RESOURCE_CHANGED,
    "deleted": EventKind.RESOURCE_DELETED,
    "deauthorized": EventKind.DEAUTHORIZED,
    "permissions": EventKind.PERMISSIONS_CHANGED,
}


def identify(headers: Mapping[str, str], payload: Any) -> str:
    return headers.get("webhook-id", "")


def handshake(query: Mapping[str, Sequence[str]], secrets: Sequence[str]) -> Mapping[str, Any] | None:
    return None


def accepts(headers: Mapping[str, str], payload: Any, client_id: str, registration: Mapping[str, Any]) -> bool:
    if not isinstance(payload, dict):
        raise errors.DataError("an object was expected", provider="sender")
    return "client" not in payload or payload["client"] == client_id


def parse(payload: Any) -> list[ProviderEvent]:
    try:
        return [_event(item) for item in payload["events"]]
    except (AttributeError, KeyError, TypeError, ValueError, OverflowError, OSError) as exc:
        raise errors.DataError("the events have an unexpected shape", provider="sender") from exc


def _event(item: Mapping[str, Any]) -> ProviderEvent:
    at = item.get("at")
    return ProviderEvent(
        kind=KINDS.get(str(item["type"]), EventKind.UNKNOWN),
        name=str(item["type"]),
        resource=str(item.get("object", "")),
        account_id=str(item["account"]),
        object_id=str(item.get("id", "")),
        happened_at=None if at is None else datetime.fromtimestamp(at, UTC),
        data=dict(item),
        is_whole=bool(item.get("whole")),
    )
