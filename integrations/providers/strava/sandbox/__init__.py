"""Strava as an application sees it: consent, tokens, athlete, activities, limits and subscriptions, on loopback."""

from integrations.providers.strava.sandbox.strava import StravaSandbox

SANDBOX = StravaSandbox

__all__ = ["SANDBOX"]
