"""Garmin's JSON ↔ records. Pure: no network, no database, no clock."""

from integrations.providers.garmin.translator.details import to_details
from integrations.providers.garmin.translator.reading import to_workout
from integrations.providers.garmin.translator.rows import (
    to_account,
    to_activity,
    to_calendar,
    to_schedule,
    to_summary,
)
from integrations.providers.garmin.translator.writing import from_workout

__all__ = [
    "from_workout",
    "to_account",
    "to_activity",
    "to_calendar",
    "to_details",
    "to_schedule",
    "to_summary",
    "to_workout",
]
