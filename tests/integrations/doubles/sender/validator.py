from integrations import errors
from integrations.records import ActivityRecord


def validate_activity(record: ActivityRecord) -> ActivityRecord:
    if record.duration_s <= 0:
        raise errors.DataError("it lasts no time at all", provider="sender", code="invalid")
    return record
