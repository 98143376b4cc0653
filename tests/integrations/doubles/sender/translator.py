"""What the double says of an activity it sends whole: {"id", "seconds", "start", "owner"}."""

from datetime import UTC, datetime
from typing import Any

from integrations import errors
from integrations.records import ActivityRecord, Sport


def to_activity(raw: dict[str, Any]) -> ActivityRecord:
    try:
        return ActivityRecord(
            external_id=str(raw["id"]),
            account_id=str(raw.get("owner", "")),
            sport=Sport.RUNNING,
            name=str(raw.get("name", "")),
            started_at=datetime.fromtimestamp(raw["start"], UTC),
            duration_s=float(raw["seconds"]),
        )
    except (KeyError, TypeError, ValueError) as exc:
        raise errors.DataError("seconds or start cannot be read", provider="sender") from exc
