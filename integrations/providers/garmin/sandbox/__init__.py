"""Garmin Connect as its phone app sees it: login, tokens, workouts, calendar and activities, on loopback."""

from integrations.providers.garmin.sandbox.garmin import GarminSandbox

SANDBOX = GarminSandbox

__all__ = ["SANDBOX"]
