"""What the app on a phone does with a seed (RFC 6238)."""

import time

from allauth.mfa import app_settings
from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value


def code_of(seed: str) -> str:
    """Of this half minute; the one before counts as well, so whoever is slow is let in."""
    return str(format_hotp_value(hotp_value(seed, int(time.time()) // app_settings.TOTP_PERIOD)))
