"""The Training API's and the Activity API's JSON ↔ our records; pure."""

from integrations.providers.garmin_partner.translator.reading import to_workout
from integrations.providers.garmin_partner.translator.rows import (
    to_account,
    to_activity,
    to_calendar,
    to_schedule,
    to_summary,
)
from integrations.providers.garmin_partner.translator.writing import from_workout

__all__ = ["from_workout", "to_account", "to_activity", "to_calendar", "to_schedule", "to_summary", "to_workout"]
