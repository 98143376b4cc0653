"""Garmin's partner programme as a partner sees it: consent, tokens, workouts, days, activities, and what it sends."""

from integrations.providers.garmin_partner.sandbox.partner import GarminPartnerSandbox

SANDBOX = GarminPartnerSandbox

__all__ = ["SANDBOX"]
